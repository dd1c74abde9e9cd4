"""Changes arranged in groups do the same as in their order, in fewer statements."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.errors import StoreConflict
from simplex_trio.router.store.groups import in_groups
from simplex_trio.router.store.interface import (
    Change,
    DeleteMessages,
    DeleteQueue,
    PutQueue,
    PutStatistics,
)
from simplex_trio.router.store.sqlite import open_sqlite_store
from simplex_trio.router.store.statements import MOST_ROWS, portions
from tests.router.store.model import BEGINNING, Conflict, Model, changes
from tests.router.store.support import LINK_DATA, contents, full_queue, message, queue


def _after(commit: list[Change]) -> Model | None:
    try:
        return Model().after(BEGINNING).after(commit)
    except Conflict:
        return None


@given(st.lists(changes(), max_size=12))
def test_groups_are_of_one_kind_and_have_the_same_outcome(commit: list[Change]) -> None:
    groups = list(in_groups(commit))
    assert all(groups)
    assert all(type(each) is type(group[0]) for group in groups for each in group)
    arranged = list(chain.from_iterable(groups))
    assert sorted(map(id, arranged)) == sorted(map(id, commit))
    before, after = _after(commit), _after(arranged)
    assert (before and before.contents()) == (after and after.contents())


def test_messages_that_come_and_go_are_two_groups() -> None:
    commit: list[Change] = []
    for number in range(10):
        commit += [message(100 + number), DeleteMessages((number,))]
    deletions, put = in_groups(commit)
    assert list(deletions) == commit[1::2]
    assert list(put) == commit[::2]


@pytest.mark.parametrize(
    ("commit", "sizes"),
    [
        ([message(1), DeleteMessages((1,)), message(1)], [1, 1, 1]),
        ([DeleteMessages((1,)), message(1)], [1, 1]),
        ([message(1), DeleteMessages((2,)), DeleteQueue(b"a"), message(3)], [1, 1, 1, 1]),
        ([PutQueue(queue("a")), PutQueue(queue("b")), message(1, "b")], [2, 1]),
        ([PutQueue(queue("a")), PutQueue(full_queue("b"), LINK_DATA)], [1, 1]),
        ([DeleteQueue(b"a"), DeleteMessages((1,)), PutStatistics({})], [1, 1, 1]),
        ([], []),
    ],
)
def test_what_builds_on_something_else_comes_after_it(
    commit: list[Change], sizes: list[int]
) -> None:
    groups = list(in_groups(commit))
    assert list(map(len, groups)) == sizes


@given(st.integers(0, 1000))
def test_portions(count: int) -> None:
    found = list(portions(range(count)))
    assert list(chain.from_iterable(found)) == list(range(count))
    assert all(len(each) in {1, 2, 4, 8, 16, 32, 64} for each in found)
    assert len(found) <= count // MOST_ROWS + 6


async def test_many_rows(tmp_path: Path) -> None:
    """Several statements for each table, and a conflict in the last of them undoes all."""
    names = list(map(str, range(2 * MOST_ROWS + 7)))
    numbers = range(len(names))
    async with open_sqlite_store(tmp_path / "router.db") as store:
        await store.commit([PutQueue(queue(name)) for name in names])
        await store.commit([message(number, names[number]) for number in numbers])
        full = await contents(store)
        assert len(full.messages) == len(full.bodies) == len(names)
        with pytest.raises(StoreConflict):
            await store.commit([*(message(1000 + n, names[n]) for n in numbers), message(3, "1")])
        assert await contents(store) == full
        mixed: list[Change] = []
        for number in numbers[1:]:
            mixed += [message(1000 + number, names[number]), DeleteMessages((number,))]
        await store.commit(mixed)
        assert set((await contents(store)).bodies) == {0, *(1000 + n for n in numbers[1:])}
        await store.commit([DeleteQueue(queue(name).recipient_id) for name in names[1:]])
        left = await contents(store)
    assert list(left.bodies) == [0]
    assert list(left.queues) == [queue("0").recipient_id]
