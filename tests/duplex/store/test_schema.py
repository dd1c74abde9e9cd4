"""What a version stores never changes, and a migration leads from each to the next."""

from __future__ import annotations

import sqlite3
import types
from collections.abc import Iterator
from contextlib import closing
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import attrs
import pytest
from attrs import evolve

from simplex_trio.duplex.events import PeerMessage
from simplex_trio.duplex.machine.messages import Delivery
from simplex_trio.duplex.store.rows import RECORD_TABLES, SQLiteRows
from simplex_trio.duplex.store.schema import SCHEMA
from simplex_trio.errors import StoreCorrupted, StoreForeign
from simplex_trio.ratchet.skipped import SkippedKey, SkippedKeys
from simplex_trio.storage.database import Database
from simplex_trio.storage.losses import number_first_commit
from tests.duplex.store.values import EVENTS, RECORDS, example_of, field_types

FOLDER = Path(__file__).with_name("versions")
VERSIONS = range(1, len(SCHEMA.migrations) + 1)

CHANGED = (
    "what an agent stores has changed.  A released version of it never changes: add a migration at "
    "the end of SCHEMA.migrations, which also converts stored rows and events, and store the new "
    "dump.  Only a version that was not released yet may be stored again: run this module."
)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA application_id = {SCHEMA.application_id}")
        SCHEMA.migrate(connection)
        yield connection


def tables(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [name for (name,) in found if not name.startswith("sqlite_")]


def columns(connection: sqlite3.Connection, table: str) -> dict[str, tuple[str, bool]]:
    """Of each column its type, and whether it may be empty."""
    query = 'SELECT name, type, "notnull" FROM pragma_table_info(?)'
    found = connection.execute(query, (table,)).fetchall()
    return {name: (kind, not is_full) for name, kind, is_full in found}


# --- the dump -----------------------------------------------------------------------------------


def described(hint: Any) -> str:
    """A type, and of an enumeration its values, which are in the file."""
    arguments = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return " | ".join(sorted(map(described, arguments)))
    if arguments:
        return f"{get_origin(hint).__name__}[{described(arguments[0])}]"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return f"{hint.__name__}{tuple(member.value for member in hint)}"
    return "None" if hint is type(None) else str(hint.__name__)


def described_fields(kind: type[Any]) -> str:
    fields = (f"    {name}: {described(hint)}" for name, hint in field_types(kind).items())
    return "\n".join((f"{kind.__name__}:", *fields))


def dump(version: int) -> str:
    """Everything that is in a file of a version, except the rows."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        evolve(SCHEMA, migrations=SCHEMA.migrations[:version]).migrate(connection)
        statements = connection.execute(
            "SELECT sql || ';' FROM sqlite_master "
            "WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type DESC, name"
        ).fetchall()
    return "\n".join(statement for (statement,) in statements) + "\n"


def dump_values() -> str:
    """The classes whose values are in a file."""
    return "\n".join(map(described_fields, (*RECORDS, *EVENTS))) + "\n"


@pytest.mark.parametrize("version", VERSIONS)
def test_no_version_changes(version: int) -> None:
    stored = FOLDER / f"{version}.sql"
    assert stored.exists(), f"{stored.name} is missing: {CHANGED}"
    assert dump(version) == stored.read_text(), CHANGED


def test_what_is_in_the_columns_does_not_change() -> None:
    assert dump_values() == (FOLDER / f"{VERSIONS[-1]}.values").read_text(), CHANGED


# --- tables -------------------------------------------------------------------------------------


def test_all_tables_are_strict(connection: sqlite3.Connection) -> None:
    found = connection.execute("SELECT name, strict FROM pragma_table_list").fetchall()
    lax = {name for name, strict in found if not strict and not name.startswith("sqlite_")}
    assert lax == {"last_commit"}  # of all databases of this package


def test_no_column_holds_text(connection: sqlite3.Connection) -> None:
    kinds = {
        kind for table in tables(connection) for kind, _ in columns(connection, table).values()
    }
    assert kinds == {"BLOB", "INTEGER", "REAL"}


def test_every_foreign_key_has_an_index(connection: sqlite3.Connection) -> None:
    keys = [
        (table, row[3])
        for table in tables(connection)
        for row in connection.execute(f"PRAGMA foreign_key_list({table})")
    ]
    assert len(keys) > 5
    for table, column in keys:
        query = f"EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE {column} = ?"
        ((*_, plan),) = connection.execute(query, (b"",)).fetchall()
        assert plan.startswith(f"SEARCH {table} USING"), f"{table}.{column}: {plan}"


def test_every_table_of_connections_goes_with_them(connection: sqlite3.Connection) -> None:
    kept = {"connections", "last_commit", "bodies", "events", "looked_links", "leaving_users"}
    kept |= {"push_tokens", "old_subscriptions", "router_counts"}
    kept |= {"incoming_files", "outgoing_files", "uploaded_packets", "deleted_files"}
    kept |= {"deleted_packets", "kept"}
    kept |= {"silent_routers"}
    for table in set(tables(connection)) - kept:
        keys = connection.execute(f"PRAGMA foreign_key_list({table})").fetchall()
        assert ("connections", "CASCADE") in {(key[2], key[6]) for key in keys}, table


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_columns_are_the_fields(connection: sqlite3.Connection, kind: type[Any]) -> None:
    table = RECORD_TABLES[kind]
    found = columns(connection, table.name)
    expected = {}
    for name, hint in field_types(kind).items():
        parts = get_args(hint) or (hint,)
        is_number = parts[0] in (int, bool) or (
            issubclass(parts[0], Enum) and isinstance(next(iter(parts[0])).value, int)
        )
        column = "INTEGER" if is_number else "REAL" if parts[0] is float else "BLOB"
        expected[name] = column, type(None) in parts
    if table.name == "connections":
        expected["has_work"] = "INTEGER", False
    assert found == expected
    primary = connection.execute(
        "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (table.name,)
    )
    assert table.key == tuple(name for (name,) in primary)


def test_all_record_classes_are_tested() -> None:
    assert set(RECORD_TABLES) == set(RECORDS)
    for kind in (*RECORDS, *EVENTS):
        assert attrs.has(kind)


# --- versions -----------------------------------------------------------------------------------


def make_released(path: Path, version: int) -> None:
    """A file as a released version left it, with a row or more in each table."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA application_id = {SCHEMA.application_id}")
        connection.executescript((FOLDER / f"{version}.sql").read_text())
        connection.executescript((FOLDER / f"{version}.rows.sql").read_text())
        connection.execute(f"PRAGMA user_version = {version}")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_released_version_can_be_opened(tmp_path: Path, version: int) -> None:
    path = tmp_path / "agent.db"
    make_released(path, version)
    for _ in range(2):
        database = Database(path, SCHEMA)
        try:
            connection = database.connection
            rows = SQLiteRows(connection)
            for kind in RECORDS:
                assert len(rows.find(kind)) > 0, kind
            assert len(rows.events_after(0, 100)) == len(EVENTS)
            (connection_id,) = rows.connection_ids(None)
            assert len(rows.skipped_keys(connection_id)) == 2
            assert rows.connections_with_work() == [connection_id]
            assert rows.body(1)
            assert rows.kept("space", b"key") == b"value"
            assert connection.execute("PRAGMA user_version").fetchone() == (VERSIONS[-1],)
        finally:
            database.close()


