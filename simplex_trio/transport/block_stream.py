"""`BlockStream`: exact blocks of one size over any trio stream.

Every protocol here sends blocks of a fixed size back to back, without markers by which a reader
could resynchronize.  So a block is read whole or not at all, and a stream in which part of a block
was written is unusable.  The content of blocks is opaque here.
"""

from __future__ import annotations

from collections.abc import Iterable

import trio

from simplex_trio.transport.byte_frames import ByteFrameStream

__all__ = ["BlockStream"]


class BlockStream(ByteFrameStream):
    """Blocks of ``block_size`` bytes each over ``stream``, which it owns from then on.

    One task may send and another receive at the same time; a second sender, or a second receiver,
    gets `trio.BusyResourceError`.  It holds less than a block and one read of the stream.
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
            return await self._receive()
        finally:
            self._receiving = False

    async def _receive(self) -> bytes:
        size = self.block_size
        received = self._received
        if len(received) >= size:
            await (
                trio.lowlevel.checkpoint()
            )  # checkpoint before taking the block, which must not get lost
        while len(received) < size:
            data = await self.stream.receive_some()
            if not data:
                self._ended()
            if not received and len(data) == size:
                return bytes(data)
            received += data
        block = bytes(received[:size])
        del received[:size]
        return block

    async def send_frames(self, frames: Iterable[bytes]) -> None:
        """Send blocks in one write, so that they leave in as few packets as possible.

        If it is cancelled or fails once it has begun to write, it is unknown how much was sent, and
        the stream can only be closed: later calls raise `trio.BrokenResourceError`.

        Raises `ValueError` for a block of another size, before anything is sent.
        """
        data = b"".join(self._checked(block) for block in frames)
        await self._write(data)

    def _checked(self, block: bytes) -> bytes:
        if len(block) != self.block_size:
            raise ValueError(f"a block of {len(block)} bytes where all have {self.block_size}")
        return block
