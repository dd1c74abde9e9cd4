"""Rows about the three stores of a router, side by side: in memory, in SQLite, in PostgreSQL.

PostgreSQL is a server of our own on the same machine, reached through a socket, with the settings
that it comes with: as with SQLite, commits wait for the disk.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count as numbers_from
from pathlib import Path
from time import perf_counter

from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.router.store.interface import DeleteMessages, PutMessage, PutQueue, Store
from simplex_trio.router.store.memory import MemoryStore
from simplex_trio.router.store.postgres import open_postgres_store
from simplex_trio.router.store.records import MessageHead, QueueRecord
from simplex_trio.router.store.sqlite import open_sqlite_store
from simplex_trio.wire.queue_mode import QueueMode
from tests.bench.figures import Figures
from tests.bench.rows import Conditions, Rows
from tests.bench.stopwatch import Stopwatch
from tests.postgres_server import started_server

__all__ = ["ROWS"]

ROWS = Rows("stores", "stores of the router")

_QUEUES = 100

Opener = Callable[[], AbstractAsyncContextManager[Store]]


@asynccontextmanager
async def _memory() -> AsyncIterator[Store]:
    yield MemoryStore()


@asynccontextmanager
async def _sqlite() -> AsyncIterator[Store]:
    with tempfile.TemporaryDirectory() as folder:
        async with open_sqlite_store(Path(folder, "router.sqlite")) as store:
            yield store


@asynccontextmanager
async def _postgres() -> AsyncIterator[Store]:
    with started_server() as server:
        async with open_postgres_store(server.url) as store:
            yield store


def _queues(count: int) -> list[PutQueue]:
    key = Ed25519PrivateKey.generate().public
    return [
        PutQueue(
            QueueRecord(
                recipient_id=secrets.token_bytes(24),
                sender_id=secrets.token_bytes(24),
                recipient_keys=(key,),
                dh_secret=secrets.token_bytes(32),
                created_day=20_000,
                updated_day=20_000,
                mode=QueueMode.MESSAGING,
            )
        )
        for _ in range(count)
    ]


async def _put(opener: Opener, size: int, commits: int, together: int) -> Figures:
    """Messages that are put and deleted in turns: so many in each commit."""
    async with opener() as store:
        queues = _queues(_QUEUES)
        await store.commit(queues)
        sequences = numbers_from(1)
        heads = [
            [
                MessageHead(next(sequences), secrets.token_bytes(24), 1_700_000_000)
                for _ in range(together)
            ]
            for _ in range(commits)
        ]
        body = secrets.token_bytes(size)
        changes = [
            [
                PutMessage(queues[head.sequence % _QUEUES].record.recipient_id, head, body)
                for head in some
            ]
            for some in heads
        ]
        clock, seconds = Stopwatch(), []
        for some in changes:
            start = perf_counter()
            await store.commit(some)
            seconds.append(perf_counter() - start)
        figures = clock.of_all(commits * together) if together > 1 else clock.of_each(seconds)
        await store.commit([DeleteMessages(tuple(head.sequence for head in heads[0]))])
        return figures


async def _load(opener: Opener, count: int) -> Figures:
    async with opener() as store:
        for _ in range(0, count, 5000):
            await store.commit(_queues(min(count, 5000)))
        clock = Stopwatch()
        loaded = await store.load()
        return clock.of_all(len(loaded.queues))


@ROWS.row()
async def commit_in_memory(conditions: Conditions) -> Figures:
    """Commits of one message of 100 bytes, one after the other."""
    return await _put(_memory, 100, conditions.times(500), 1)


@ROWS.row(baseline="commit-in-memory")
async def commit_in_sqlite(conditions: Conditions) -> Figures:
    """The same in SQLite."""
    return await _put(_sqlite, 100, conditions.times(500), 1)


@ROWS.row(baseline="commit-in-sqlite")
async def commit_in_postgresql(conditions: Conditions) -> Figures:
    """The same in PostgreSQL."""
    return await _put(_postgres, 100, conditions.times(500), 1)


@ROWS.row()
async def messages_in_memory(conditions: Conditions) -> Figures:
    """Messages of 100 bytes, 500 in each commit: messages per second."""
    return await _put(_memory, 100, conditions.times(40), 500)


@ROWS.row(baseline="messages-in-memory")
async def messages_in_sqlite(conditions: Conditions) -> Figures:
    """The same in SQLite."""
    return await _put(_sqlite, 100, conditions.times(40), 500)


@ROWS.row(baseline="messages-in-sqlite")
async def messages_in_postgresql(conditions: Conditions) -> Figures:
    """The same in PostgreSQL."""
    return await _put(_postgres, 100, conditions.times(40), 500)


@ROWS.row()
async def large_messages_in_memory(conditions: Conditions) -> Figures:
    """Messages of 16 kB, 100 in each commit: messages per second."""
    return await _put(_memory, 16_000, conditions.times(20), 100)


@ROWS.row(baseline="large-messages-in-memory")
async def large_messages_in_sqlite(conditions: Conditions) -> Figures:
    """The same in SQLite."""
    return await _put(_sqlite, 16_000, conditions.times(20), 100)


@ROWS.row(baseline="large-messages-in-sqlite")
async def large_messages_in_postgresql(conditions: Conditions) -> Figures:
    """The same in PostgreSQL."""
    return await _put(_postgres, 16_000, conditions.times(20), 100)


@ROWS.row()
async def load_from_memory(conditions: Conditions) -> Figures:
    """Reading 100,000 queues: queues per second."""
    return await _load(_memory, conditions.times(100_000))


@ROWS.row(baseline="load-from-memory")
async def load_from_sqlite(conditions: Conditions) -> Figures:
    """The same from SQLite."""
    return await _load(_sqlite, conditions.times(100_000))


@ROWS.row(baseline="load-from-sqlite")
async def load_from_postgresql(conditions: Conditions) -> Figures:
    """The same from PostgreSQL."""
    return await _load(_postgres, conditions.times(100_000))
