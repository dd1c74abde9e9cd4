"""Stores that earlier versions of this package have written are opened by this one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from simplex_trio.errors import StoreForeign
from simplex_trio.router.store.interface import (
    Change,
    PutMessage,
    PutNotification,
    PutQueue,
    PutService,
    PutStatistics,
)
from simplex_trio.router.store.memory import MemoryStore
from simplex_trio.router.store.records import Suspended
from simplex_trio.router.store.schema import SCHEMA
from simplex_trio.router.store.sqlite import open_sqlite_store
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.new_queue import QueueMode
from tests.router.store.support import (
    LINK_DATA,
    contents,
    full_queue,
    head,
    message,
    notification,
    notifier,
    queue,
    service,
)
from tests.vectors import store_files

FILES = store_files("router")

WRITTEN: tuple[Change, ...] = (
    PutService(service("a")),
    PutService(service("b", role=ServiceRole.NOTIFIER)),
    PutQueue(full_queue("a"), LINK_DATA),
    PutQueue(queue("b", mode=QueueMode.MESSAGING)),
    PutQueue(queue("c", status=Suspended(1_700_000_000), notifier=notifier("c"))),
    message(3, "a"),
    message(7, "a"),
    PutMessage(queue("a").recipient_id, head(9, is_quota_notice=True), b""),
    PutNotification(notification(2, "c")),
    PutStatistics({"sent": 17}),
)
"""What is in each of the files."""


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def test_there_is_a_file_of_each_version() -> None:
    assert list(FILES) == list(range(1, len(SCHEMA.migrations) + 1))


@pytest.mark.parametrize("version", FILES)
async def test_it_is_opened_with_all_that_is_in_it(tmp_path: Path, version: int) -> None:
    path = tmp_path / "router.sqlite"
    path.write_bytes(FILES[version])
    assert version_of(path) == version
    expected = MemoryStore()
    await expected.commit(WRITTEN)
    async with open_sqlite_store(path) as store:
        assert await contents(store) == await contents(expected)
        await store.commit([PutQueue(queue("d")), message(10, "d")])
    async with open_sqlite_store(path) as store:
        assert len((await contents(store)).bodies) == 4
    assert version_of(path) == len(SCHEMA.migrations)


async def test_a_file_of_a_later_version_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "router.sqlite"
    async with open_sqlite_store(path) as store:
        await store.commit(WRITTEN)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA user_version = {len(SCHEMA.migrations) + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreForeign, match="later version"):
        async with open_sqlite_store(path):
            pytest.fail("this version does not know what is in it")
    assert path.read_bytes() == before
