"""`BlockStream`: exact blocks of one size over any trio stream.

Every protocol here sends blocks of a fixed size back to back, with nothing in between by which a
reader could find its place again.  So a block is read whole or not at all, and a stream in which
part of a block was written is of no further use.  That is all this class is about; what is inside
the blocks it does not know.
"""

from __future__ import annotations

from collections.abc import Iterable

import trio

from simplex_trio.transport.frames import FrameStream

__all__ = ["BlockStream"]


class BlockStream(FrameStream):
    """Blocks of ``block_size`` bytes each over ``stream``, which it owns from then on.

    One task may send and another receive at the same time; a second sender, or a second receiver,
    gets `trio.BusyResourceError`.  It holds less than a block and one read of the stream.
    """

    def __init__(self, stream: trio.abc.Stream, block_size: int) -> None:
        if block_size < 1:
            raise ValueError("a block has at least one byte")
        self.stream = stream
        self.block_size = block_size
        self._received = bytearray()
        self._sending = False
        self._receiving = False
        self._broken = False
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "broken" if self._broken else "open"
        return f"<BlockStream of {self.block_size} bytes, {state}>"

    async def receive_frame(self) -> bytes:
        """Wait for the next block.

        Cancelling it loses nothing: what has arrived of the block is kept for the next call.

        Raises `trio.EndOfChannel` if the other side closed the connection between two blocks, which
        is how connections ordinarily end; `trio.BrokenResourceError` if it ended inside a block or
        is broken otherwise; `trio.ClosedResourceError` if this side closed it.
        """
        self._check()
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving from this connection")
        self._receiving = True
        try:
            return await self._receive()
        finally:
            self._receiving = False

    async def _receive(self) -> bytes:
        size = self.block_size
        received = self._received
        if len(received) >= size:
            await trio.lowlevel.checkpoint()  # before taking the block, which must not get lost
        while len(received) < size:
            data = await self.stream.receive_some()
            if not data:
                if not received:
                    raise trio.EndOfChannel
                self._broken = True
                raise trio.BrokenResourceError("the connection ended inside a block")
            if not received and len(data) == size:
                return bytes(data)
            received += data
        block = bytes(received[:size])
        del received[:size]
        return block

    async def send_frames(self, frames: Iterable[bytes]) -> None:
        """Send blocks in one write, so that they leave in as few packets as possible.

        If it is cancelled or fails once it has begun to write, then nobody knows how much left, and
        the stream can only be closed: whatever is tried next raises `trio.BrokenResourceError`.

        Raises `ValueError` for a block of another size, before anything is sent.
        """
        data = b"".join(self._checked(block) for block in frames)
        self._check()
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this connection")
        self._sending = True
        try:
            # Cancelled here, before the first byte, it leaves the stream as it was.
            await trio.lowlevel.checkpoint_if_cancelled()
            try:
                await self.stream.send_all(data)
            except BaseException:
                self._broken = True
                raise
        finally:
            self._sending = False

    def _checked(self, block: bytes) -> bytes:
        if len(block) != self.block_size:
            raise ValueError(f"a block of {len(block)} bytes where all have {self.block_size}")
        return block

    def _check(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError
        if self._broken:
            raise trio.BrokenResourceError("an earlier failure left this connection unusable")

    async def aclose(self) -> None:
        """Close the connection; calls that wait on it end with `trio.ClosedResourceError`.

        If it is cancelled the connection is still closed, only less politely.
        """
        self._closed = True
        if self._broken or self._sending:
            await trio.aclose_forcefully(self.stream)
        else:
            await self.stream.aclose()
