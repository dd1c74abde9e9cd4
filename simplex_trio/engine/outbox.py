"""`Outbox`: a bounded queue of commands that wait to be written, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import trio

from simplex_trio.engine.codec import Frame
from simplex_trio.engine.pending import PendingRequest, RequestState

__all__ = ["MAX_FRAMES_AT_ONCE", "MAX_QUEUED", "Outbox"]

MAX_QUEUED = 2048
"""Commands that may wait to be written; at the limit callers wait for room, within their time-outs.
Resubscribing sends chunks of 1,360, and one such chunk must always fit."""

MAX_FRAMES_AT_ONCE = 8
"""Frames that go out in one write.  More would save nothing and delay later frames."""


class Outbox:
    """A bounded queue of encoded commands, turned into frames when the writer is ready.

    Frames are filled in order with whatever is queued at that moment.  A command whose caller no
    longer waits is dropped instead of being written.
    """

    def __init__(self, *, limit: int = MAX_QUEUED) -> None:
        self._limit = limit
        self._queue: deque[tuple[PendingRequest[Any, Any, Any], bytes]] = deque()
        self._writer = trio.lowlevel.ParkingLot()
        self._callers = trio.lowlevel.ParkingLot()
        self._woken = False
        self._closed = False

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def is_full(self) -> bool:
        """Whether callers have to wait for room; always false after `close`."""
        return len(self._queue) >= self._limit and not self._closed

    async def wait_for_room(self) -> None:
        """Wait until there is room for a command."""
        while self.is_full:
            await self._callers.park()

    def put(self, request: PendingRequest[Any, Any, Any], part: bytes) -> None:
        """Queue an encoded command."""
        self._queue.append((request, part))
        if self._writer:
            self._writer.unpark()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is queued, and the writer waits for work."""
        return bool(self._writer) and not (self._queue or self._woken)

    def wake_writer(self) -> None:
        """Give the writer a turn even if nothing is queued."""
        self._woken = True
        self._writer.unpark()

    async def wait_for_work(self) -> None:
        """Wait until something is queued, or `wake_writer` is called; called by the writer."""
        while not (self._queue or self._woken):
            await self._writer.park()
        self._woken = False

    def take_frames(self, new_frame: Callable[[], Frame]) -> Iterator[Frame]:
        """Frames filled with queued commands, which count as written; called by the writer."""
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
        """Wake as many waiting callers as there is room for; called by the writer."""
        if self._callers:
            self._callers.unpark(count=max(self._limit - len(self._queue), 0))

    def close(self) -> None:
        """Drop what is queued and wake all waiting callers."""
        self._closed = True
        self._queue.clear()
        self._callers.unpark_all()
