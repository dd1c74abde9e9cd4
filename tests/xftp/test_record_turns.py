"""Changes of many tasks to records in PostgreSQL: their order, and the commits that they share."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import cast

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from simplex_trio.errors import StoreConflict, StoreError, StoreFull, StoreUnavailable
from simplex_trio.storage.postgres.database import PostgresDatabase
from simplex_trio.storage.postgres.parameters import Statement
from simplex_trio.xftp.router.records.turns import PacketTurns, SharedCommits


class Database:
    """Commits when it is told to, and refuses statements that are named after an error."""

    def __init__(self) -> None:
        self.go = trio.Semaphore(0)
        self.tried: list[str] = []
        self.failure: Exception | None = None

    async def commit(self, statements: Sequence[Statement]) -> None:
        texts = [each.sql for each in statements]
        self.tried.append(" ".join(texts))
        await self.go.acquire()
        if self.failure is not None:
            raise self.failure
        for text in texts:
            if text == "conflict":
                raise StoreConflict("a change contradicts the store")
            if text == "full":
                raise StoreFull("no room is left")


class Changes:
    """Tasks that commit one statement each, and what became of them."""

    def __init__(self) -> None:
        self.database = Database()
        self.commits = SharedCommits(cast("PostgresDatabase", self.database))
        self.outcomes: dict[str, type[BaseException] | None] = {}

    async def commit(self, text: str) -> None:
        try:
            await self.commits.commit([Statement(text)])
        except (StoreError, trio.ClosedResourceError) as exc:
            self.outcomes[text] = type(exc)
        else:
            self.outcomes[text] = None

    async def begin(self, nursery: trio.Nursery, *texts: str) -> None:
        for text in texts:
            nursery.start_soon(self.commit, text)
            await wait_all_tasks_blocked()

    def go(self, commits: int) -> None:
        for _ in range(commits):
            self.database.go.release()


async def test_changes_that_wait_share_a_commit() -> None:
    changes = Changes()
    async with trio.open_nursery() as nursery:
        await changes.begin(nursery, "a", "b", "c")
        assert changes.database.tried == ["a"]
        changes.go(1)
        await wait_all_tasks_blocked()
        assert changes.outcomes == {"a": None}
        await changes.begin(nursery, "d")
        changes.go(2)
    assert changes.database.tried == ["a", "b c", "d"]
    assert changes.outcomes == dict.fromkeys("abcd")
    changes.go(1)
    await changes.commit("e")
    assert changes.database.tried[-1] == "e"


async def test_a_change_that_is_refused_takes_no_others_with_it() -> None:
    changes = Changes()
    async with trio.open_nursery() as nursery:
        await changes.begin(nursery, "a", "b", "conflict", "full", "c")
        changes.go(6)
    assert changes.database.tried == ["a", "b conflict full c", "b", "conflict", "full", "c"]
    assert changes.outcomes == {
        **dict.fromkeys("abc"),
        "conflict": StoreConflict,
        "full": StoreFull,
    }


@pytest.mark.parametrize("failure", [StoreUnavailable("away"), trio.ClosedResourceError()])
async def test_a_commit_that_fails_is_told_to_all(failure: Exception) -> None:
    changes = Changes()
    async with trio.open_nursery() as nursery:
        await changes.begin(nursery, "a", "b", "c")
        changes.database.failure = failure
        changes.go(2)
    assert changes.outcomes == dict.fromkeys("abc", type(failure))
    assert changes.database.tried == ["a", "b c"]


async def test_a_commit_is_not_cancelled() -> None:
    changes = Changes()
    async with trio.open_nursery() as nursery:
        await changes.begin(nursery, "a", "b")
        nursery.cancel_scope.cancel()
        await changes.begin(nursery)
        changes.go(2)
    assert changes.outcomes == {"a": None, "b": None}


class Turns:
    """Tasks that wait for their turns, and stay until they are told."""

    def __init__(self) -> None:
        self.turns = PacketTurns()
        self.at_work: list[str] = []
        self._done: dict[str, trio.Event] = {}

    async def begin(
        self, nursery: trio.Nursery, name: str, turn: AbstractAsyncContextManager[None]
    ) -> None:
        async def work() -> None:
            async with turn:
                self.at_work.append(name)
                await self._done[name].wait()
                self.at_work.remove(name)

        self._done[name] = trio.Event()
        nursery.start_soon(work)
        await wait_all_tasks_blocked()

    async def end(self, *names: str) -> None:
        for name in names:
            self._done[name].set()
        await wait_all_tasks_blocked()


async def test_changes_of_one_packet_take_turns() -> None:
    tasks = Turns()
    async with trio.open_nursery() as nursery:
        await tasks.begin(nursery, "1", tasks.turns.of(b"1"))
        await tasks.begin(nursery, "2", tasks.turns.of(b"2"))
        await tasks.begin(nursery, "1 again", tasks.turns.of(b"1"))
        assert tasks.at_work == ["1", "2"]
        await tasks.end("1")
        assert tasks.at_work == ["2", "1 again"]
        await tasks.end("2", "1 again")
    assert tasks.at_work == []


async def test_a_change_of_all_packets_is_alone() -> None:
    tasks = Turns()
    async with trio.open_nursery() as nursery:
        await tasks.begin(nursery, "1", tasks.turns.of(b"1"))
        await tasks.begin(nursery, "all", tasks.turns.of_all())
        await tasks.begin(nursery, "2", tasks.turns.of(b"2"))
        await tasks.begin(nursery, "all again", tasks.turns.of_all())
        assert tasks.at_work == ["1"]
        await tasks.end("1")
        assert len(tasks.at_work) == 1
        (first,) = tasks.at_work
        assert first.startswith("all")
        await tasks.end("all", "all again")
        assert tasks.at_work == ["2"]
        await tasks.end("2")


async def test_a_turn_that_is_not_waited_for_any_more() -> None:
    tasks = Turns()
    async with trio.open_nursery() as nursery:
        await tasks.begin(nursery, "1", tasks.turns.of(b"1"))
        for turn in (tasks.turns.of(b"1"), tasks.turns.of_all()):
            with trio.move_on_after(0) as scope:
                async with turn:
                    pytest.fail("a turn of two")
            assert scope.cancelled_caught
        await tasks.begin(nursery, "2", tasks.turns.of(b"2"))
        assert tasks.at_work == ["1", "2"]
        await tasks.end("1", "2")
