"""The store's file: how it comes to be, who may read it, who may open it."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
import trio

from simplex_trio.errors import StoreForeign, StoreLocked, StoreUnavailable
from simplex_trio.router.store.interface import PutQueue, PutStatistics
from simplex_trio.router.store.sqlite import open_sqlite_store
from tests.router.store.support import cancelled_at, contents, message, queue


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


async def test_only_the_owner_may_read(tmp_path: Path) -> None:
    path, log, mark = (tmp_path / f"router.db{part}" for part in ("", "-wal", "-mark"))
    umask = os.umask(0)
    try:
        async with open_sqlite_store(path) as store:
            await store.commit([PutQueue(queue())])
            assert _names(tmp_path) == ["router.db", "router.db-mark", "router.db-wal"]
            assert _mode(path) == _mode(log) == _mode(mark) == 0o600
        path.chmod(0o666)
        async with open_sqlite_store(path) as store:
            await store.commit([message(1)])
            assert _mode(path) == _mode(log) == 0o600
    finally:
        os.umask(umask)
    assert _names(tmp_path) == ["router.db", "router.db-mark"]


async def test_a_path_may_be_text_or_lead_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "router.db")
    async with open_sqlite_store(str(tmp_path / "link.db")) as store:
        await store.commit([PutQueue(queue())])
    async with open_sqlite_store(tmp_path / "router.db") as store:
        assert (await store.load()).queues == [queue()]


async def test_an_open_store_cannot_be_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "router.db"
    async with open_sqlite_store(path) as store:
        with pytest.raises(StoreLocked) as caught:
            async with open_sqlite_store(path):
                pytest.fail("two stores in one file")
        assert caught.value.retryable
        if sys.platform == "linux":
            assert f"process {os.getpid()} has" in str(caught.value)
        await store.commit([PutQueue(queue())])
    async with open_sqlite_store(path) as store:
        assert (await store.load()).queues == [queue()]


_OPEN_ELSEWHERE = """
import sys, trio
from simplex_trio.errors import StoreForeign, StoreLocked
from simplex_trio.router import open_sqlite_store
async def main():
    try:
        async with open_sqlite_store(sys.argv[1]):
            print("open")
    except StoreLocked:
        print("locked")
trio.run(main)
"""


async def test_no_other_process_opens_an_open_store(tmp_path: Path) -> None:
    path = tmp_path / "router.db"

    async def elsewhere() -> bytes:
        command = [sys.executable, "-c", _OPEN_ELSEWHERE, str(path)]
        return (await trio.run_process(command, capture_stdout=True)).stdout.strip()

    async with open_sqlite_store(path):
        assert await elsewhere() == b"locked"
    assert await elsewhere() == b"open"


async def test_two_that_make_the_same_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "router.db"
    async with open_sqlite_store(path) as store:
        await store.commit([PutQueue(queue())])
        with monkeypatch.context() as patch:
            # As if the first had not been there a moment ago.
            patch.setattr(Path, "exists", lambda _: False)
            with pytest.raises(StoreLocked):
                async with open_sqlite_store(path):
                    pytest.fail("two stores in one file")
    async with open_sqlite_store(path) as store:
        assert (await store.load()).queues == [queue()]
    assert _names(tmp_path) == ["router.db", "router.db-mark"]


async def test_a_store_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("not here")

    for name in ("link", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            with pytest.raises(StoreUnavailable) as caught:
                async with open_sqlite_store(tmp_path / "router.db"):
                    pytest.fail("a store that is not there")
            assert isinstance(caught.value.__cause__, OSError)
    with pytest.raises(StoreUnavailable):
        async with open_sqlite_store(tmp_path / "missing" / "router.db"):
            pytest.fail("a store that is not there")
    with pytest.raises(StoreForeign):
        async with open_sqlite_store(tmp_path):
            pytest.fail("a store that is a directory")


async def test_a_cancelled_opening_leaves_nothing_open(tmp_path: Path) -> None:
    outcomes = set()
    for step in range(16):
        with cancelled_at(step) as scope:
            async with open_sqlite_store(tmp_path / "router.db") as store:
                await store.commit([PutStatistics({"last": step})])
        outcomes.add(scope.cancelled_caught)
        async with open_sqlite_store(tmp_path / "router.db") as store:
            await store.commit([PutStatistics({"after": step})])
    assert outcomes == {True, False}


async def test_closing_writes_what_was_waiting(tmp_path: Path) -> None:
    async with open_sqlite_store(tmp_path / "router.db") as store:
        await store.commit([PutQueue(queue())])
        async with trio.open_nursery() as nursery:
            for number in range(1, 31):
                nursery.start_soon(store.commit, [message(number)])
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            await store.aclose()
    async with open_sqlite_store(tmp_path / "router.db") as store:
        assert len((await contents(store)).bodies) == 30
