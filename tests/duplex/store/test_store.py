"""Steps in transactions: which of them are stored, and which are not."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from simplex_trio.duplex.events import ConnectionDeleted
from simplex_trio.duplex.machine.connection import Connection
from simplex_trio.duplex.store.rows import SQLiteRows, StoredEvent
from simplex_trio.duplex.store.store import DuplexStore, MemoryDatabase, open_duplex_store
from simplex_trio.errors import StoreConflict, StoreFull
from simplex_trio.storage.database import Database
from simplex_trio.testing._cancelling import cancelled_at
from tests.duplex.store.values import example_of


def connection(name: str) -> Connection:
    return example_of(Connection, connection_id=name)  # type: ignore[no-any-return]


def add(name: str, rows: SQLiteRows) -> str:
    rows.insert(connection(name))
    rows.add_event(ConnectionDeleted(name), None)
    return name


def has(name: str, rows: SQLiteRows) -> bool:
    return rows.get(Connection, name) is not None


def names(rows: SQLiteRows) -> list[str]:
    return sorted(rows.connection_ids(None))


class Watched(MemoryDatabase):
    """A database that counts its transactions, and refuses some; functions wait for ``gate``."""

    def __init__(self) -> None:
        super().__init__()
        self.transactions: list[bool] = []
        self.refuse: Callable[[bool], bool] = lambda durable: False
        self.gate: trio.Event | None = None

    async def run(self, function: Callable[[], object]) -> object:  # type: ignore[override]
        if self.gate is not None:
            await self.gate.wait()
        return await super().run(function)

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        with super().transaction(durable=durable):
            yield
            if self.refuse(durable):
                raise StoreFull("no room")
        self.transactions.append(durable)


@pytest.fixture
def database() -> Watched:
    return Watched()


@pytest.fixture
async def store(database: Watched) -> AsyncIterator[DuplexStore]:
    async with trio.open_nursery():
        store = DuplexStore(database)
        yield store
        await store.aclose()


async def outcomes(store: DuplexStore, *calls: Callable[[SQLiteRows], object]) -> list[object]:
    """What becomes of calls that share a transaction."""
    found: list[object] = [None] * len(calls)

    async def call(place: int) -> None:
        try:
            found[place] = await store.transact(calls[place], durable=False)
        except Exception as exc:
            found[place] = type(exc)

    database = store._database
    assert isinstance(database, Watched)
    database.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(store.transact, lambda _: None, durable=False))
        await wait_all_tasks_blocked()  # the first is alone
        database.transactions.clear()
        for place in range(len(calls)):
            nursery.start_soon(call, place)
            await wait_all_tasks_blocked()
        database.gate.set()
    return found


def fail(rows: SQLiteRows) -> None:
    add("never", rows)
    rows.note_work("never", True)
    raise LookupError


# --- many in one --------------------------------------------------------------------------------


async def test_calls_that_wait_share_a_transaction(store: DuplexStore, database: Watched) -> None:
    found = await outcomes(store, *(partial(add, name) for name in "abcde"))
    assert found == list("abcde")
    assert database.transactions == [False, False]  # that of the first call, and theirs


async def test_a_call_that_fails_takes_no_other_along(
    store: DuplexStore, database: Watched
) -> None:
    published: list[StoredEvent] = []
    store.publish = published.extend
    twice = partial(add, "a")
    found = await outcomes(store, twice, fail, partial(add, "b"), twice, partial(has, "never"))
    assert found == ["a", LookupError, "b", StoreConflict, False]
    assert await store.transact(names) == ["a", "b"]
    assert [event.connection_id for _, event in published] == ["a", "b"]
    assert await store.events_after(0, 10) == published


async def test_a_commit_that_fails_fails_them_all(store: DuplexStore, database: Watched) -> None:
    published: list[StoredEvent] = []
    store.publish = published.extend
    await store.transact(partial(add, "before"))
    database.refuse = lambda _: len(database.transactions) > 0
    found = await outcomes(store, partial(add, "a"), fail, partial(has, "a"), partial(add, "b"))
    database.refuse = lambda _: False
    assert found == [StoreFull] * 4
    for name in "ab":
        assert await store.transact(partial(has, name)) is False
    assert [event.connection_id for _, event in published] == ["before"]
    assert await store.events_after(0, 10) == published
    await store.transact(partial(add, "a"))
    assert await store.transact(names) == ["a", "before"]


async def test_each_gets_an_error_of_its_own(store: DuplexStore, database: Watched) -> None:
    caught: list[BaseException] = []

    async def call() -> None:
        with pytest.raises(StoreFull) as info:
            await store.transact(partial(add, "a"))
        caught.append(info.value)

    database.refuse = lambda _: True
    database.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(call)
        await wait_all_tasks_blocked()
        database.gate.set()
    assert len({id(error) for error in caught}) == 3


# --- durability ---------------------------------------------------------------------------------


def important(name: str, rows: SQLiteRows) -> str:
    rows.wants_durability = True
    return add(name, rows)


async def test_one_that_has_to_be_durable_makes_all_so(
    store: DuplexStore, database: Watched
) -> None:
    await store.transact(partial(add, "a"), durable=False)
    await store.transact(partial(add, "b"), durable=True)
    await store.transact(partial(important, "c"), durable=True)
    assert database.transactions == [False, True, True]
    database.transactions.clear()
    await store.transact(partial(important, "d"), durable=False)
    assert database.transactions == [False, True]
    database.transactions.clear()
    await store.transact(partial(add, "e"), durable=False)
    assert database.transactions == [False]


async def test_what_fails_after_it_asked_to_be_durable(
    store: DuplexStore, database: Watched
) -> None:
    def failing(rows: SQLiteRows) -> None:
        rows.wants_durability = True
        raise LookupError

    assert await outcomes(store, failing, partial(add, "a")) == [LookupError, "a"]
    assert True not in database.transactions


async def test_durability_that_cannot_be_had(store: DuplexStore, database: Watched) -> None:
    """What was stored is told, and only the one that asked for more gets an error."""
    published: list[StoredEvent] = []
    store.publish = published.extend
    database.refuse = lambda durable: durable
    found = await outcomes(store, partial(add, "a"), partial(important, "b"), partial(has, "b"))
    assert found == ["a", StoreFull, True]
    assert [event.connection_id for _, event in published] == ["a", "b"]
    database.refuse = lambda _: False
    assert await store.transact(names) == ["a", "b"]
    assert await store.events_after(0, 10) == published


async def test_what_is_durable_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By SQLite's setting while it commits."""
    settings: list[tuple[bool, int]] = []

    class Asked(Database):
        @contextmanager
        def transaction(self, *, durable: bool = True) -> Iterator[None]:
            with super().transaction(durable=durable):
                ((level,),) = self.connection.execute("PRAGMA synchronous")
                settings.append((durable, level))
                yield

    monkeypatch.setattr("simplex_trio.duplex.store.store.Database", Asked)
    async with open_duplex_store(tmp_path / "agent.db") as store:
        await store.transact(partial(add, "a"), durable=False)
        await store.transact(partial(add, "b"), durable=True)
        await store.transact(partial(important, "c"), durable=False)
    assert settings == [(False, 1), (True, 2), (False, 1), (True, 2)]


