"""`open_postgres_store`: a router's store in a database of PostgreSQL."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from simplex_trio.errors import DecodeError, StoreCorrupted
from simplex_trio.router.store.interface import Change, Snapshot, Store
from simplex_trio.router.store.postgres_schema import POSTGRES_SCHEMA
from simplex_trio.router.store.postgres_statements import select, statements
from simplex_trio.router.store.records import MessageHead
from simplex_trio.router.store.rows import (
    Columns,
    read_body,
    read_counter,
    read_head,
    read_link,
    read_notification,
    read_queue,
    read_service,
)
from simplex_trio.storage.postgres import connection as reading
from simplex_trio.storage.postgres.database import PostgresDatabase, open_postgres_database
from simplex_trio.storage.postgres.parameters import Statement, numbers
from simplex_trio.storage.postgres.url import DatabaseURL
from simplex_trio.wire.smp.links import QueueLinkData

__all__ = ["PostgresStore", "open_postgres_store"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

_BODIES = "SELECT sequence, body, body_checksum FROM messages WHERE sequence = ANY($1)"
_IN_ORDER = " ORDER BY sequence"
_LINK = f"{select('links')} WHERE recipient_id = $1"


@asynccontextmanager
async def open_postgres_store(
    url: str | DatabaseURL, *, standby: bool = False
) -> AsyncIterator[PostgresStore]:
    """Open the store in a database, made if it is missing, and close it at the end.

    See `DatabaseURL` for the ``url``.  With ``standby`` this waits, and says so in the log, while
    another process has the store open or the database cannot be reached.  Raises

    - `StoreLocked` while another process has the store open, with what that is;
    - `StoreCorrupted` if the tables are not those of a store;
    - `StoreForeign` if the schema of the database has something else in it, or was made by a later
      version of this package;
    - `StoreUnavailable` if the database cannot be reached, or refuses;
    - `PostgresSupportMissing` without the extra ``postgres``.

    If another process takes the store over, or the database does not answer for so long that one
    may have, the block is cancelled, and this raises `StoreLost`: what the program knows may not be
    what is stored.
    """
    parsed = DatabaseURL.parse(url) if isinstance(url, str) else url
    async with open_postgres_database(
        parsed,
        POSTGRES_SCHEMA,
        name="simplex-trio router",
        standby=standby,
        standing_by=lambda reason: _log.info("standing by: %s", reason),
    ) as database:
        store = PostgresStore(database)
        try:
            yield store
        finally:
            await store.aclose()


class PostgresStore(Store):
    """A store in PostgreSQL; see `Store` for the contract.

    A lost connection is made again.  Calls wait for it for up to
    `simplex_trio.storage.postgres.database.PATIENCE_SECONDS`, and then raise `StoreUnavailable`.
    """

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    @property
    def is_connected(self) -> bool:
        """Whether the database can be reached, as far as is known."""
        return self._database.is_connected

    async def load(self) -> Snapshot:
        async with self._database.snapshot() as found:
            messages: dict[bytes, list[MessageHead]] = {}
            for recipient_id, head in await _records(found, "messages", read_head, _IN_ORDER):
                messages.setdefault(recipient_id, []).append(head)
            return Snapshot(
                await _records(found, "queues", read_queue),
                messages,
                await _records(found, "services", read_service),
                await _records(found, "notifications", read_notification, _IN_ORDER),
                dict(await _records(found, "statistics", read_counter)),
            )

    async def commit(self, changes: Iterable[Change]) -> None:
        await self._database.commit(statements(changes))

    async def bodies(self, sequences: Sequence[int]) -> dict[int, bytes]:
        rows = await self._database.fetch(Statement(_BODIES, (numbers(sequences),)))
        return {row[0]: _read("messages", row[0], row, read_body) for row in rows}

    async def link_data(self, recipient_id: bytes) -> QueueLinkData | None:
        rows = await self._database.fetch(Statement(_LINK, (recipient_id,)))
        for place, *row in rows:
            return _read("links", place, row, read_link)
        return None

    async def aclose(self) -> None:
        await self._database.aclose()


async def _records(
    found: reading.Snapshot, table: str, read: Callable[[Columns], T], order: str = ""
) -> list[T]:
    records: list[T] = []

    def take(rows: reading.Rows) -> None:
        records.extend(_read(table, place, row, read) for place, *row in rows)

    await found.read(select(table) + order, take)
    return records


def _read(table: str, place: Any, row: Columns, read: Callable[[Columns], T]) -> T:
    try:
        return read(row)
    except DecodeError as exc:
        raise StoreCorrupted(f"table {table}, row {place}") from exc
