"""`Outbox`: the commands that wait to be written, in order, and how many may wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import trio

from simplex_trio.client.codec import Frame
from simplex_trio.client.pending import Request, RequestState

__all__ = ["MAX_FRAMES_AT_ONCE", "MAX_QUEUED", "Outbox"]

MAX_QUEUED = 2048
"""Commands that may wait to be written; further callers wait their turn, still under their own
time-outs.  Subscribing sends 1,360 at a time, so that one such chunk is never held up."""

MAX_FRAMES_AT_ONCE = 8
"""Frames that go out in one write.  More would save nothing and delay what comes after them."""


class Outbox:
    """A bounded queue of encoded commands that becomes frames when the writer is ready.

    Whatever is queued by then goes together, in order, up to what frames hold.  A command whose
    caller has stopped waiting is dropped instead of being written.
    """

    def __init__(self, *, limit: int = MAX_QUEUED) -> None:
        self._limit = limit
        self._queue: deque[tuple[Request[Any, Any, Any], bytes]] = deque()
        self._writer = trio.lowlevel.ParkingLot()
        self._callers = trio.lowlevel.ParkingLot()
        self._closed = False

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def is_full(self) -> bool:
        """Whether callers have to wait; never after `close`, when there is nothing to wait for."""
        return len(self._queue) >= self._limit and not self._closed

    async def wait_for_room(self) -> None:
        """Wait until a command may be put."""
        while self.is_full:
            await self._callers.park()

    def put(self, request: Request[Any, Any, Any], part: bytes) -> None:
        """Queue an encoded command."""
        self._queue.append((request, part))
        self._writer.unpark()

    async def wait_for_work(self) -> None:
        """For the writer: wait until something is queued."""
        while not self._queue:
            await self._writer.park()

    def take_frames(self, new_frame: Callable[[], Frame]) -> Iterator[Frame]:
        """For the writer: frames of what is queued, which count as written."""
        for _ in range(MAX_FRAMES_AT_ONCE):
            frame = new_frame()
            while self._queue:
                request, part = self._queue[0]
                if request.state is RequestState.PENDING:
                    if not frame.add(part):
                        break
                    request.written = True
                self._queue.popleft()
            if not len(frame):
                return
            yield frame

    def let_callers_in(self) -> None:
        """For the writer: wake as many callers as there is room for."""
        if self._callers:
            self._callers.unpark(count=max(self._limit - len(self._queue), 0))

    def close(self) -> None:
        """Drop what is queued and let every waiting caller go."""
        self._closed = True
        self._queue.clear()
        self._callers.unpark_all()
