"""Functions in the thread of a database, and its transactions."""

from __future__ import annotations

import sqlite3
import threading
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from simplex_trio.errors import StoreConflict, StoreIncomplete
from simplex_trio.storage.database import Database
from simplex_trio.storage.losses import LAST_COMMIT_TABLE
from simplex_trio.storage.schema import Schema

NOTES = Schema(
    application_id=0x4E4F5445,
    migrations=((LAST_COMMIT_TABLE, "CREATE TABLE notes (value INTEGER UNIQUE)"),),
)


def add(database: Database, *values: int) -> None:
    with database.transaction():
        for value in values:
            database.connection.execute("INSERT INTO notes VALUES (?)", (value,))


def values(database: Database) -> list[int]:
    rows = database.connection.execute("SELECT value FROM notes ORDER BY rowid").fetchall()
    return [value for (value,) in rows]


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "notes.db", NOTES)
    add(database, 1, 2)
    with pytest.raises(StoreConflict) as caught:
        add(database, 3, 1)
    assert isinstance(caught.value.__cause__, sqlite3.IntegrityError)
    add(database, 4)
    database.close()
    database = Database(tmp_path / "notes.db", NOTES)
    assert values(database) == [1, 2, 4]
    database.close()


def test_a_first_version_may_number_its_commits(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    database = Database(path, NOTES)
    add(database, 1)
    add(database, 2)
    path.with_name("copy.db").write_bytes(path.read_bytes())
    path.with_name("copy.db-mark").write_bytes(path.with_name("notes.db-mark").read_bytes())
    database.close()
    with pytest.raises(StoreIncomplete) as caught:
        Database(tmp_path / "copy.db", NOTES)
    assert caught.value.commits == 2


async def test_functions_run_one_at_a_time_in_order(tmp_path: Path) -> None:
    database = await trio.to_thread.run_sync(Database, tmp_path / "notes.db", NOTES)
    go = threading.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(database.run, go.wait)
        await wait_all_tasks_blocked()
        for number in range(5):
            nursery.start_soon(database.run, partial(add, database, number))
            await wait_all_tasks_blocked()
        nursery.start_soon(database.aclose)
        await wait_all_tasks_blocked()
        with pytest.raises(trio.ClosedResourceError):
            await database.run(partial(values, database))
        go.set()
    database = Database(tmp_path / "notes.db", NOTES)
    assert values(database) == [0, 1, 2, 3, 4]
    database.close()


async def test_a_function_that_has_begun_is_not_abandoned(tmp_path: Path) -> None:
    database = await trio.to_thread.run_sync(Database, tmp_path / "notes.db", NOTES)
    go = threading.Event()

    def write_late() -> None:
        go.wait()
        add(database, 1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(database.run, write_late)
        await wait_all_tasks_blocked()
        nursery.start_soon(database.run, partial(add, database, 2))
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        go.set()
    assert await database.run(partial(values, database)) == [1]
    await database.aclose()
    await database.aclose()