def test_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    Database(path, SCHEMA).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(VERSIONS) + 1}")
    with pytest.raises(StoreForeign, match="later version"):
        Database(path, SCHEMA)


def test_the_store_of_a_router_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    Database(path, evolve(SCHEMA, application_id=5)).close()
    with pytest.raises(StoreForeign, match="not a store"):
        Database(path, SCHEMA)


def test_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    Database(path, SCHEMA).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP INDEX connections_by_link")
    with pytest.raises(StoreCorrupted, match="schema"):
        Database(path, SCHEMA)


# --- storing a version that is not released yet -------------------------------------------------


def _example_rows() -> str:
    """Statements that insert a record of each class, and an event of each."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.text_factory = bytes
        SCHEMA.migrate(connection)
        connection.execute("BEGIN")
        number_first_commit(connection)
        rows = SQLiteRows(connection)
        body = rows.add_body(b"a body that is shared")
        example = partial(example_of, connection_id="connection", address_id="connection")
        for kind in RECORDS:
            rows.insert(example(kind, body=body) if kind is Delivery else example(kind))
        for number, kind in enumerate(EVENTS):
            rows.add_event(example(kind), number if kind is PeerMessage else None)
        keys = [SkippedKey(bytes(32), n, bytes((n,)) * 32, bytes(16), 1) for n in (1, 2)]
        rows.change_skipped_keys("connection", SkippedKeys(), SkippedKeys.of(keys))
        rows.add_seen("connection", bytes(32), 1)
        rows.note_work("connection", True)
        rows.keep("space", b"key", b"value")
        connection.execute("COMMIT")
        statements = []
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
            name = table.decode()
            found = [
                column for column, *_ in connection.execute(f"SELECT * FROM {name}").description
            ]
            if name.startswith("sqlite_"):
                continue
            quoted = " || ', ' || ".join(f"quote({column})" for column in found)
            query = f"SELECT 'INSERT INTO {name} VALUES (' || {quoted} || ');' FROM {name}"
            statements += [row.decode() for (row,) in connection.execute(query)]
    return "\n".join(statements) + "\n"


def _store_last_version() -> None:
    last = VERSIONS[-1]
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{last}.sql").write_text(dump(last))
    (FOLDER / f"{last}.values").write_text(dump_values())
    (FOLDER / f"{last}.rows.sql").write_text(_example_rows())


if __name__ == "__main__":
    _store_last_version()
