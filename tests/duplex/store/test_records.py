"""Records and events come back from the tables as they were; what is broken there is refused."""

from __future__ import annotations

import sqlite3
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simplex_trio.duplex.events import ConnectionDeleted, KeptEvent
from simplex_trio.duplex.store.event_bytes import read_event, write_event
from simplex_trio.duplex.store.rows import RECORD_TABLES, SQLiteRows
from simplex_trio.duplex.store.store import MemoryDatabase
from simplex_trio.errors import DecodeError, StoreCorrupted
from simplex_trio.ratchet.skipped import SkippedKey, SkippedKeys
from tests.duplex.store.values import EVENTS, RECORDS, field_types, records, values

_FEW = settings(max_examples=settings().max_examples // 6)
"""For tests of every class, where most is the same."""

every_record = pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
every_event = pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)


@contextmanager
def connected() -> Iterator[sqlite3.Connection]:
    """A database in memory, in a transaction that is never committed."""
    connection = MemoryDatabase().connection
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        connection.close()


def key_of(kind: type[Any], record: Any) -> tuple[Any, ...]:
    return tuple(getattr(record, name) for name in RECORD_TABLES[kind].key)


@every_record
@_FEW
@given(st.data())
def test_a_record_comes_back(kind: type[Any], data: st.DataObject) -> None:
    record = data.draw(records(kind))
    with connected() as connection:
        SQLiteRows(connection).insert(record)
        rows = SQLiteRows(connection)
        assert rows.find(kind) == [record]
        assert rows.get(kind, *key_of(kind, record)) == record


@every_record
@_FEW
@given(st.data())
def test_a_changed_record_comes_back(kind: type[Any], data: st.DataObject) -> None:
    before = data.draw(records(kind))
    same_key = {name: st.just(getattr(before, name)) for name in RECORD_TABLES[kind].key}
    after = data.draw(records(kind, **same_key))
    with connected() as connection:
        rows = SQLiteRows(connection)
        rows.insert(before)
        rows.update(before, before)
        rows.update(before, after)
        for each in (rows, SQLiteRows(connection)):
            assert each.get(kind, *key_of(kind, after)) == after
        rows.delete(after)
        for each in (rows, SQLiteRows(connection)):
            assert each.get(kind, *key_of(kind, after)) is None


@every_event
@_FEW
@given(st.data())
def test_an_event_comes_back(kind: type[KeptEvent], data: st.DataObject) -> None:
    event = data.draw(records(kind))
    name, content = write_event(event)
    assert read_event(name, content) == event
    with connected() as connection:
        rows = SQLiteRows(connection)
        rows.add_event(event, data.draw(values(int | None)))
        ((number, stored),) = rows.events_after(0, 10)
        assert rows.new_events == [(number, event)]
        assert stored == event
        rows.delete_events([number])
        assert rows.events_after(0, 10) == []


@every_event
@_FEW
@given(st.data())
def test_broken_events_are_refused(kind: type[KeptEvent], data: st.DataObject) -> None:
    name, content = write_event(data.draw(records(kind)))
    broken = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(broken) - 1))
        broken[place] = data.draw(st.integers(0, 255))
    cut = bytes(broken[: data.draw(st.integers(0, len(broken)))])
    for bad in (bytes(broken), cut, data.draw(st.binary())):
        with suppress(DecodeError):
            assert isinstance(read_event(name, bad), kind)


def test_an_event_of_another_kind() -> None:
    with pytest.raises(DecodeError, match="unknown kind"):
        read_event("RouterUp", b"")


# --- rows that something else has changed ---------------------------------------------------------

SECRET = b"\xa7" * 5 + b"not to be shown"
"""What a broken row holds, and no error may show."""


def blob_columns(kind: type[Any]) -> list[str]:
    with connected() as connection:
        found = connection.execute(
            "SELECT name FROM pragma_table_info(?) WHERE type = 'BLOB'", (RECORD_TABLES[kind].name,)
        )
        return [name.decode() for (name,) in found]


def shown(error: BaseException | None) -> str:
    """All that a log would show of an error."""
    return "" if error is None else "".join(traceback.format_exception(error))


@every_record
@_FEW
@given(st.data())
def test_broken_records_are_refused(kind: type[Any], data: st.DataObject) -> None:
    """A value, if the bytes are one, or the name of the table, and nothing of what is in it."""
    record = data.draw(records(kind))
    table = RECORD_TABLES[kind]
    column = data.draw(st.sampled_from([c for c in blob_columns(kind) if c in table.columns]))
    with connected() as connection:
        SQLiteRows(connection).insert(record)
        connection.execute(f"UPDATE {table.name} SET {column} = ?", (SECRET,))
        error: StoreCorrupted | None = None
        try:
            SQLiteRows(connection).find(kind)
        except StoreCorrupted as exc:
            error = exc
    if error is not None:
        assert error.place == f"table {table.name}"
        assert "not to be shown" not in shown(error)


@every_record
@_FEW
@given(st.data())
def test_numbers_that_mean_nothing_are_refused(kind: type[Any], data: st.DataObject) -> None:
    enumerations = [
        name
        for name, hint in field_types(kind).items()
        if isinstance(hint, type)
        and issubclass(hint, Enum)
        and isinstance(next(iter(hint)).value, int)
    ]
    if not enumerations:
        return
    record = data.draw(records(kind))
    column = data.draw(st.sampled_from(enumerations))
    with connected() as connection:
        SQLiteRows(connection).insert(record)
        connection.execute(f"UPDATE {RECORD_TABLES[kind].name} SET {column} = 77")
        with pytest.raises(StoreCorrupted, match=RECORD_TABLES[kind].name):
            SQLiteRows(connection).find(kind)


def test_a_broken_event_is_refused() -> None:
    with connected() as connection:
        rows = SQLiteRows(connection)
        rows.add_event(ConnectionDeleted("c"), None)
        for column in ("kind", "content"):
            connection.execute("SAVEPOINT one")
            connection.execute(f"UPDATE events SET {column} = ?", (SECRET,))
            with pytest.raises(StoreCorrupted) as caught:
                rows.events_after(0, 1)
            assert caught.value.place == "table events"
            assert "not to be shown" not in shown(caught.value)
            connection.execute("ROLLBACK TO one")


@pytest.mark.parametrize("column", ["header_key", "message_key", "iv"])
def test_broken_keys_of_overtaken_messages_are_refused(column: str) -> None:
    key = SkippedKey(bytes(32), 1, bytes(32), bytes(16), 0)
    with connected() as connection:
        SQLiteRows(connection).change_skipped_keys("c", SkippedKeys(), SkippedKeys.of([key]))
        connection.execute(f"UPDATE skipped_keys SET {column} = ?", (SECRET,))
        with pytest.raises(StoreCorrupted) as caught:
            SQLiteRows(connection).skipped_keys("c")
        assert caught.value.place == "table skipped_keys"


def test_a_body_that_is_missing() -> None:
    with connected() as connection:
        with pytest.raises(StoreCorrupted) as caught:
            SQLiteRows(connection).body(5)
        assert caught.value.place == "table bodies"
