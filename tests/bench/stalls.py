"""`watch_loop`: how long the event loop was held up, and how much of that was garbage collection.

The loop is held up by a step of a task, from one checkpoint to the next, and by code of other
threads that keeps the interpreter to itself.  The first is seen by an instrument of Trio, the
second by how late a sleeping task wakes.

Other programs on the machine make both look long.  So what counts is the time that went by, without
that in which the loop was ready and had no processor, and no more than the processor time of this
process in the meantime.
"""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from time import perf_counter, process_time
from typing import Self

import trio
from attrs import frozen

__all__ = ["Stalls", "watch_loop"]

_HEARTBEAT = 0.002


@frozen
class _Instant:
    wall: float
    """Without the time in which the loop's thread had no processor."""
    processor: float
    collecting: float
    """Processor time of all collections until then."""

    def until(self, later: Self) -> float:
        """Seconds of work from here to there, without garbage collection."""
        went_by = later.wall - self.wall
        worked = later.processor - self.processor
        return max(0.0, min(went_by, worked) - (later.collecting - self.collecting))


class Stalls(trio.abc.Instrument):
    """The longest times for which the loop was held up, in seconds."""

    def __init__(
        self,
        wall: Callable[[], float] = perf_counter,
        processor: Callable[[], float] = process_time,
    ) -> None:
        self._wall = wall
        self._processor = processor
        self.longest: float = 0.0
        """The longest step, or delay by another thread, without garbage collection."""
        self.culprit: str = ""
        """The task of the longest step, or empty."""
        self.collector: float = 0.0
        """The longest single garbage collection."""
        self._collecting = 0.0
        self._collection_began: float | None = None
        self._began = self._now()
        self._timeout = 0.0

    def _now(self) -> _Instant:
        wall, processor, collecting = self._wall(), self._processor(), self._collecting
        began = self._collection_began
        if began is not None:  # another thread has collected, and is about to note it
            collecting += processor - began
        return _Instant(wall, processor, collecting)

    def _note(self, seconds: float, culprit: str) -> None:
        if seconds > self.longest:
            self.longest, self.culprit = seconds, culprit

    # --- Trio -----------------------------------------------------------------------------------

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._began = self._now()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self._note(self._began.until(self._now()), task.name)

    def before_io_wait(self, timeout: float) -> None:
        self._began = self._now()
        self._timeout = timeout

    def after_io_wait(self, timeout: float) -> None:
        now = self._now()
        late = now.wall - self._began.wall - self._timeout
        self._note(min(late, self._began.until(now)), "")

    # --- the collector --------------------------------------------------------------------------

    def collection(self, phase: str, _details: dict[str, int]) -> None:
        """For `gc.callbacks`."""
        if phase == "start":
            self._collection_began = self._processor()
        elif self._collection_began is not None:
            pause = self._processor() - self._collection_began
            self._collection_began = None
            self._collecting += pause
            self.collector = max(self.collector, pause)


@contextmanager
def _thread_clock() -> Iterator[Callable[[], float]]:
    """A clock that stands still while this thread is ready and has no processor, if that is known.

    Linux counts this time for each thread.
    """
    try:
        descriptor = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield perf_counter
        return

    def clock() -> float:
        _, ready, _ = os.pread(descriptor, 100, 0).split()
        return perf_counter() - int(ready) / 1e9

    try:
        yield clock
    finally:
        os.close(descriptor)


@asynccontextmanager
async def watch_loop() -> AsyncIterator[Stalls]:
    """Watch the loop for as long as the block lasts; the figures are there at any time."""
    with _thread_clock() as wall:
        stalls = Stalls(wall)
        gc.callbacks.append(stalls.collection)
        trio.lowlevel.add_instrument(stalls)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_wake_often)
                yield stalls
                nursery.cancel_scope.cancel()
        finally:
            trio.lowlevel.remove_instrument(stalls)
            gc.callbacks.remove(stalls.collection)


async def _wake_often() -> None:
    while True:  # noqa: ASYNC110 - a heartbeat
        await trio.sleep(_HEARTBEAT)
