"""The file of a store: who may read and open it, and what happens when it fails."""

from __future__ import annotations

import os
import random
import stat
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trio

from simplex_trio.duplex.machine.connection import Connection
from simplex_trio.duplex.store import store as store_module
from simplex_trio.duplex.store.rows import SQLiteRows
from simplex_trio.duplex.store.store import DuplexStore, open_duplex_store
from simplex_trio.errors import (
    StoreCorrupted,
    StoreForeign,
    StoreFull,
    StoreIncomplete,
    StoreKeyWrong,
    StoreLocked,
    StoreUnavailable,
)
from simplex_trio.storage.database import Database
from tests.duplex.store.test_store import add, has, names

_PAGE = 4096


async def fill(path: Path, count: int = 40) -> None:
    async with open_duplex_store(path) as store:
        for number in range(count):
            await store.transact(partial(add, f"connection {number}"), durable=False)


def read_all(rows: SQLiteRows) -> list[str]:
    found = [connection.connection_id for connection in rows.find(Connection)]
    assert len(rows.events_after(0, 1000)) == len(found)
    return found


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- who may ------------------------------------------------------------------------------------


async def test_only_the_owner_may_read(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    umask = os.umask(0)
    try:
        for _ in range(2):
            async with open_duplex_store(path) as store:
                await store.transact(partial(add, f"{_}"))
                found = os.listdir(tmp_path)
                assert sorted(found) == ["agent.db", "agent.db-mark", "agent.db-wal"]
                assert {mode_of(tmp_path / name) for name in found} == {0o600}
            path.chmod(0o644)
    finally:
        os.umask(umask)


_OPEN_ELSEWHERE = """
import sys, trio
from pathlib import Path
from simplex_trio.duplex.store.store import open_duplex_store
from simplex_trio.errors import StoreLocked
async def main():
    try:
        async with open_duplex_store(Path(sys.argv[1])):
            print("open")
    except StoreLocked:
        print("locked")
trio.run(main)
"""


async def test_no_second_program_opens_it(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"

    async def elsewhere() -> bytes:
        command = [sys.executable, "-c", _OPEN_ELSEWHERE, str(path)]
        return (await trio.run_process(command, capture_stdout=True)).stdout.strip()

    async with open_duplex_store(path) as store:
        await store.transact(partial(add, "a"))
        assert await elsewhere() == b"locked"
        with pytest.raises(StoreLocked):
            async with open_duplex_store(path):
                pytest.fail("two stores in one file")
        await store.transact(partial(add, "b"))
    assert await elsewhere() == b"open"


async def test_an_opening_that_is_cancelled_leaves_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    for _ in range(2):
        with trio.CancelScope() as scope:
            scope.cancel()
            async with open_duplex_store(path) as store:
                await store.transact(names)
        assert scope.cancelled_caught
        async with open_duplex_store(path) as store:
            await store.transact(names)


# --- what fails ---------------------------------------------------------------------------------


async def test_damage_is_refused_or_without_effect(tmp_path: Path) -> None:
    await fill(tmp_path / "whole.db")
    whole = (tmp_path / "whole.db").read_bytes()
    chosen = random.Random(1)
    refused = 0
    for start in range(0, len(whole), _PAGE):
        path = tmp_path / f"{start}.db"
        path.write_bytes(whole[:start] + chosen.randbytes(_PAGE) + whole[start + _PAGE :])
        try:
            async with open_duplex_store(path) as store:
                found = await store.transact(read_all)
        except (StoreCorrupted, StoreForeign, StoreKeyWrong):
            refused += 1
        else:
            assert len(found) == 40
    assert refused > 10


async def test_damage_while_it_is_open(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    body = bytes(8000)
    async with open_duplex_store(path) as store:
        await store.transact(lambda rows: [rows.add_body(body) for _ in range(500)])
    async with open_duplex_store(path) as store:
        noise = random.Random(1).randbytes(_PAGE)
        with path.open("r+b") as file:
            for start in range(_PAGE, path.stat().st_size, _PAGE):
                file.seek(start)
                file.write(noise)
        for durable in (True, False):
            with pytest.raises(StoreCorrupted):
                await store.transact(
                    lambda rows: [rows.body(n) for n in range(1, 501)], durable=durable
                )


class SmallDisk:
    """Makes every database that is opened too small for more than a few pages."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._databases: list[Database] = []

        def opened(*arguments: object, **options: object) -> Database:
            self._databases.append(Database(*arguments, **options))  # type: ignore[arg-type]
            return self._databases[-1]

        monkeypatch.setattr(store_module, "Database", opened)

    def pages_left(self, pages: int) -> None:
        connection = self._databases[-1].connection
        (used,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {used + pages}")


async def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is refused alone, and everything goes on."""
    disk = SmallDisk(monkeypatch)
    outcomes: dict[int, bool] = {}
    fits = {10: True, 30_000: False, 11: True, 40_001: False, 12: True, 50_000: False}

    async def put(store: DuplexStore, size: int) -> None:
        try:
            await store.transact(lambda rows: rows.add_body(bytes(size)), durable=size % 2 == 0)
        except StoreFull:
            outcomes[size] = False
        else:
            outcomes[size] = True

    async with open_duplex_store(tmp_path / "agent.db") as store:
        await store.transact(partial(add, "a"))
        disk.pages_left(1)
        async with trio.open_nursery() as nursery:
            for size in fits:
                nursery.start_soon(put, store, size)
        assert outcomes == fits
        assert await store.transact(partial(has, "a"))
        disk.pages_left(100)
        await put(store, 30_000)
        assert outcomes[30_000]
    async with open_duplex_store(tmp_path / "agent.db") as store:
        assert await store.transact(names) == ["a"]


@pytest.mark.parametrize("what", ["write", "sync"])
async def test_a_file_that_may_not_grow(tmp_path: Path, what: str) -> None:
    """The error passes, as soon as it may."""
    script = _FAILING.replace("WHAT", what)
    command = [sys.executable, "-c", script, str(tmp_path / "agent.db")]
    done = await trio.run_process(command, capture_stdout=True)
    assert done.stdout.split() == [b"stored", b"StoreUnavailable", b"stored"]
    async with open_duplex_store(tmp_path / "agent.db") as store:
        assert await store.transact(names) == ["a", "c"]


_FAILING = """
import resource, sys, trio
from functools import partial
from pathlib import Path
from simplex_trio.duplex.store.store import open_duplex_store
from simplex_trio.errors import StoreError
from tests.duplex.store.test_store import add
def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
async def main():
    async with open_duplex_store(Path(sys.argv[1])) as store:
        for name in "abc":
            limit(1 if name == "b" else resource.RLIM_INFINITY)
            try:
                await store.transact(partial(add, name), durable="WHAT" == "sync")
                print("stored")
            except StoreError as exc:
                print(type(exc).__name__)
trio.run(main)
"""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to everything")
async def test_a_file_that_may_not_be_written(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    await fill(path, 1)
    path.chmod(0o400)
    with pytest.raises(StoreUnavailable):
        async with open_duplex_store(path):
            pytest.fail("a store that cannot store")


async def test_a_file_that_becomes_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a file system was remounted after an error."""
    opened: list[Database] = []
    init: Callable[..., None] = Database.__init__

    def kept(self: Database, *arguments: object, **options: object) -> None:
        init(self, *arguments, **options)
        opened.append(self)

    monkeypatch.setattr(Database, "__init__", kept)
    async with open_duplex_store(tmp_path / "agent.db") as store:
        await store.transact(partial(add, "a"))
        opened[0].connection.execute("PRAGMA query_only = ON")
        with pytest.raises(StoreUnavailable) as caught:
            await store.transact(partial(add, "b"))
        assert caught.value.retryable
        assert not isinstance(caught.value, StoreFull)
        opened[0].connection.execute("PRAGMA query_only = OFF")
        assert await store.transact(names) == ["a"]
        await store.transact(partial(add, "c"))
    async with open_duplex_store(tmp_path / "agent.db") as store:
        assert await store.transact(names) == ["a", "c"]


async def test_an_older_copy_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    await fill(path, 2)
    old = path.read_bytes()
    await fill(tmp_path / "other.db", 1)
    async with open_duplex_store(path) as store:
        await store.transact(partial(add, "new"))
    path.write_bytes(old)
    with pytest.raises(StoreIncomplete) as caught:
        async with open_duplex_store(path):
            pytest.fail("a store without its last commits")
    assert caught.value.commits
    async with open_duplex_store(path, accept_loss=True) as store:
        assert not await store.transact(partial(has, "new"))
