"""Rows about what a router for files does with packets, with its records in each kind of database.

Both wait for the disk: PostgreSQL is a server of our own on the same machine, with the settings
that it comes with.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes

import trio

from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.storage.postgres.url import DatabaseURL
from simplex_trio.wire.xftp.commands import PacketInfo
from simplex_trio.wire.xftp.packet_sizes import PACKET_SIZES
from simplex_trio.xftp.router.records.limits import NO_LIMITS
from simplex_trio.xftp.router.storage import Storage, open_storage
from tests.bench.figures import Figures
from tests.bench.rows import Conditions, Rows
from tests.postgres_server import started_server

__all__ = ["ROWS"]

ROWS = Rows("packets", "packets of files in a router's storage")

_TOGETHER = 16
_EACH = 40
_BODY = bytes(PACKET_SIZES[0])
_KEY = Ed25519PrivateKey(bytes(32)).public
_INFO = PacketInfo(_KEY, len(_BODY), sha256(_BODY).digest())


@ROWS.row()
async def packets_sqlite(conditions: Conditions) -> Figures:
    """Packets of 64 KiB: registered, uploaded, found and deleted, 16 at a time, with SQLite."""
    return await _measure(conditions, None)


@ROWS.row(baseline="packets-sqlite")
async def packets_postgresql(conditions: Conditions) -> Figures:
    """The same with PostgreSQL."""
    with started_server() as server:
        return await _measure(conditions, DatabaseURL.parse(server.url))


async def _measure(conditions: Conditions, records: DatabaseURL | None) -> Figures:
    each = conditions.times(_EACH)
    with tempfile.TemporaryDirectory(prefix="bench-packets-") as folder:
        async with open_storage(Path(folder), 10**9, token_bytes, records=records) as storage:
            watch = conditions.stopwatch()
            async with trio.open_nursery() as nursery:
                for _ in range(_TOGETHER):
                    nursery.start_soon(partial(_live, storage, each))
            return watch.of_all(_TOGETHER * each)


async def _live(storage: Storage, packets: int) -> None:
    for _ in range(packets):
        ids = await storage.register(_INFO, [_KEY], 1, NO_LIMITS)
        assert ids is not None
        sender_id, (recipient_id,) = ids
        packet = await storage.find(sender_id, from_sender=True)
        assert packet is not None
        assert await storage.store(packet, _pieces())
        assert await storage.find(recipient_id, from_sender=False) is not None
        assert await storage.delete(sender_id)


async def _pieces() -> AsyncIterator[bytes]:
    yield _BODY
