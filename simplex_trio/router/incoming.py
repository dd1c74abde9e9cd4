"""`IncomingBlocks`: the blocks of one client, some of them received ahead.

Blocks that have arrived together are received together, and while a command waits the session keeps
receiving, in order to notice the end of the connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from simplex_trio.nursery import open_inner_nursery
from simplex_trio.transport.frames import FrameStream

__all__ = ["GONE", "IncomingBlocks"]

GONE: Final = (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError)
"""What frames raise at the end of a connection; the first of them after an orderly end."""

_READ_AHEAD = 4
"""Blocks that are received while a command waits.  At this limit, neither further blocks nor the
end of the connection are noticed until the wait is over."""


class IncomingBlocks:
    """Receives from ``frames``; ``broken`` is called if they break while a command waits."""

    def __init__(self, frames: FrameStream, broken: Callable[[], object]) -> None:
        self._frames = frames
        self._broken = broken
        self._ahead: deque[bytes] = deque()

    @property
    def has_next(self) -> bool:
        """Whether `receive` would return without a checkpoint."""
        return bool(self._ahead)

    async def receive(self) -> bytes:
        """The next block; raises one of `GONE`.

        It checkpoints unless `has_next`: blocks that have come together are decided in one turn, so
        that their answers go out together.
        """
        if not self._ahead:
            self._ahead.extend(await self._frames.receive_frames())
        return self._ahead.popleft()

    async def wait_for(
        self, wait: Callable[[], Awaitable[object]], ended: Callable[[], object]
    ) -> None:
        """Call ``wait``, and receive ahead in the meantime.

        ``ended`` is called at the client's end of file, and has to cancel the calling task.
        """
        async with open_inner_nursery() as nursery:
            nursery.start_soon(self._read_ahead, ended)
            await wait()
            nursery.cancel_scope.cancel()

    async def _read_ahead(self, ended: Callable[[], object]) -> None:
        try:
            while len(self._ahead) < _READ_AHEAD:
                self._ahead.append(await self._frames.receive_frame())
        except trio.EndOfChannel:
            ended()
        except GONE:
            self._broken()
