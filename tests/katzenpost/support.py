"""What the tests of the thin client share: a daemon that does what the test says, above all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import cbor2
import trio
from trio.testing import MemoryReceiveStream, MemorySendStream, memory_stream_pair

from simplex_trio.errors import DialFailed
from simplex_trio.katzenpost import ClientConfig, ThinClient, WriteChannel, new_channel
from simplex_trio.katzenpost.messages.events import Event
from simplex_trio.katzenpost.opening import open_thin_client
from simplex_trio.katzenpost.session.hub import EventSubscription
from simplex_trio.katzenpost.wire.framing import LengthPrefixedStream
from simplex_trio.testing.kpclientd import SimulatedDaemon, SimulatedMixnet, running_daemon
from simplex_trio.testing.kpclientd.consensus import (
    PIGEONHOLE_GEOMETRY,
    SPHINX_GEOMETRY,
    document,
)

MemoryEnd = trio.StapledStream[MemorySendStream, MemoryReceiveStream]

SEED = bytes(range(32))
START = "start_resending_encrypted_message"
CANCEL = "cancel_resending_encrypted_message"
COPY = "start_resending_copy_command"
TOKEN = b"a daemon's token"

# Waits without the random part, so that tests know when something happens.
STEADY = ClientConfig(random_fraction=lambda: 0.0)

STATUS: dict[str, Any] = {
    "is_connected": True,
    "err": None,
    "instance_token": TOKEN,
    "sphinx_geometry": SPHINX_GEOMETRY,
    "pigeonhole_geometry": PIGEONHOLE_GEOMETRY,
}


class Peer:
    """The daemon's end of a connection, or any client's: whole messages as plain values."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.frames = LengthPrefixedStream(stream)

    async def send(self, message: object) -> None:
        await self.frames.send_frames([cbor2.dumps(message)])

    async def put(self, name: str, fields: Mapping[str, object] | None) -> None:
        await self.send({name: fields})

    async def receive(self) -> Any:
        return cbor2.loads(await self.frames.receive_frame())

    async def next(self, name: str) -> Any:
        """The next message, which must be of this kind."""
        found, request = await self.next_of_any()
        assert found == name
        return request

    async def next_in_doubt(self, name: str) -> Any:
        """As `next`, after answering cancels, which clients use to see that the daemon reads."""
        while (message := await self.next_of_any())[0] == CANCEL:
            await self.answer(CANCEL, message[1])
        assert message[0] == name
        return message[1]

    async def next_of_any(self) -> tuple[str, Any]:
        """What the next message is, and its fields."""
        message = {key: value for key, value in (await self.receive()).items() if value is not None}
        (found,) = message.items()
        return found

    async def hang_up(self) -> None:
        await trio.aclose_forcefully(self.stream)

    # --- as a daemon --------------------------------------------------------------------------

    async def greet(
        self, *, resumed: bool = False, epoch: int = 7, status: Mapping[str, object] = STATUS
    ) -> bytes:
        """Greet a client; returns its token."""
        await self.put("connection_status_event", status)
        await self.put("new_pki_document_event", {"payload": document(epoch)})
        token = (await self.next("session_token"))["client_instance_token"]
        await self.put("session_token_reply", {"app_id": bytes(16), "resumed": resumed})
        return bytes(token)

    async def answer(self, name: str, request: Mapping[str, Any], **fields: object) -> None:
        known = {"query_id": request["query_id"], "error_code": 0}
        await self.put(f"{name}_reply", known | fields)


class ScriptedDaemon:
    """Hands every connection that a client opens to the test."""

    def __init__(self) -> None:
        self._accepted, self._waiting = trio.open_memory_channel[Peer](100)
        self.away = False
        self.dials: list[float] = []
        self.client_ends: list[MemoryEnd] = []

    async def dial(self) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        self.dials.append(trio.current_time())
        if self.away:
            raise DialFailed("away")
        ours, theirs = memory_stream_pair()
        self._accepted.send_nowait(Peer(ours))
        self.client_ends.append(theirs)
        return theirs

    def stop_reading(self) -> None:
        """Have the client wait for ever with whatever it writes."""
        self.client_ends[-1].send_stream.send_all_hook = trio.sleep_forever

    async def accept(self) -> Peer:
        return await self._waiting.receive()

    @asynccontextmanager
    async def client(
        self, config: ClientConfig = STEADY, *, token: bytes | None = None
    ) -> AsyncIterator[tuple[ThinClient, Peer]]:
        """A client, and its greeted connection."""
        peer: Peer | None = None

        async def greet() -> None:
            nonlocal peer
            peer = await self.accept()
            await peer.greet()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(greet)
            async with open_thin_client(self.dial, config, token=token) as client:
                assert peer is not None
                yield client, peer


@asynccontextmanager
async def simulated(
    mixnet: SimulatedMixnet | None = None,
    config: ClientConfig = STEADY,
    *,
    token: bytes | None = None,
) -> AsyncIterator[tuple[ThinClient, SimulatedDaemon]]:
    """A client of a simulated daemon, in memory."""
    async with (
        running_daemon(mixnet) as daemon,
        open_thin_client(daemon.open_stream, config, token=token) as client,
    ):
        yield client, daemon


async def next_event(events: EventSubscription, kind: type[Event]) -> Any:
    """The next event of a kind, over all others."""
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError("the events have ended")


async def channel_with(client: ThinClient, *messages: bytes) -> WriteChannel:
    """A new channel with these messages in it."""
    writer, _ = await new_channel(client)
    for message in messages:
        await writer.write(message)
    return writer
