"""`BlockStream`: exact blocks of one size over any trio stream.

Every protocol here sends blocks of a fixed size back to back, without markers by which a reader
could resynchronize.  So a block is read whole or not at all, and a stream in which part of a block
was written is unusable.  The content of blocks is opaque here.
"""

from __future__ import annotations

from collections.abc import Iterable

import trio

from simplex_trio.transport.byte_frames import ByteFrameStream

__all__ = ["BLOCKS_AT_ONCE", "BlockStream"]

BLOCKS_AT_ONCE = 4
"""Blocks that are read at once where they have arrived together, so that what they lead to can
share blocks as well.  More would save little, and each connection may hold as many."""

_TLS_OVERHEAD = 64  # what TLS adds to a block, rounded up


class BlockStream(ByteFrameStream):
    """Blocks of ``block_size`` bytes each over ``stream``, which it owns from then on.

    One task may send and another receive at the same time; a second sender, or a second receiver,
    gets `trio.BusyResourceError`.  It holds less than a block and one read of the stream, of
    the size that the stream chooses, or of `BLOCKS_AT_ONCE` blocks.
    """

    _FRAME = "block"

    def __init__(self, stream: trio.abc.Stream, block_size: int) -> None:
        if block_size < 1:
            raise ValueError("a block has at least one byte")
        super().__init__(stream)
        self.block_size = block_size

    def __repr__(self) -> str:
        return f"<BlockStream of {self.block_size} bytes, {self._state}>"

    async def receive_frame(self) -> bytes:
        """Wait for the next block.

        Cancelling it loses nothing: what has arrived of the block is kept for the next call.

        Raises `trio.EndOfChannel` if the peer closed the connection between two blocks, which
        is how connections ordinarily end; `trio.BrokenResourceError` if it ended inside a block or
        is broken otherwise; `trio.ClosedResourceError` if this side closed it.
        """
        self._begin_receiving()
        try:
            await self._wait_for_block(None)
            return self._take_block()
        finally:
            self._receiving = False

    async def receive_frames(self) -> list[bytes]:
        """The next block, and at most `BLOCKS_AT_ONCE` in all that have arrived by then."""
        self._begin_receiving()
        try:
            await self._wait_for_block(BLOCKS_AT_ONCE * (self.block_size + _TLS_OVERHEAD))
            blocks = [self._take_block()]
            while len(self._received) >= self.block_size and len(blocks) < BLOCKS_AT_ONCE:
                blocks.append(self._take_block())
            return blocks
        finally:
            self._receiving = False

    async def _wait_for_block(self, max_bytes: int | None) -> None:
        """Wait until there is a block to take; taking it then is not interrupted."""
        received = self._received
        if len(received) >= self.block_size:
            await trio.lowlevel.checkpoint()
        while len(received) < self.block_size:
            data = await self.stream.receive_some(max_bytes)
            if not data:
                self._ended()
            received += data

    def _take_block(self) -> bytes:
        block = bytes(self._received[: self.block_size])
        del self._received[: self.block_size]
        return block

    async def send_frames(self, frames: Iterable[bytes]) -> None:
        """Send blocks in one write, so that they leave in as few packets as possible.

        If it is cancelled or fails once it has begun to write, it is unknown how much was sent, and
        the stream can only be closed: later calls raise `trio.BrokenResourceError`.

        Raises `ValueError` for a block of another size, before anything is sent.
        """
        await self._write(b"".join(map(self._checked, frames)))

    def send_frames_nowait(self, frames: Iterable[bytes]) -> bool:
        return self._write_nowait(b"".join(map(self._checked, frames)))

    def _checked(self, block: bytes) -> bytes:
        if len(block) != self.block_size:
            raise ValueError(f"a block of {len(block)} bytes where all have {self.block_size}")
        return block
