from __future__ import annotations

from unittest.mock import Mock

import pytest
import trio

from tests.bench.stalls import Stalls, watch_loop


class Watched:
    """A loop of which a test says how long it works."""

    def __init__(self) -> None:
        self.wall = self.processor = 0.0
        self.stalls = Stalls(lambda: self.wall, lambda: self.processor)
        self.task = Mock(spec_set=["name"])
        self.task.name = "a task"

    def work(self, seconds: float, *, wall: float | None = None) -> None:
        self.processor += seconds
        self.wall += seconds if wall is None else wall

    def collect(self, seconds: float) -> None:
        self.stalls.collection("start", {})
        self.work(seconds)
        self.stalls.collection("stop", {})


def test_the_longest_step_counts() -> None:
    loop = Watched()
    for seconds in (0.25, 2.0, 0.5):
        loop.stalls.before_task_step(loop.task)
        loop.work(seconds)
        loop.stalls.after_task_step(loop.task)
        loop.work(4.0)  # between two steps
    assert (loop.stalls.longest, loop.stalls.culprit) == (2.0, "a task")


def test_the_time_of_other_programs_does_not_count() -> None:
    loop = Watched()
    loop.stalls.before_task_step(loop.task)
    loop.work(0.25, wall=1.0)
    loop.stalls.after_task_step(loop.task)
    assert loop.stalls.longest == 0.25


def test_collections_are_counted_by_themselves() -> None:
    loop = Watched()
    loop.stalls.before_task_step(loop.task)
    loop.work(0.25)
    loop.collect(2.0)
    loop.collect(1.0)
    loop.stalls.after_task_step(loop.task)
    assert (loop.stalls.longest, loop.stalls.collector) == (0.25, 2.0)


def test_a_collection_in_a_thread_that_has_not_noted_its_end_yet() -> None:
    loop = Watched()
    loop.stalls.before_io_wait(0.0)
    loop.stalls.collection("start", {})
    loop.work(2.0)
    loop.stalls.after_io_wait(0.0)
    assert loop.stalls.longest == 0.0
    loop.stalls.collection("stop", {})
    assert loop.stalls.collector == 2.0


def test_waking_late_counts_if_this_process_worked_meanwhile() -> None:
    loop = Watched()
    loop.stalls.before_io_wait(1.0)
    loop.work(0.75, wall=1.5)
    loop.stalls.after_io_wait(1.0)
    assert (loop.stalls.longest, loop.stalls.culprit) == (0.5, "")
    loop.stalls.before_io_wait(1.0)
    loop.work(0.0, wall=9.0)
    loop.stalls.after_io_wait(1.0)
    assert loop.stalls.longest == 0.5


@pytest.mark.trio
async def test_a_loop_is_watched() -> None:
    async with watch_loop() as stalls:
        await trio.lowlevel.checkpoint()
    assert stalls.longest > 0