# --- cancellation -------------------------------------------------------------------------------


async def test_cancelled_before_its_turn_nothing_happens(
    store: DuplexStore, database: Watched
) -> None:
    database.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.transact, partial(add, "a"))
        await wait_all_tasks_blocked()
        with trio.CancelScope() as scope:
            nursery.start_soon(store.transact, partial(add, "c"))
            await wait_all_tasks_blocked()
            scope.cancel()
            await store.transact(partial(add, "b"))
        assert scope.cancelled_caught
        database.gate.set()
    assert await store.transact(names) == ["a", "c"]


async def test_cancelled_during_its_turn_it_is_stored(
    store: DuplexStore, database: Watched
) -> None:
    """The one that writes for others, and one that another writes for."""
    database.gate = trio.Event()
    done: list[str] = []
    scopes: list[trio.CancelScope] = []

    async def call(name: str) -> None:
        with trio.CancelScope() as scope:
            scopes.append(scope)
            done.append(await store.transact(partial(add, name)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.transact, lambda _: None)
        await wait_all_tasks_blocked()
        first, database.gate = database.gate, trio.Event()
        for name in "ab":
            nursery.start_soon(call, name)
            await wait_all_tasks_blocked()
        first.set()
        await wait_all_tasks_blocked()  # both are in one batch now
        for scope in scopes:
            scope.cancel()
        await wait_all_tasks_blocked()
        assert done == []
        database.gate.set()
    assert done == ["a", "b"]
    assert not any(scope.cancelled_caught for scope in scopes)
    assert await store.transact(names) == ["a", "b"]


async def test_cancelled_at_any_point(tmp_path: Path) -> None:
    """It says whether it is stored."""
    async with open_duplex_store(tmp_path / "agent.db") as store:
        ended = set()
        for step in range(12):
            with cancelled_at(step) as scope:
                await store.transact(partial(add, f"{step}"))
            is_stored = await store.transact(partial(has, f"{step}"))
            assert is_stored is not scope.cancelled_caught
            ended.add(is_stored)
        assert ended == {True, False}


# --- later --------------------------------------------------------------------------------------


async def test_what_is_stored_later(
    store: DuplexStore, database: Watched, autojump_clock: trio.testing.MockClock
) -> None:
    """With the next transaction, or with one of its own after a second; as often as needed."""
    told: list[object] = []
    store.transact_later(partial(add, "a"), told.append)
    assert await store.transact(names) == ["a"]
    assert told == ["a"]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.keep_flushing)
        store.transact_later(partial(add, "b"), told.append)
        store.transact_later(fail, told.append)
        await trio.sleep(2)
        assert told == ["a", "b"]
        database.refuse = lambda _: True
        store.transact_later(partial(add, "c"), told.append)
        await trio.sleep(5)
        assert told == ["a", "b"]
        database.refuse = lambda _: False
        await trio.sleep(2)
        assert told == ["a", "b", "c"]
        nursery.cancel_scope.cancel()
    assert await store.transact(names) == ["a", "b", "c"]


