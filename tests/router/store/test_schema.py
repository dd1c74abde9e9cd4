"""The schema and its versions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from simplex_trio.errors import StoreCorrupted, StoreForeign
from simplex_trio.router.store.schema import (
    APPLICATION_ID,
    COLUMNS,
    MIGRATIONS,
    check_schema,
    check_version,
    migrate,
)

_FIRST = ("CREATE TABLE notes (value INTEGER)", "INSERT INTO notes VALUES (5)")
_SECOND = ("ALTER TABLE notes ADD COLUMN more TEXT", "UPDATE notes SET more = 'some'")
_BROKEN = ("UPDATE notes SET value = 6", "CREATE TABLE notes (value INTEGER)")


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        yield connection


def _notes(connection: sqlite3.Connection) -> list[object]:
    return connection.execute("SELECT * FROM notes").fetchall()


def test_columns_are_those_of_the_tables(connection: sqlite3.Connection) -> None:
    migrate(connection)
    check_schema(connection)
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert {table for (table,) in tables} == {*COLUMNS, "last_commit"}
    for table, columns in COLUMNS.items():
        rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
        assert [name for (name,) in rows] == list(columns)


def test_each_version_follows_from_the_one_before(connection: sqlite3.Connection) -> None:
    migrate(connection, (_FIRST,))
    assert _notes(connection) == [(5,)]
    migrate(connection, (_FIRST, _SECOND))
    assert _notes(connection) == [(5, "some")]
    migrate(connection, (_FIRST, _SECOND))
    assert _notes(connection) == [(5, "some")]
    check_version(connection, (_FIRST, _SECOND))
    check_schema(connection, (_FIRST, _SECOND))


def test_a_failed_migration_changes_nothing(connection: sqlite3.Connection) -> None:
    migrate(connection, (_FIRST,))
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, (_FIRST, _BROKEN))
    assert not connection.in_transaction
    assert _notes(connection) == [(5,)]
    check_schema(connection, (_FIRST, _BROKEN))
    migrate(connection, (_FIRST, _SECOND))


def test_a_later_version_is_refused(connection: sqlite3.Connection) -> None:
    migrate(connection, (*MIGRATIONS, ()))
    with pytest.raises(StoreForeign, match="later version"):
        check_version(connection)


def test_another_database_is_refused(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA application_id = 1")
    with pytest.raises(StoreForeign, match="not a store"):
        check_version(connection)


def test_a_schema_that_somebody_has_changed_is_refused(connection: sqlite3.Connection) -> None:
    migrate(connection)
    connection.execute("CREATE INDEX helpful ON queues (created_day)")
    with pytest.raises(StoreCorrupted, match="schema"):
        check_schema(connection)
