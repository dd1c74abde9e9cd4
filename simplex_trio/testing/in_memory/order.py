"""The order of what happens, so that it follows from a seed; and a clock that waits for threads."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import trio
from trio.testing import MockClock, active_thread_count

# There is no public way to make Trio's scheduling follow from a seed: it draws the order in which
# tasks that can run at the same time do so.  pytest-trio does the same for Hypothesis.
try:
    from trio._core import _run as _trio_run
except ImportError:  # pragma: no cover - tests/test_private_names.py says so before a release
    _trio_run = None  # type: ignore[assignment]

__all__ = ["clock_waits_for_threads", "seeded_scheduling"]

_SWITCH = "_ALLOW_DETERMINISTIC_SCHEDULING"


@contextmanager
def seeded_scheduling(seed: object) -> Iterator[None]:
    """Let the order of Trio's tasks follow from a seed, while the block lasts.

    With a Trio that has other names for that, the order stays random.
    """
    names = {} if _trio_run is None else vars(_trio_run)
    if _SWITCH not in names or "_r" not in names:
        yield
        return
    random, before = names["_r"], names[_SWITCH]
    state = random.getstate()
    random.seed(repr(seed))
    names[_SWITCH] = True
    try:
        yield
    finally:
        names[_SWITCH] = before
        random.setstate(state)


class _WaitForThreads(trio.abc.Instrument):
    """Keeps a clock from jumping ahead while a thread is at work, whose end no clock tells."""

    def __init__(self, clock: MockClock) -> None:
        self._clock = clock
        self._threshold = clock.autojump_threshold
        self._is_waiting = False

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.wait(active_thread_count() > 0)

    def wait(self, waits: bool) -> None:
        if waits is not self._is_waiting:
            self._is_waiting = waits
            self._clock.autojump_threshold = math.inf if waits else self._threshold


@contextmanager
def clock_waits_for_threads(clock: trio.abc.Clock) -> Iterator[None]:
    """Let virtual time stand still while `trio.to_thread` works, while the block lasts.

    Another clock than one that jumps ahead is left alone.
    """
    if not isinstance(clock, MockClock) or math.isinf(clock.autojump_threshold):
        yield
        return
    instrument = _WaitForThreads(clock)
    trio.lowlevel.add_instrument(instrument)
    try:
        yield
    finally:
        trio.lowlevel.remove_instrument(instrument)
        instrument.wait(False)
