"""The schema and its versions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest
from attrs import evolve

from simplex_trio.errors import StoreCorrupted, StoreForeign
from simplex_trio.router.store.schema import COLUMNS, SCHEMA
from simplex_trio.storage.schema import Schema

_FIRST = ("CREATE TABLE notes (value INTEGER)", "INSERT INTO notes VALUES (5)")
_SECOND = ("ALTER TABLE notes ADD COLUMN more TEXT", "UPDATE notes SET more = 'some'")
_BROKEN = ("UPDATE notes SET value = 6", "CREATE TABLE notes (value INTEGER)")


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA application_id = {SCHEMA.application_id}")
        yield connection


def with_migrations(migrations: Sequence[Sequence[str]]) -> Schema:
    return evolve(SCHEMA, migrations=migrations)


def _notes(connection: sqlite3.Connection) -> list[object]:
    return connection.execute("SELECT * FROM notes").fetchall()


def test_columns_are_those_of_the_tables(connection: sqlite3.Connection) -> None:
    SCHEMA.migrate(connection)
    SCHEMA.check_tables(connection)
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert {table for (table,) in tables} == {*COLUMNS, "last_commit"}
    for table, columns in COLUMNS.items():
        rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
        assert [name for (name,) in rows] == list(columns)


def test_each_version_follows_from_the_one_before(connection: sqlite3.Connection) -> None:
    with_migrations((_FIRST,)).migrate(connection)
    assert _notes(connection) == [(5,)]
    with_migrations((_FIRST, _SECOND)).migrate(connection)
    assert _notes(connection) == [(5, "some")]
    with_migrations((_FIRST, _SECOND)).migrate(connection)
    assert _notes(connection) == [(5, "some")]
    with_migrations((_FIRST, _SECOND)).check_version(connection)
    with_migrations((_FIRST, _SECOND)).check_tables(connection)


def test_a_failed_migration_changes_nothing(connection: sqlite3.Connection) -> None:
    with_migrations((_FIRST,)).migrate(connection)
    with pytest.raises(sqlite3.OperationalError):
        with_migrations((_FIRST, _BROKEN)).migrate(connection)
    assert not connection.in_transaction
    assert _notes(connection) == [(5,)]
    with_migrations((_FIRST, _BROKEN)).check_tables(connection)
    with_migrations((_FIRST, _SECOND)).migrate(connection)


def test_a_later_version_is_refused(connection: sqlite3.Connection) -> None:
    with_migrations((*SCHEMA.migrations, ())).migrate(connection)
    with pytest.raises(StoreForeign, match="later version"):
        SCHEMA.check_version(connection)


def test_another_database_is_refused(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA application_id = 1")
    with pytest.raises(StoreForeign, match="not a store"):
        SCHEMA.check_version(connection)


def test_a_changed_schema_is_refused(connection: sqlite3.Connection) -> None:
    SCHEMA.migrate(connection)
    connection.execute("CREATE INDEX helpful ON queues (created_day)")
    with pytest.raises(StoreCorrupted, match="schema"):
        SCHEMA.check_tables(connection)