async def test_what_follows_is_told_in_order(store: DuplexStore, database: Watched) -> None:
    """After what is stored, and not at all without it."""
    told: list[object] = []
    store.publish = lambda events: told.extend(event.connection_id for _, event in events)
    database.refuse = lambda durable: durable
    for name, function in (("a", add), ("b", important)):
        with suppress(StoreFull):
            await store.transact(partial(function, name), durable=False, stored=told.append)
    with pytest.raises(LookupError):
        await store.transact(fail, durable=False, stored=told.append)
    with pytest.raises(StoreFull):
        await store.transact(partial(add, "c"), durable=True, stored=told.append)
    assert told == ["a", "a", "b"]


# --- events and the end -------------------------------------------------------------------------


async def test_events_that_were_taken_go_with_the_next_transaction(
    store: DuplexStore, database: Watched
) -> None:
    for name in "abc":
        await store.transact(partial(add, name))
    (first, _), (second, _), last = await store.events_after(0, 10)
    store.took(first)
    database.refuse = lambda _: True
    with pytest.raises(StoreFull):
        await store.flush()
    store.took(second)
    database.refuse = lambda _: False
    await store.flush()
    assert await store.events_after(0, 10) == [last]
    count = len(database.transactions)
    await store.flush()
    assert len(database.transactions) == count


async def test_closing_removes_what_was_taken(database: Watched) -> None:
    store = DuplexStore(database)
    await store.transact(partial(add, "a"))
    ((number, _),) = await store.events_after(0, 10)
    store.took(number)
    await store.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await store.transact(names)
    database.is_closed = False
    assert await DuplexStore(database).events_after(0, 10) == []


async def test_closing_without_room(database: Watched) -> None:
    """Then an event comes once more."""
    store = DuplexStore(database)
    await store.transact(partial(add, "a"))
    ((number, _),) = await store.events_after(0, 10)
    store.took(number)
    database.refuse = lambda _: True
    await store.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await store.transact(names)


async def test_steps_run_in_another_thread(tmp_path: Path) -> None:
    async with open_duplex_store(tmp_path / "agent.db") as store:
        thread = await store.transact(lambda _: threading.get_ident())
        assert thread != threading.get_ident()
        await store.transact(partial(add, "a"))
    async with open_duplex_store(tmp_path / "agent.db") as store:
        assert await store.transact(names) == ["a"]


async def test_what_is_in_memory_is_gone_with_its_store() -> None:
    async with open_duplex_store(None) as store:
        execute = await store.transact(lambda rows: rows._execute, durable=False)
        execute("SELECT 1")
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        execute("SELECT 1")
