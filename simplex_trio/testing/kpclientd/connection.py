"""One client's connection to the simulated daemon: reading, forwarding to the mixnet, answering."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

import trio

from simplex_trio.errors import DecodeError, TooLarge
from simplex_trio.katzenpost.wire.framing import LengthPrefixedStream
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.testing.kpclientd.apps import App
from simplex_trio.testing.kpclientd.messages import encode_response, read_request

__all__ = ["MAX_WAITING", "ClientConnection", "Daemon"]

MAX_WAITING = 16
"""The most requests that wait to be sent into the mixnet; at the limit reading pauses."""

_WRITE_SECONDS = 60.0

_MIXNET_REQUESTS = (
    "send_message",
    "start_resending_encrypted_message",
    "start_resending_copy_command",
)


class Daemon(Protocol):
    """The daemon, from a connection's point of view."""

    def introduce(self, connection: ClientConnection, token: bytes) -> None:
        """Handle the client's introduction of itself."""
        ...

    def answer(self, app: App, name: str, request: Mapping[str, Any]) -> None:
        """Answer a request that does not need the mixnet."""
        ...

    async def send_on(self, app: App, name: str, request: Mapping[str, Any]) -> None:
        """Handle a request that needs the mixnet, in its turn."""
        ...


class ClientConnection:
    """A connection, after the daemon's first messages."""

    def __init__(self, daemon: Daemon, stream: LengthPrefixedStream) -> None:
        self._daemon = daemon
        self._stream = stream
        self._scope = trio.CancelScope()
        self._unsent: deque[bytes] = deque()
        self._more = trio.Event()
        self._writing = False
        self._written = trio.lowlevel.ParkingLot()
        self._over = trio.Event()
        self.app: App = App(connection=self)
        self.said_farewell: bool = False

    def put(self, name: str, fields: Mapping[str, object]) -> None:
        """Queue a response; only the time-out of writes bounds the queue."""
        self._unsent.append(encode_response(name, fields))
        self._more.set()

    def drop(self) -> None:
        """End the connection without notice."""
        self._scope.cancel()

    async def run(self) -> None:
        """Serve the client until either side ends the connection."""
        waiting, to_send = trio.open_memory_channel[tuple[str, Mapping[str, Any]]](MAX_WAITING)
        try:
            with self._scope:
                async with open_inner_nursery() as nursery:
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._send_on, to_send)
                    await self._read(waiting)
                    nursery.cancel_scope.cancel()
        finally:
            self._scope.cancel()
            self._written.unpark_all()
            self._over.set()
            await trio.aclose_forcefully(self._stream)

    async def drained(self) -> None:
        """Wait until all queued responses are written, or the connection has ended."""
        while (self._unsent or self._writing) and not self._scope.cancel_called:
            await self._written.park()

    async def ended(self) -> None:
        """Wait until the connection has ended."""
        await self._over.wait()

    async def _read(self, waiting: trio.MemorySendChannel[tuple[str, Mapping[str, Any]]]) -> None:
        while True:
            try:
                received = read_request(await self._stream.receive_frame())
            except (DecodeError, trio.EndOfChannel, trio.BrokenResourceError):
                return  # which ends the connection
            if received is None:
                continue
            name, request = received
            if name == "thin_close":
                self.said_farewell = True
                return
            if name == "session_token":
                self._daemon.introduce(self, request["client_instance_token"])
            elif name in _MIXNET_REQUESTS:
                await waiting.send((name, request))
            else:
                self._daemon.answer(self.app, name, request)

    async def _send_on(
        self, to_send: trio.MemoryReceiveChannel[tuple[str, Mapping[str, Any]]]
    ) -> None:
        async for name, request in to_send:
            await self._daemon.send_on(self.app, name, request)

    async def _write(self) -> None:
        while True:
            while self._unsent:
                frames, self._unsent = self._unsent, deque()
                self._writing = True
                try:
                    with trio.fail_after(_WRITE_SECONDS):
                        await self._stream.send_frames(frames)
                except (trio.TooSlowError, trio.BrokenResourceError, TooLarge):
                    self.drop()
            self._writing = False
            self._written.unpark_all()
            self._more = trio.Event()
            await self._more.wait()
