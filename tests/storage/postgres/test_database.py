"""Who may write to a database, and what becomes of commits whose connection is lost."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import evolve

from simplex_trio.errors import (
    StoreConflict,
    StoreCorrupted,
    StoreFenced,
    StoreForeign,
    StoreLocked,
    StoreLost,
    StoreOutcomeUnknown,
    StoreUnavailable,
)
from simplex_trio.storage.postgres import connection, database
from simplex_trio.storage.postgres.connection import open_connection
from simplex_trio.storage.postgres.database import PostgresDatabase, open_postgres_database
from simplex_trio.storage.postgres.parameters import Statement
from simplex_trio.storage.postgres.schema import PostgresSchema
from simplex_trio.storage.postgres.url import DatabaseURL
from tests.postgres import new_url
from tests.storage.postgres.unreliable import Cut, UnreliableWay, unreliable_way

SCHEMA = PostgresSchema(
    kind=5,
    name="test_counting",
    migrations=(("CREATE TABLE counter (number int8 NOT NULL)", "INSERT INTO counter VALUES (0)"),),
)

COUNT = Statement("UPDATE counter SET number = number + 1")
READ = Statement("SELECT number FROM counter")
TAKE_OVER = Statement("UPDATE lease SET epoch = epoch + 1")


@pytest.fixture
def url(postgres: str) -> DatabaseURL:
    return new_url(postgres)


@pytest.fixture
def folder() -> Iterator[Path]:
    """The path of a socket must not be longer than a hundred bytes."""
    with tempfile.TemporaryDirectory(prefix="way-") as name:
        yield Path(name)


@pytest.fixture
async def way(url: DatabaseURL, folder: Path) -> AsyncIterator[UnreliableWay]:
    async with unreliable_way(url, folder) as way:
        yield way


@asynccontextmanager
async def counting(
    url: DatabaseURL, schema: PostgresSchema = SCHEMA, *, standby: bool = False
) -> AsyncIterator[PostgresDatabase]:
    async with open_postgres_database(url, schema, name="test", standby=standby) as opened:
        yield opened


async def number(opened: PostgresDatabase) -> int:
    ((found,),) = await opened.fetch(READ)
    return int(found)


async def do(url: DatabaseURL, *statements: str | Statement) -> None:
    """What others do, past the lease."""
    async with open_connection(url, name="other") as other:
        for each in statements:
            await other.run([each if isinstance(each, Statement) else Statement(each)])


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - nothing tells of it
        await trio.sleep(0.01)


# --- opening ------------------------------------------------------------------------------------


async def test_commits_are_there_when_it_is_opened_again(url: DatabaseURL) -> None:
    for opening in range(3):
        async with counting(url) as opened:
            assert await number(opened) == 2 * opening
            await opened.commit([COUNT])
            with pytest.raises(StoreConflict):
                await opened.commit([COUNT, Statement("INSERT INTO counter VALUES (NULL)")])
            await opened.commit([COUNT])


async def test_an_open_database_says_who_has_it(
    url: DatabaseURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "TRY_LOCK_SECONDS", 0.1)
    async with counting(url) as opened:
        with pytest.raises(StoreLocked) as caught:
            async with counting(url):
                pytest.fail("two in one database")
        assert f"test on {socket.gethostname()}, process {os.getpid()}, since" in str(caught.value)
        await opened.commit([COUNT])
    async with counting(url) as opened:
        assert await number(opened) == 1


async def test_a_schema_that_is_something_else(url: DatabaseURL) -> None:
    await do(url, f"CREATE SCHEMA {url.schema}", f"CREATE TABLE {url.schema}.notes (text text)")
    with pytest.raises(StoreForeign, match="not a store's"):
        async with counting(url):
            pytest.fail("a store in another's schema")


async def test_a_schema_that_was_made_for_it(url: DatabaseURL) -> None:
    await do(url, f"CREATE SCHEMA {url.schema}")
    async with counting(url) as opened:
        assert await number(opened) == 0


async def test_each_version_follows_from_the_one_before(url: DatabaseURL) -> None:
    second = evolve(
        SCHEMA, migrations=(*SCHEMA.migrations, ("UPDATE counter SET number = number + 100",))
    )
    async with counting(url) as opened:
        await opened.commit([COUNT])
    for _ in range(2):
        async with counting(url, second) as opened:
            assert await number(opened) == 101
    with pytest.raises(StoreForeign, match="later version"):
        async with counting(url):
            pytest.fail("a store of a later version")
    with pytest.raises(StoreForeign, match="another kind"):
        async with counting(url, evolve(second, kind=6)):
            pytest.fail("a store of another kind")


async def test_a_failed_migration_changes_nothing(url: DatabaseURL) -> None:
    async with counting(url):
        pass
    broken = ("UPDATE counter SET number = 7", "INSERT INTO counter VALUES (NULL)")
    with pytest.raises(StoreConflict):
        async with counting(url, evolve(SCHEMA, migrations=(*SCHEMA.migrations, broken))):
            pytest.fail("a broken migration")
    async with counting(url) as opened:
        assert await number(opened) == 0


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE counter ALTER number DROP NOT NULL",
        "ALTER TABLE counter ADD more int8",
        "DROP TABLE counter",
        "DELETE FROM lease",
    ],
)
async def test_tables_that_have_changed(url: DatabaseURL, change: str) -> None:
    async with counting(url):
        pass
    await do(url, change)
    with pytest.raises(StoreCorrupted):
        async with counting(url):
            pytest.fail("other tables")


async def test_an_index_of_the_operator_does_not_matter(url: DatabaseURL) -> None:
    async with counting(url):
        pass
    await do(url, "CREATE INDEX helpful ON counter (number)")
    async with counting(url) as opened:
        await opened.commit([COUNT])


# --- standing by --------------------------------------------------------------------------------


async def test_a_standby_takes_over_when_the_first_is_gone(
    url: DatabaseURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "STANDBY_SECONDS", 0.01)
    reasons: list[str] = []
    stands_by, took_over = trio.Event(), trio.Event()

    def standing_by(reason: str) -> None:
        reasons.append(reason)
        stands_by.set()

    async def second() -> None:
        async with open_postgres_database(
            url, SCHEMA, name="second", standby=True, standing_by=standing_by
        ) as opened:
            took_over.set()
            assert await number(opened) == 1

    async with trio.open_nursery() as nursery:
        async with counting(url) as opened:
            nursery.start_soon(second)
            await stands_by.wait()
            await opened.commit([COUNT])
            assert not took_over.is_set()
        await took_over.wait()
    assert len(reasons) == 1
    assert "test on" in reasons[0]


async def test_a_standby_waits_for_the_database(
    way: UnreliableWay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "STANDBY_SECONDS", 0.01)
    way.close()
    with pytest.raises(StoreUnavailable):
        async with counting(way.url):
            pytest.fail("a database that cannot be reached")

    async def second() -> None:
        async with counting(way.url, standby=True) as opened:
            assert await number(opened) == 0

    way.close()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(second)
        await way.refused.wait()
        way.is_open = True


async def test_standing_by_can_be_cancelled(url: DatabaseURL) -> None:
    async with counting(url):
        with trio.move_on_after(0.1) as scope:
            async with counting(url, standby=True):
                pytest.fail("two in one database")
        assert scope.cancelled_caught


# --- connections that are lost ------------------------------------------------------------------


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER])
async def test_a_commit_whose_connection_is_lost_happens_once(way: UnreliableWay, cut: Cut) -> None:
    async with counting(way.url) as opened:
        for expected in range(1, 6):
            way.cut = cut
            await opened.commit([COUNT])
            assert way.cut is None
            assert await number(opened) == expected


async def test_a_server_that_is_silent_and_still_works_for_us(
    way: UnreliableWay, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with counting(way.url) as opened:
        monkeypatch.setattr(connection, "ANSWER_SECONDS", 0.3)
        way.cut = Cut.SILENT  # so the server keeps the connection, and the lock
        await opened.commit([COUNT])
        assert await number(opened) == 1


async def test_a_call_waits_for_the_connection_to_be_made_again(way: UnreliableWay) -> None:
    async with counting(way.url) as opened, trio.open_nursery() as nursery:
        way.close()
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(opened.commit, [COUNT])
        nursery.start_soon(opened.commit, [COUNT])
        nursery.start_soon(opened.fetch, READ)
        await way.refused.wait()
        way.is_open = True
    async with counting(way.url) as opened:
        assert await number(opened) == 2


async def test_a_call_does_not_wait_for_ever(
    way: UnreliableWay, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with counting(way.url) as opened:
        with monkeypatch.context() as patch:
            patch.setattr(database, "PATIENCE_SECONDS", 0.1)
            way.close()
            await trio.testing.wait_all_tasks_blocked()
            for call in (opened.commit([COUNT]), opened.fetch(READ), opened.commit([COUNT])):
                with pytest.raises(StoreUnavailable) as caught:
                    await call
                assert caught.value.retryable
                assert not isinstance(caught.value, StoreLost)
        way.is_open = True
        await opened.commit([COUNT])
        assert await number(opened) == 1


async def test_an_outcome_that_cannot_be_told_ends_everything(
    way: UnreliableWay, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def commit() -> None:
        async with counting(way.url) as opened:
            monkeypatch.setattr(database, "LEASE_SECONDS", 0.3)
            way.cut, way.is_open = Cut.AFTER, False
            for _ in range(2):
                with pytest.raises(StoreOutcomeUnknown, match="during a commit"):
                    await opened.commit([COUNT])
            await trio.sleep_forever()

    monkeypatch.setattr(database, "LOOK_SECONDS", 0.01)
    with pytest.raises(StoreOutcomeUnknown):
        await commit()
    way.is_open = True
    async with counting(way.url) as opened:
        assert await number(opened) == 1


async def test_a_database_that_is_away_for_too_long_ends_everything(
    way: UnreliableWay, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wait() -> None:
        async with counting(way.url):
            monkeypatch.setattr(database, "LEASE_SECONDS", 0.3)
            way.close()
            await trio.sleep_forever()

    monkeypatch.setattr(database, "LOOK_SECONDS", 0.01)
    with pytest.raises(StoreLost, match="has not answered"):
        await wait()


async def test_an_idle_connection_that_is_lost_is_made_again(
    way: UnreliableWay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOOK_SECONDS", 0.01)
    async with counting(way.url):
        way.cut_all()
        await until(lambda: way.accepted == 2)


@pytest.mark.parametrize("change", ["- 1", "+ 1"])
async def test_a_database_that_is_not_as_it_was_left_ends_everything(
    way: UnreliableWay, url: DatabaseURL, change: str
) -> None:
    """As after the switch to a copy that has not all of it."""

    async def write() -> None:
        async with counting(way.url) as opened:
            for _ in range(3):
                await opened.commit([COUNT])
            way.cut_all()
            await do(url, f"UPDATE lease SET commits = commits {change}")
            await opened.commit([COUNT])

    with pytest.raises(StoreLost, match="another one, or lacks"):
        await write()


@pytest.mark.parametrize("is_connected", [True, False])
async def test_a_database_without_the_tables_ends_everything(
    way: UnreliableWay, url: DatabaseURL, monkeypatch: pytest.MonkeyPatch, *, is_connected: bool
) -> None:
    """As after the switch to another database, in which there was no such store."""

    async def wait() -> None:
        async with counting(way.url):
            if not is_connected:
                way.close()
                await way.refused.wait()
            await do(url, f"DROP SCHEMA {url.schema} CASCADE")
            way.is_open = True
            await trio.sleep_forever()

    monkeypatch.setattr(database, "LOOK_SECONDS", 0.01)
    with trio.fail_after(30), pytest.raises(StoreLost, match="another one, or lacks"):
        await wait()


async def test_an_idle_process_notices_that_another_has_taken_over(
    url: DatabaseURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wait() -> None:
        async with counting(url):
            await do(url, TAKE_OVER)
            await trio.sleep_forever()

    monkeypatch.setattr(database, "LOOK_SECONDS", 0.01)
    with trio.fail_after(30), pytest.raises(StoreFenced):
        await wait()


# --- others take over ---------------------------------------------------------------------------


async def test_a_stale_process_cannot_write(url: DatabaseURL) -> None:
    async def write() -> None:
        async with counting(url) as opened:
            await opened.commit([COUNT])
            await do(url, TAKE_OVER)
            for _ in range(2):
                with pytest.raises(StoreFenced):
                    await opened.commit([COUNT])

    with pytest.raises(StoreFenced):
        await write()
    async with counting(url) as opened:
        assert await number(opened) == 1


async def test_a_process_that_was_away_hears_that_another_has_taken_over(
    way: UnreliableWay, url: DatabaseURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def first() -> None:
        async with counting(way.url) as opened:
            await opened.commit([COUNT])
            way.close()
            left.set()
            await trio.sleep_forever()

    async def first_and_its_end() -> None:
        with pytest.raises(StoreFenced):
            await first()
        ended.set()

    monkeypatch.setattr(database, "LOOK_SECONDS", 0.01)
    left, ended = trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(first_and_its_end)
        await left.wait()
        async with counting(url) as opened:
            way.is_open = True
            await ended.wait()
            await opened.commit([COUNT])
            assert await number(opened) == 2


async def test_closed(url: DatabaseURL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOOK_SECONDS", 0)
    async with counting(url) as opened:
        await opened.commit([COUNT])
        await opened.aclose()
        await opened.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await opened.fetch(READ)
        with pytest.raises(trio.ClosedResourceError):
            async with opened.snapshot():
                pytest.fail("closed")
