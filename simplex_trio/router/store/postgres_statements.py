"""The statements of a store in PostgreSQL, one for all rows of a group of changes.  Pure.

The values of many rows travel as one array for each column.
"""

# The names are constants of the schema, and values always travel as parameters.
# ruff: noqa: S608

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, starmap
from typing import TypeAlias

from simplex_trio.router.store.groups import in_groups
from simplex_trio.router.store.interface import (
    Change,
    DeleteMessages,
    DeleteNotifications,
    DeleteQueue,
    DeleteService,
    PutMessage,
    PutNotification,
    PutQueue,
    PutService,
    PutStatistics,
)
from simplex_trio.router.store.postgres_schema import COLUMNS, is_number
from simplex_trio.router.store.rows import (
    Row,
    Value,
    body_row,
    counter_row,
    head_row,
    link_row,
    notification_row,
    queue_row,
    service_row,
)
from simplex_trio.storage.postgres.parameters import Encoded, Statement, numbers, octets

__all__ = ["select", "statements"]

_Rows: TypeAlias = Sequence[Row]

_Operation: TypeAlias = Callable[[str, _Rows], Iterator[Statement]]
"""The statements for a table and rows, or for the keys of rows."""

_MUST_HAVE_LINK = """
    INSERT INTO links SELECT $1, NULL, NULL, 0
    WHERE NOT EXISTS (SELECT FROM links WHERE recipient_id = $1)
    """
"""Does nothing if the data of a link is there; otherwise the table refuses the NULLs."""


def statements(changes: Iterable[Change]) -> list[Statement]:
    """What does to the tables what the changes say, in their order."""
    return list(chain.from_iterable(map(_of_group, in_groups(changes))))


def _of_group(group: Iterable[Change]) -> Iterator[Statement]:
    """The statements for changes that `in_groups` has put together."""
    rows: defaultdict[tuple[_Operation, str], list[Row]] = defaultdict(list)
    for change in group:
        match change:
            case PutMessage(recipient_id, head, body):
                _, *sealed_body = body_row(head.sequence, body)
                rows[_insert, "messages"].append((*head_row(recipient_id, head), *sealed_body))
            case DeleteMessages(sequences):
                rows[_delete, "messages"].extend((sequence,) for sequence in sequences)
            case PutQueue(record, link_data):
                rows[_upsert, "queues"].append(queue_row(record))
                if link_data is not None:
                    rows[_upsert, "links"].append(link_row(record.recipient_id, link_data))
                elif record.link is not None:
                    rows[_check_link, "links"].append((record.recipient_id,))
            case DeleteQueue(recipient_id):
                rows[_delete, "queues"].append((recipient_id,))
            case PutNotification(notification):
                rows[_insert, "notifications"].append(notification_row(notification))
            case DeleteNotifications(sequences):
                rows[_delete, "notifications"].extend((sequence,) for sequence in sequences)
            case PutService(service):
                rows[_upsert, "services"].append(service_row(service))
            case DeleteService(service_id):
                rows[_delete, "services"].append((service_id,))
            case PutStatistics(counters):
                rows[_upsert, "statistics"].extend(starmap(counter_row, counters.items()))
    for (operation, table), of_table in rows.items():
        if of_table:
            yield from operation(table, of_table)


def _insert(table: str, rows: _Rows) -> Iterator[Statement]:
    yield Statement(_insert_sql(table), _arrays(table, rows))


def _upsert(table: str, rows: _Rows) -> Iterator[Statement]:
    for portion in _without_repetition(rows):
        yield Statement(_upsert_sql(table), _arrays(table, portion))


def _delete(table: str, keys: _Rows) -> Iterator[Statement]:
    yield Statement(_delete_sql(table), _arrays(table, keys))


def _check_link(_table: str, keys: _Rows) -> Iterator[Statement]:
    for (recipient_id,) in keys:
        yield Statement(_MUST_HAVE_LINK, (recipient_id,))


def _without_repetition(rows: _Rows) -> Iterator[_Rows]:
    """Rows in portions in which no key occurs twice, which one statement could not replace."""
    portion: dict[Value, Row] = {}
    for row in rows:
        if row[0] in portion:
            yield list(portion.values())
            portion = {}
        portion[row[0]] = row
    if portion:
        yield list(portion.values())


def _arrays(table: str, rows: _Rows) -> list[Encoded]:
    columns = zip(*rows, strict=True)
    return [
        numbers(values) if is_number(column) else octets(values)
        for column, values in zip(COLUMNS[table], columns, strict=False)
    ]


@cache
def _insert_sql(table: str) -> str:
    """Adds rows; a row with the same unique values is a conflict."""
    columns = COLUMNS[table]
    arrays = ", ".join(
        f"${number}::{'int8' if is_number(column) else 'bytea'}[]"
        for number, column in enumerate(columns, start=1)
    )
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({arrays})"


@cache
def _upsert_sql(table: str) -> str:
    """Adds rows, or replaces the values of rows that have the same first column."""
    key, *others = COLUMNS[table]
    updates = ", ".join(f"{column} = excluded.{column}" for column in others)
    return f"{_insert_sql(table)} ON CONFLICT ({key}) DO UPDATE SET {updates}"


@cache
def _delete_sql(table: str) -> str:
    """Deletes the rows with these values in the first column, as far as there are any."""
    key = COLUMNS[table][0]
    return f"DELETE FROM {table} WHERE {key} = ANY($1::{'int8' if is_number(key) else 'bytea'}[])"


def select(table: str, *, last: str = "checksum") -> str:
    """A query for rows, each after the place of it in the table, up to a column."""
    columns = COLUMNS[table]
    return f"SELECT ctid::text, {', '.join(columns[: columns.index(last) + 1])} FROM {table}"
