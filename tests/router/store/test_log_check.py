"""The log of a crashed store: cut short it is believed, damaged it is not."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from simplex_trio.errors import StoreCorrupted
from simplex_trio.router.store import PutQueue, PutStatistics, open_sqlite_store
from simplex_trio.router.store.log_check import check_log
from tests.router.store.support import contents, copy_store, message, queue

_COMMITS = 12
_HEADER = 32
_FRAME = 24 + 4096


async def _crash(directory: Path) -> tuple[Path, bytes]:
    """A store that was not closed after some commits, and its log."""
    path = directory / "crashed.db"
    async with open_sqlite_store(directory / "open.db") as store:
        await store.commit([PutQueue(queue())])
        for number in range(1, _COMMITS + 1):
            await store.commit([message(number, size=2000), PutStatistics({"last": number})])
        copy_store(directory / "open.db", path)
    log = path.with_name("crashed.db-wal")
    return path, log.read_bytes()


async def _last_commit(path: Path) -> int:
    """Which commit is the last in the store, which must be whole up to it."""
    async with open_sqlite_store(path) as store:
        found = await contents(store)
    last = found.statistics.get("last", 0)
    assert sorted(found.bodies) == list(range(1, last + 1))
    return last


def _with_log(path: Path, log: bytes, name: str) -> Path:
    copy = copy_store(path, path.with_name(name))
    copy.with_name(f"{name}-wal").write_bytes(log)
    return copy


async def test_a_log_is_read_to_its_end(tmp_path: Path) -> None:
    path, log = await _crash(tmp_path)
    assert len(log) > _HEADER + 2 * _COMMITS * _FRAME
    check_log(path.with_name("crashed.db-wal"))
    assert await _last_commit(path) == _COMMITS


def test_no_log_is_a_good_log(tmp_path: Path) -> None:
    check_log(tmp_path / "missing")
    (tmp_path / "empty").touch()
    check_log(tmp_path / "empty")


async def test_a_log_that_was_cut_short(tmp_path: Path) -> None:
    path, log = await _crash(tmp_path)
    chosen = random.Random(1)
    seen = set()
    for number in range(40):
        end = chosen.randrange(_HEADER, len(log))
        seen.add(await _last_commit(_with_log(path, log[:end], f"{number}.db")))
    assert len(seen) > 5


async def test_a_last_commit_that_was_cut_short_in_the_middle(tmp_path: Path) -> None:
    """When power is lost, the frames of one commit may reach the disk in any order."""
    path, log = await _crash(tmp_path)
    damaged = bytearray(log)
    damaged[-2 * _FRAME + 100] ^= 1
    assert await _last_commit(_with_log(path, bytes(damaged), "torn.db")) == _COMMITS - 1


async def test_a_log_that_is_damaged(tmp_path: Path) -> None:
    path, log = await _crash(tmp_path)
    chosen = random.Random(2)
    refused = 0
    for number in range(60):
        damaged = bytearray(log)
        offset = chosen.randrange(len(log))
        damaged[offset] ^= 1 << chosen.randrange(8)
        copy = _with_log(path, bytes(damaged), f"{number}.db")
        try:
            last = await _last_commit(copy)
        except StoreCorrupted:
            refused += 1
            with pytest.raises(StoreCorrupted, match="write-ahead log, "):  # and it stays so
                await _last_commit(copy)
        else:
            assert last >= _COMMITS - 1
    assert refused > 40


async def test_a_log_that_is_damaged_at_its_beginning(tmp_path: Path) -> None:
    path, log = await _crash(tmp_path)
    for offset in (*range(_HEADER), _HEADER + 8, _HEADER + 16, _HEADER + 24):
        damaged = bytearray(log)
        damaged[offset] ^= 0x40
        with pytest.raises(StoreCorrupted, match="write-ahead log"):
            await _last_commit(_with_log(path, bytes(damaged), f"{offset}.db"))


async def test_a_log_that_is_only_half_a_header(tmp_path: Path) -> None:
    path, log = await _crash(tmp_path)
    with pytest.raises(StoreCorrupted, match="header"):
        await _last_commit(_with_log(path, log[:20], "damaged.db"))


async def test_what_an_earlier_use_of_the_log_left_behind(tmp_path: Path) -> None:
    """After a checkpoint the log begins again, and old frames follow the new ones."""
    path = tmp_path / "open.db"
    async with open_sqlite_store(path) as store:
        await store.commit([PutQueue(queue())])
        # SQLite moves the log into the file when it has 1000 pages.
        await store.commit([message(number, size=16_000) for number in range(1, 300)])
        await store.commit([PutStatistics({"last": 299})])
        crashed = copy_store(path, tmp_path / "crashed.db")
    assert len(crashed.with_name("crashed.db-wal").read_bytes()) > 500 * _FRAME
    assert await _last_commit(crashed) == 299
