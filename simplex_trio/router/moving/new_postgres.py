"""`new_postgres_store`: a store in PostgreSQL that is filled before a router opens it.

Until it is whole its tables are marked as those of another kind of store, which a router refuses to
open.  What a copy has left that was killed is so known, and the next copy begins anew there.
"""

# Statements are made of constants here.
# ruff: noqa: S608

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import trio
from attrs import evolve

from simplex_trio.errors import StoreError, StoreUnavailable
from simplex_trio.router.moving.copying import Destination
from simplex_trio.router.store.interface import Filling, Reading
from simplex_trio.router.store.postgres_reading import PostgresReading, stored_kind
from simplex_trio.router.store.postgres_schema import COLUMNS, POSTGRES_SCHEMA
from simplex_trio.router.store.postgres_statements import statements
from simplex_trio.storage.postgres.connection import connect, snapshot
from simplex_trio.storage.postgres.database import PostgresDatabase, open_postgres_database
from simplex_trio.storage.postgres.failures import LEASE_TABLE
from simplex_trio.storage.postgres.parameters import Statement
from simplex_trio.storage.postgres.url import DatabaseURL

__all__ = ["new_postgres_store"]

_log = logging.getLogger(__name__)

_NAME: Final = "simplex-trio router copy"

_UNFINISHED: Final = evolve(POSTGRES_SCHEMA, kind=0x534D5046)  # "SMPF"

_TABLES: Final = ", ".join(COLUMNS)
_EMPTY: Final = Statement(f"TRUNCATE {_TABLES}")
_DROP: Final = (
    Statement(f"DROP TABLE {_TABLES}, {LEASE_TABLE}"),
    Statement("DROP FUNCTION link_goes(), notifier_goes()"),
)
_FINISH: Final = Statement(f"UPDATE {LEASE_TABLE} SET kind = $1", (POSTGRES_SCHEMA.kind,))


@asynccontextmanager
async def new_postgres_store(url: DatabaseURL) -> AsyncIterator[Destination]:
    """An empty store, which a router can open when it is kept; otherwise it is removed.

    Raises `StoreUnavailable` if there is a store already, and what `open_postgres_database` raises.
    """
    await _check_no_store(url)
    async with open_postgres_database(url, _UNFINISHED, name=_NAME) as database:
        await database.commit([_EMPTY])
        store = _NewStore(database)
        try:
            yield store
        finally:
            if not store.is_kept:
                with trio.CancelScope(shield=True):
                    await _remove(database)


async def _remove(database: PostgresDatabase) -> None:
    try:
        await database.commit(_DROP)
    except StoreError as exc:  # what is left is no store, and the next copy begins with it
        _log.warning("the unfinished copy stays in the database: %s", exc)


async def _check_no_store(url: DatabaseURL) -> None:
    connection = await connect(url, name=_NAME, schema=POSTGRES_SCHEMA.name)
    try:
        async with snapshot(connection) as found:
            kind, _ = await stored_kind(found)
            if kind == POSTGRES_SCHEMA.kind:
                raise StoreUnavailable(
                    "there is a store in the database already, and it stays as it is"
                ) from FileExistsError()
    finally:
        with trio.CancelScope(shield=True):
            await connection.close()


class _NewStore(Destination):
    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self.is_kept = False

    async def write(self, changes: Sequence[Filling]) -> None:
        await self._database.commit(statements(changes))

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Reading]:
        async with self._database.snapshot() as found:
            yield await PostgresReading.begin(found, is_complete=True)

    async def keep(self) -> None:
        await self._database.commit([_FINISH])
        self.is_kept = True
