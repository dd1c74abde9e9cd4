"""A disk without room: commits fail by name, and nothing that was committed is lost."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from simplex_trio.errors import StoreConflict, StoreFull, StoreUnavailable
from simplex_trio.router.store import sqlite
from simplex_trio.router.store.interface import DeleteMessages, DeleteQueue, PutQueue, PutStatistics
from simplex_trio.router.store.room import ROOM_KEPT
from simplex_trio.router.store.schema import SCHEMA
from simplex_trio.router.store.sqlite import open_sqlite_store
from simplex_trio.router.store.tables import Tables
from simplex_trio.storage.database import Database
from simplex_trio.storage.schema import Schema
from tests.router.store.support import LINK_DATA, body, contents, full_queue, message, queue


class _SmallDisk:
    """Makes every database that is opened too small for more than a few pages."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._connections: list[sqlite3.Connection] = []

        def opened(path: Path, schema: Schema, *, accept_loss: bool = False) -> Database:
            database = Database(path, schema, accept_loss=accept_loss)
            self._connections.append(database.connection)
            return database

        self.open = opened
        monkeypatch.setattr(sqlite, "Database", opened)

    def pages_left(self, pages: int) -> None:
        connection = self._connections[-1]
        (used,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {used + pages}")


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch) -> _SmallDisk:
    return _SmallDisk(monkeypatch)


async def test_a_full_disk_is_an_error_that_passes(tmp_path: Path, small_disk: _SmallDisk) -> None:
    async with open_sqlite_store(tmp_path / "router.db") as store:
        await store.commit([PutQueue(queue()), message(1)])
        before = await contents(store)
        small_disk.pages_left(2)
        for _ in range(3):
            with pytest.raises(StoreFull) as caught:
                await store.commit([DeleteMessages((1,)), message(2, size=16_000)])
            assert caught.value.retryable
            assert isinstance(caught.value, StoreUnavailable)
            assert await contents(store) == before
        await store.commit([message(3)])
        small_disk.pages_left(10)
        await store.commit([DeleteMessages((1,)), message(2, size=16_000)])
    async with open_sqlite_store(tmp_path / "router.db") as store:
        assert (await contents(store)).bodies == {2: body(2, 16_000), 3: body(3)}


async def test_only_what_does_not_fit_is_refused(tmp_path: Path, small_disk: _SmallDisk) -> None:
    outcomes: dict[int, bool] = {}

    async def put(number: int, size: int) -> None:
        try:
            await store.commit([message(number, size=size)])
        except StoreFull:
            outcomes[number] = False
        else:
            outcomes[number] = True

    async with open_sqlite_store(tmp_path / "router.db") as store:
        await store.commit([PutQueue(queue())])
        small_disk.pages_left(2)
        async with trio.open_nursery() as nursery:
            for number in range(1, 9):
                nursery.start_soon(put, number, 10 if number % 2 else 16_000)
        assert {number for number, fits in outcomes.items() if fits} == {1, 3, 5, 7}
        assert set(await store.bodies(range(9))) == {1, 3, 5, 7}


def test_each_commit_fails_for_its_own_reason(tmp_path: Path, small_disk: _SmallDisk) -> None:
    database = small_disk.open(tmp_path / "router.db", SCHEMA)
    tables = Tables(database)
    tables.write((PutQueue(queue()),))
    tables.write((message(1),))
    small_disk.pages_left(0)
    with pytest.raises(StoreFull):
        tables.write((message(2, size=16_000),))
    tables.write((DeleteMessages((1,)),))
    with pytest.raises(StoreConflict):
        tables.write((message(1, "x"),))
    assert tables.bodies([1, 2]) == {}
    database.close()


def _leave(patch: pytest.MonkeyPatch, free: int) -> None:
    usage = shutil.disk_usage(Path())._replace(free=free)
    patch.setattr(shutil, "disk_usage", lambda _: usage)


async def test_the_last_room_is_kept_for_deleting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_sqlite_store(tmp_path / "router.db") as store:
        await store.commit([PutQueue(queue("a")), PutQueue(queue("b")), message(1), message(2)])
        before = await contents(store)
        with monkeypatch.context() as patch:
            _leave(patch, ROOM_KEPT - 1)
            with pytest.raises(StoreFull):
                await store.commit([DeleteMessages((1,)), message(3)])
            with pytest.raises(StoreFull):
                await store.commit([PutQueue(full_queue("b"), LINK_DATA)])
            assert await contents(store) == before
            await store.commit([DeleteMessages((1,)), PutQueue(queue("a", updated_day=5))])
            await store.commit([DeleteQueue(queue("b").recipient_id), PutStatistics({"sent": 1})])
        await store.commit([message(3)])
        assert set((await contents(store)).bodies) == {2, 3}


async def test_room_in_the_file_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = tuple(range(1, 101))
    async with open_sqlite_store(tmp_path / "router.db") as store:
        await store.commit([PutQueue(queue()), *(message(n, size=16_000) for n in numbers)])
        _leave(monkeypatch, ROOM_KEPT - 1_000_000)
        with pytest.raises(StoreFull):
            await store.commit([message(101)])
        await store.commit([DeleteMessages(numbers)])
        await store.commit([message(101)])


async def test_a_file_that_is_not_where_it_was(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "router.db", tmp_path / "elsewhere.db"
    async with open_sqlite_store(path) as store:
        await store.commit([PutQueue(queue())])
        path.rename(elsewhere)
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="has been removed"):
                await store.commit([message(1)])
        elsewhere.rename(path)
        await store.commit([message(1)])
    async with open_sqlite_store(path) as store:
        assert (await contents(store)).bodies == {1: body(1)}


@pytest.mark.parametrize("room", [100_000, 333_333, 4_600_000])
async def test_files_that_may_not_grow(tmp_path: Path, room: int) -> None:
    """The smaller limits stop the log, the largest one stops the file itself too."""
    path = tmp_path / "router.db"
    command = [sys.executable, "-m", "tests.router.store.full_disk", str(path), str(room)]
    finished = await trio.run_process(command, capture_stdout=True, stderr=subprocess.STDOUT)
    lines = [line.split() for line in finished.stdout.decode().splitlines()]
    put = {int(number) for what, number in lines if what == "put"}
    refused = {int(number) for what, number in lines if what == "refused"}
    deleted = {int(number) for what, number in lines if what == "deleted"}
    assert len(put) > 2
    assert len(refused) > 5
    assert deleted == {1}
    async with open_sqlite_store(path) as store:
        found = await contents(store)
    assert found.bodies == {number: body(number, 16_000) for number in put - deleted}
