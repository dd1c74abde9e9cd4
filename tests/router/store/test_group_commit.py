"""Commits that wait together are written together, in order, and each hears of its own failure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import pytest
import trio

from simplex_trio.errors import StoreUnavailable
from simplex_trio.router.store.group_commit import GROUP_LIMIT, GroupCommit


class _Medium:
    """Takes groups of numbers, one for each time that it is let go on; odd numbers fail."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.go_on, self._steps = trio.open_memory_channel[None](1000)

    async def write(self, commits: Sequence[int]) -> list[Exception | None]:
        self.groups.append(list(commits))
        await self._steps.receive()
        return [ValueError(commit) if commit % 2 else None for commit in commits]


async def test_those_who_wait_share_the_next_group() -> None:
    medium = _Medium()
    commits = GroupCommit[int](medium.write)
    done = []

    async def submit(number: int) -> None:
        await commits.submit(number)
        done.append(number)

    async with trio.open_nursery() as nursery:
        for number in (0, 2, 4, 6):
            nursery.start_soon(submit, number)
            await trio.testing.wait_all_tasks_blocked()
        assert medium.groups == [[0]]
        medium.go_on.send_nowait(None)
        await trio.testing.wait_all_tasks_blocked()
        assert done == [0]
        assert medium.groups == [[0], [2, 4, 6]]
        nursery.start_soon(submit, 8)
        await trio.testing.wait_all_tasks_blocked()
        medium.go_on.send_nowait(None)
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(done) == [0, 2, 4, 6]
        assert medium.groups == [[0], [2, 4, 6], [8]]
        medium.go_on.send_nowait(None)
    await commits.idle()


async def test_each_hears_of_its_own_failure() -> None:
    medium = _Medium()
    commits = GroupCommit[int](medium.write)
    heard: dict[int, list[int]] = {0: [], 1: []}

    async def submit(number: int) -> None:
        try:
            await commits.submit(number)
        except ValueError as exc:
            heard[1] += exc.args
        else:
            heard[0].append(number)

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(submit, number)
        for _ in range(2):
            medium.go_on.send_nowait(None)
    assert {kind: sorted(numbers) for kind, numbers in heard.items()} == {
        0: [0, 2, 4, 6, 8],
        1: [1, 3, 5, 7, 9],
    }


async def test_a_group_has_a_limit() -> None:
    medium = _Medium()
    commits = GroupCommit[int](medium.write)
    async with trio.open_nursery() as nursery:
        for number in range(0, 4 * GROUP_LIMIT, 2):
            nursery.start_soon(commits.submit, number)
            await trio.testing.wait_all_tasks_blocked()
        for _ in range(4):
            medium.go_on.send_nowait(None)
    assert [len(group) for group in medium.groups] == [1, GROUP_LIMIT, GROUP_LIMIT - 1]
    assert list(chain(*medium.groups)) == list(range(0, 4 * GROUP_LIMIT, 2))


async def test_a_cancelled_caller_writes_for_the_others_all_the_same() -> None:
    medium = _Medium()
    commits = GroupCommit[int](medium.write)
    async with trio.open_nursery() as nursery:
        for number in (0, 2, 4):
            nursery.start_soon(commits.submit, number)
            await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            for _ in range(2):
                await trio.testing.wait_all_tasks_blocked()
                medium.go_on.send_nowait(None)
    assert medium.groups == [[0], [2, 4]]


async def test_a_writer_that_breaks_down_leaves_nobody_waiting() -> None:
    calls = 0
    broken = trio.Event()

    async def write(commits: Sequence[int]) -> list[Exception | None]:
        nonlocal calls
        calls += 1
        if calls == 2:
            await broken.wait()
            raise RuntimeError("no thread")
        await trio.lowlevel.checkpoint()
        return [None] * len(commits)

    commits = GroupCommit[int](write)
    outcomes = []

    async def submit(number: int) -> None:
        try:
            await commits.submit(number)
        except (RuntimeError, StoreUnavailable) as exc:
            outcomes.append((number, type(exc)))

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(submit, number)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(submit, 5)
        await trio.testing.wait_all_tasks_blocked()
        broken.set()
    await commits.idle()
    assert len(outcomes) == 4
    assert (
        sorted(kind.__name__ for _, kind in outcomes) == ["RuntimeError"] + ["StoreUnavailable"] * 3
    )
    assert calls == 3


async def test_idle_waits_for_everything() -> None:
    medium = _Medium()
    commits = GroupCommit[int](medium.write)
    await commits.idle()
    async with trio.open_nursery() as nursery:
        for number in (0, 2, 4):
            nursery.start_soon(commits.submit, number)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(commits.idle)
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            for tasks_left in (4, 3):
                await trio.testing.wait_all_tasks_blocked()
                assert len(nursery.child_tasks) == tasks_left
                medium.go_on.send_nowait(None)
    assert len(medium.groups) == 2


@pytest.mark.parametrize("number", [0, 1])
async def test_one_alone_is_written_at_once(number: int) -> None:
    medium = _Medium()
    commits = GroupCommit[int](medium.write)
    medium.go_on.send_nowait(None)
    if number:
        with pytest.raises(ValueError, match="1"):
            await commits.submit(number)
    else:
        await commits.submit(number)
    assert medium.groups == [[number]]
