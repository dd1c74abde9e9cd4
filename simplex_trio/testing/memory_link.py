"""`MemoryLink`: an in-memory connection that a test can hold up, even inside a block."""

from __future__ import annotations

import math

import trio
from trio.testing import MemoryReceiveStream, memory_stream_one_way_pair

__all__ = ["MemoryLink"]


class _HeldSendStream(trio.abc.SendStream):
    """Writes to a memory stream up to an allowed number of bytes, then waits."""

    def __init__(self, receiver: MemoryReceiveStream) -> None:
        self.allowed: float = math.inf
        self._receiver = receiver
        self._waiting = trio.lowlevel.ParkingLot()
        self._left = b""
        self._closed = False

    def allow(self, size: float) -> None:
        self.allowed = size
        self._waiting.unpark_all()

    def send_nowait(self, data: bytes) -> bool:
        """Write what is allowed; the rest is for the next `send_all`.  Whether there is none."""
        if self._closed:
            raise trio.ClosedResourceError
        rest = self._left + data
        size = int(min(len(rest), self.allowed))
        if size:
            try:
                self._receiver.put_data(rest[:size])
            except trio.ClosedResourceError:
                raise trio.BrokenResourceError("the peer has stopped reading") from None
            self.allowed -= size
        self._left = rest[size:]
        return not self._left

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        done = self.send_nowait(bytes(data))
        while not done:
            await self._waiting.park()
            done = self.send_nowait(b"")

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        self._closed = True
        self._receiver.put_eof()
        self._waiting.unpark_all()
        await trio.lowlevel.checkpoint()


class _ClientEnd(trio.abc.Stream):
    sends_nowait = True

    def __init__(self, sending: _HeldSendStream, receiving: MemoryReceiveStream) -> None:
        self._sending, self._receiving = sending, receiving
        self.send_nowait = sending.send_nowait

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._sending.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._sending.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._receiving.receive_some(max_bytes)

    async def aclose(self) -> None:
        try:
            await self._sending.aclose()
        finally:
            await self._receiving.aclose()


class MemoryLink:
    """An in-memory connection with the ends ``client`` and ``peer``.

    Either may be replaced by a stream on top of it, such as TLS.
    """

    def __init__(self) -> None:
        to_client, from_peer = memory_stream_one_way_pair()
        self._received = MemoryReceiveStream()
        self._held = _HeldSendStream(self._received)
        self.client: trio.abc.Stream = _ClientEnd(self._held, from_peer)
        self.peer: trio.abc.Stream = trio.StapledStream(to_client, self._received)

    def hold(self, *, after: int = 0) -> None:
        """Let ``after`` more bytes from the client through, then hold the rest."""
        self._held.allow(after)

    def release(self) -> None:
        """Let all bytes through, beginning with those that were held."""
        self._held.allow(math.inf)

    def stop_reading(self) -> None:
        """Make the client's writes fail; data from the peer still arrives."""
        self._received.close()
        self.release()
