"""`move_records`: the records of a folder of packets go into a database."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio

from simplex_trio.errors import StoreConflict, StoreUnavailable
from simplex_trio.storage.failures import translated
from simplex_trio.storage.files import sync_folder
from simplex_trio.storage.postgres.url import DatabaseURL
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.router.body_files import BodyFolder
from simplex_trio.xftp.router.records.limits import RecordCounts
from simplex_trio.xftp.router.records.pairing import next_pairing
from simplex_trio.xftp.router.records.postgres import PostgresRecords, open_postgres_records
from simplex_trio.xftp.router.records.tables import RecordTables

__all__ = ["move_records"]

_AT_ONCE: Final = 1000

_PACKETS: Final = """
    SELECT sender_id, sender_key, size, digest, created_hour, has_body, blocked
    FROM packets WHERE sender_id > ? ORDER BY sender_id LIMIT ?
"""

_RECIPIENTS: Final = """
    SELECT recipient_id, sender_id, key
    FROM recipients WHERE recipient_id > ? ORDER BY recipient_id LIMIT ?
"""


async def move_records(
    path: Path,
    url: DatabaseURL,
    random: Callable[[int], bytes],
    *,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> RecordCounts:
    """Move the records in the file at ``path``, beside the packets, into a new database.

    Whatever interrupts this, it can be repeated.  The file stays, under a name that ends in
    ``-moved``.  ``tell`` is called with the number of records that are there, and of all.  Raises
    `StoreError`: `StoreConflict` if the database has records that are in use.
    """
    if not await trio.Path(path).exists():
        raise StoreUnavailable("the folder has no records in a file")
    async with open_postgres_records(url) as target:
        if await target.pairing() is not None:
            raise StoreConflict("the database has the records of a folder already")
        tables = await in_thread(partial(RecordTables, path))
        try:
            await target.clear()
            await _copy(tables, target, tell)
            await target.put_statistics(await in_thread(tables.statistics))
            stored = await target.bytes_stored()
            if (target.counts.packets, target.counts.rows, stored) != (
                tables.counts.packets,
                tables.counts.rows,
                await in_thread(tables.bytes_stored),
            ):
                raise StoreUnavailable("the database has not got all records")
        finally:
            with trio.CancelScope(shield=True):
                await in_thread(tables.close)
        bodies = await in_thread(partial(BodyFolder, path.parent))
        pairing = next_pairing(None, None, random, is_empty=True, accept_loss=False)
        # The folder first: it must not be opened with the file alone any more.
        await in_thread(partial(bodies.put_pairing, pairing))
        await target.put_pairing(pairing)
        await in_thread(partial(_set_aside, path))
        return target.counts


async def _copy(
    tables: RecordTables, target: PostgresRecords, tell: Callable[[int, int], None]
) -> None:
    for query, put in ((_PACKETS, target.put_packets), (_RECIPIENTS, target.put_recipients)):
        last = b""
        while rows := await in_thread(partial(_read, tables.database.connection, query, last)):
            await put(rows)
            last = rows[-1][0]
            tell(target.counts.rows, tables.counts.rows)


def _read(connection: sqlite3.Connection, query: str, after: bytes) -> Sequence[tuple[Any, ...]]:
    with translated("the records"):
        return connection.execute(query, (after, _AT_ONCE)).fetchall()


def _set_aside(path: Path) -> None:
    with translated():
        os.replace(path, path.with_name(f"{path.name}-moved"))
        for each in path.parent.glob(f"{path.name}-mark"):
            each.unlink()
        sync_folder(path.parent)
