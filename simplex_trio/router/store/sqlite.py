"""`open_sqlite_store`: a router's store that survives restarts, in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from os import PathLike
from pathlib import Path

import trio

from simplex_trio.router.store.interface import Change, Filling, Reading, Snapshot, Store
from simplex_trio.router.store.reading import TableReader
from simplex_trio.router.store.schema import SCHEMA
from simplex_trio.router.store.tables import Tables
from simplex_trio.storage.database import Database
from simplex_trio.storage.drivers import PLAIN
from simplex_trio.storage.failures import translated
from simplex_trio.storage.standby import opened_when_free
from simplex_trio.wire.smp.links import QueueLinkData

__all__ = ["SQLiteStore", "open_sqlite_store", "read_backup"]


@asynccontextmanager
async def open_sqlite_store(
    path: str | PathLike[str], *, accept_loss: bool = False, standby: bool = False
) -> AsyncIterator[SQLiteStore]:
    """Open the store in the file at ``path``, made if it is missing, and close it at the end.

    The whole file is checked first, which takes time in proportion to its size.  With ``standby``
    this waits, and says so in the log, while another process has the file open.  Raises

    - `StoreLocked` while another process has the file open, with what that is if it can be told;
    - `StoreCorrupted` if anything is damaged: nothing is repaired, and nothing skipped;
    - `StoreIncomplete`, which is one of these, if the last commits are missing.  ``accept_loss``
      gives them up, says so in the log of the program, and opens the store with what is left;
    - `StoreForeign` if the file is something else, or of a later version of this package;
    - `StoreUnavailable` if it cannot be read or written.

    Cancelling takes effect when opening is over, or while this waits.
    """
    opening = partial(SQLiteStore.open, Path(path), accept_loss=accept_loss)
    store = await (opened_when_free(opening) if standby else opening())
    try:
        yield store
    finally:
        await store.aclose()


@asynccontextmanager
async def read_backup(path: Path) -> AsyncIterator[Reading]:
    """Read a file that `SQLiteStore.back_up` has made, and leave it as it is.

    Raises `StoreCorrupted`, `StoreForeign` or `StoreUnavailable`.
    """
    connection = await trio.to_thread.run_sync(_connect_backup, path)
    try:
        reader = TableReader(connection)
        yield _BackupReading(reader, await trio.to_thread.run_sync(reader.count))
    finally:
        connection.close()


def _connect_backup(path: Path) -> sqlite3.Connection:
    with translated("the copy"):
        connection = PLAIN.connect(path, immutable=True)
        try:
            connection.text_factory = bytes
            SCHEMA.check_version(connection)
            SCHEMA.check_tables(connection)
            SCHEMA.check_contents(connection)
        except BaseException:
            connection.close()
            raise
    return connection


class _BackupReading(Reading):
    is_complete = False  # the store is used, and what came later is not in the copy

    def __init__(self, reader: TableReader, records: int) -> None:
        self._reader = reader
        self.records: int | None = records

    async def portion(self) -> Sequence[Filling]:
        return await trio.to_thread.run_sync(self._reader.portion)


class SQLiteStore(Store):
    """A store in an SQLite file with a write-ahead log; see `Store` for the contract."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tables = Tables(database)
        self.path: Path = database.path

    @classmethod
    async def open(cls, path: Path, *, accept_loss: bool = False) -> SQLiteStore:
        """Open the file as `open_sqlite_store` says; the caller has to close the store."""
        opening = partial(Database, path, SCHEMA, accept_loss=accept_loss)
        return cls(await trio.to_thread.run_sync(opening))

    async def load(self) -> Snapshot:
        return await self._database.run(self._tables.load)

    async def commit(self, changes: Iterable[Change]) -> None:
        taken = tuple(changes)
        await trio.lowlevel.checkpoint_if_cancelled()
        # Later commits may build on this one, so it is not cancelled.
        with trio.CancelScope(shield=True):
            await self._database.run(partial(self._tables.write, taken))

    async def bodies(self, sequences: Sequence[int]) -> dict[int, bytes]:
        return await self._database.run(partial(self._tables.bodies, sequences))

    async def link_data(self, recipient_id: bytes) -> QueueLinkData | None:
        return await self._database.run(partial(self._tables.link_data, recipient_id))

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Reading]:
        """Read everything that is there; nothing may be committed meanwhile."""
        reader = TableReader(self._database.connection)
        records = await self._database.run(reader.count)
        yield _SQLiteReading(self._database, reader, records)

    async def back_up(self, path: Path) -> None:
        """Make a copy of the file as `simplex_trio.storage.database.Database.back_up` says."""
        await self._database.back_up(path)

    async def aclose(self) -> None:
        await self._database.aclose()


class _SQLiteReading(Reading):
    def __init__(self, database: Database, reader: TableReader, records: int) -> None:
        self._database = database
        self._reader = reader
        self.records: int | None = records
        self.is_complete: bool = not database.is_incomplete

    async def portion(self) -> Sequence[Filling]:
        return await self._database.run(self._reader.portion)
