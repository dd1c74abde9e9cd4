"""`PostgresReading`: everything in a store in PostgreSQL, piece by piece, in one snapshot."""

# Statements are made of constants here.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Self

import trio

from simplex_trio.errors import (
    DecodeError,
    StoreCorrupted,
    StoreForeign,
)
from simplex_trio.frozen import frozen
from simplex_trio.router.store.interface import (
    Filling,
    PutMessage,
    PutNotification,
    PutService,
    Reading,
)
from simplex_trio.router.store.postgres_schema import COLUMNS, POSTGRES_SCHEMA
from simplex_trio.router.store.reading import read_put_counter, read_put_queue
from simplex_trio.router.store.rows import (
    Columns,
    read_body,
    read_head,
    read_notification,
    read_service,
)
from simplex_trio.storage.postgres.connection import (
    ANSWER_SECONDS,
    COUNTING_SECONDS,
    Rows,
    Snapshot,
    connect,
    run_in_time,
    snapshot,
)
from simplex_trio.storage.postgres.failures import LEASE_TABLE
from simplex_trio.storage.postgres.lease import lock_number, try_lock
from simplex_trio.storage.postgres.parameters import Statement
from simplex_trio.storage.postgres.url import DatabaseURL

__all__ = ["PostgresReading", "open_postgres_reading", "stored_kind"]

_BODY: Final = len(COLUMNS["messages"]) - 2


def _read_message(row: Columns) -> PutMessage:
    return PutMessage(*read_head(row[:_BODY]), read_body((row[0], *row[_BODY:])))


@frozen
class _Part:
    """A table as it is read, with what belongs to its rows."""

    table: str
    read: Callable[[Columns], Filling]
    rows: int
    """How many are read at once: some MiB, if all of them are as large as they may be."""
    more: str = ""

    @property
    def query(self) -> str:
        columns = [f"{self.table}.{column}" for column in COLUMNS[self.table]]
        if "links" in self.more:
            columns += [f"links.{column}" for column in COLUMNS["links"]]
        return f"SELECT {', '.join(columns)} FROM {self.table} {self.more}"


_PARTS: Final = (
    _Part("services", lambda row: PutService(read_service(row)), 1024),
    _Part("queues", read_put_queue, 512, "LEFT JOIN links USING (recipient_id)"),
    _Part("messages", _read_message, 256, "ORDER BY sequence"),
    _Part("notifications", lambda row: PutNotification(read_notification(row)), 1024),
    _Part("statistics", read_put_counter, 1024),
)

_COUNT: Final = f"SELECT {' + '.join(f'(SELECT count(*) FROM {part.table})' for part in _PARTS)}"

_KIND: Final = f"SELECT kind, version FROM {LEASE_TABLE}"
_WRITES: Final = "SELECT NOT current_setting('transaction_read_only')::bool"
_HAS_LEASE: Final = f"SELECT to_regclass('{LEASE_TABLE}') IS NOT NULL"


class PostgresReading(Reading):
    """Reads the tables in a snapshot, whatever is written meanwhile."""

    def __init__(self, found: Snapshot, records: int, *, is_complete: bool) -> None:
        self._found = found
        self._parts = iter(_PARTS)
        self._part: _Part | None = None
        self.records: int | None = records
        self.is_complete: bool = is_complete

    @classmethod
    async def begin(cls, found: Snapshot, *, is_complete: bool) -> Self:
        """A reading of all that is in a snapshot."""
        ((records,),) = await _all(found, _COUNT, COUNTING_SECONDS)
        return cls(found, records, is_complete=is_complete)

    async def portion(self) -> Sequence[Filling]:
        while True:
            if self._part is None:
                self._part = next(self._parts, None)
                if self._part is None:
                    await trio.lowlevel.checkpoint()
                    return ()
                await self._found.open(self._part.query, rows=self._part.rows)
            if rows := await self._found.portion():
                return tuple(_read(self._part, rows))
            self._part = None


def _read(part: _Part, rows: Sequence[Columns]) -> Iterator[Filling]:
    for row in rows:
        try:
            yield part.read(row)
        except (DecodeError, ValueError) as exc:
            place = f", row {row[0]}" if isinstance(row[0], int) else ""
            raise StoreCorrupted(f"table {part.table}{place}") from exc


@asynccontextmanager
async def open_postgres_reading(url: DatabaseURL) -> AsyncIterator[Reading]:
    """Read a store, also while a router uses it; then it is not complete.

    If none uses it, none can open it until this ends.  A server that only reads, as one does that
    follows another, has to be asked for with ``target_session_attrs``; what it has is not complete.
    Raises `StoreForeign` if there is no store, or one of another version of this package, and
    `StoreUnavailable`.
    """
    name = url.schema or POSTGRES_SCHEMA.name
    connection = await connect(url, name="simplex-trio router copy", schema=name)
    try:
        # The lock of a copy that follows another server says nothing about who writes there.
        (((writes,),),) = await run_in_time(connection, [Statement(_WRITES)])
        is_ours = await try_lock(connection, lock_number(name)) and writes
        async with snapshot(connection) as found:
            kind, version = await stored_kind(found)
            if kind != POSTGRES_SCHEMA.kind:
                raise StoreForeign("there is no store of a router in the database")
            if version != len(POSTGRES_SCHEMA.migrations):
                raise StoreForeign("the store is of another version of this package")
            yield await PostgresReading.begin(found, is_complete=is_ours)
    finally:
        with trio.CancelScope(shield=True):
            await connection.close()


async def stored_kind(found: Snapshot) -> tuple[int | None, int]:
    """The kind of a store, and the version of its tables; no kind if there is none."""
    ((has_lease,),) = await _all(found, _HAS_LEASE)
    if not has_lease:
        return None, 0
    rows = await _all(found, _KIND)
    if len(rows) != 1:
        raise StoreCorrupted(f"table {LEASE_TABLE}, which has no row")
    kind, version = rows[0]
    return kind, version


async def _all(found: Snapshot, sql: str, seconds: float = ANSWER_SECONDS) -> Rows:
    rows: Rows = []
    await found.read(sql, rows.extend, seconds=seconds)
    return rows
