"""A backup is a copy of the store at one moment, made while the store is used."""

from __future__ import annotations

import os
import threading
from functools import partial
from pathlib import Path
from shutil import copyfile

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.duplex.store.rows import SQLiteRows
from simplex_trio.duplex.store.store import DuplexStore, open_duplex_store
from simplex_trio.errors import StoreFull, StoreIncomplete, StoreUnavailable
from simplex_trio.storage import backup as backup_module
from simplex_trio.storage.backup import BackupThread
from simplex_trio.testing._cancelling import cancelled_at
from tests.duplex.store.test_store import add, names


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_module, "PAGES_AT_ONCE", 4)


def grow(rows: SQLiteRows) -> None:
    for _ in range(20):
        rows.add_body(bytes(9000))


def remove(name: str, rows: SQLiteRows) -> None:
    rows.delete_connection(name)


async def names_in(path: Path) -> list[str]:
    async with open_duplex_store(path, accept_loss=True) as store:
        return await store.transact(names)


async def test_a_copy_that_opens(tmp_path: Path) -> None:
    path, copy = tmp_path / "agent.db", tmp_path / "backup.db"
    async with open_duplex_store(path) as store:
        await store.transact(grow)
        await store.transact(partial(add, "a"))
        await store.back_up(copy)
        assert sorted(os.listdir(tmp_path)) == [
            "agent.db",
            "agent.db-mark",
            "agent.db-wal",
            "backup.db",
        ]
        assert (copy.stat().st_mode & 0o777) == 0o600
        await store.transact(partial(add, "b"))
        await store.back_up(tmp_path / "second.db")
    assert await names_in(path) == ["a", "b"]
    assert await names_in(copy) == ["a"]
    assert await names_in(tmp_path / "second.db") == ["a", "b"]


async def test_steps_go_on_and_are_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all that changes between two pieces nothing is missing, and nothing is half there."""
    stored: list[str] = []
    pieces = 0
    next_piece = BackupThread.next_piece

    def counted(self: BackupThread) -> None:
        nonlocal pieces
        pieces += 1
        next_piece(self)

    monkeypatch.setattr(BackupThread, "next_piece", counted)
    copy = tmp_path / "backup.db"

    async def keep_adding(store: DuplexStore) -> None:
        for number in range(1000):
            stored.append(await store.transact(partial(add, f"{number}"), durable=False))
            if number % 3 == 0:
                await store.transact(partial(remove, f"{number}"), durable=False)
                stored.remove(f"{number}")

    async with open_duplex_store(tmp_path / "agent.db") as store:
        await store.transact(grow)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_adding, store)
            await store.transact(lambda _: None)
            before = set(stored)
            await store.back_up(copy)
            after = set(stored)
            nursery.cancel_scope.cancel()
    found = set(await names_in(copy))
    assert pieces > 10
    assert len(after) > len(before)
    assert found >= {name for name in before if name in after}
    async with open_duplex_store(copy, accept_loss=True) as store:
        assert len(await store.events_after(0, 2000)) >= len(found)


async def test_other_steps_have_their_turn_between_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    next_piece = BackupThread.next_piece

    def noted(self: BackupThread) -> None:
        order.append("piece")
        next_piece(self)

    monkeypatch.setattr(BackupThread, "next_piece", noted)
    async with open_duplex_store(tmp_path / "agent.db") as store:
        await store.transact(grow)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.back_up, tmp_path / "backup.db")
            for _ in range(5):
                await store.transact(lambda _: order.append("step"), durable=False)
    assert "piece step piece" in " ".join(order)


# --- taking the place of the store --------------------------------------------------------------


@pytest.mark.parametrize("what", ["nothing", "crash", "another commit"])
async def test_a_backup_in_the_place_of_the_store_is_refused(tmp_path: Path, what: str) -> None:
    path, copy = tmp_path / "agent.db", tmp_path / "backup.db"
    mark = path.with_name(f"{path.name}-mark")
    async with open_duplex_store(path) as store:
        await store.transact(partial(add, "a"))
        await store.back_up(copy)
        if what == "another commit":
            await store.transact(partial(add, "b"))
        crashed = mark.read_bytes()
    if what == "crash":
        mark.write_bytes(crashed)
    copyfile(copy, path)
    with pytest.raises(StoreIncomplete) as caught:
        async with open_duplex_store(path):
            pytest.fail("an old state of encrypted connections")
    assert caught.value.commits
    assert await names_in(path) == ["a"]


async def test_a_backup_by_itself_is_refused(tmp_path: Path) -> None:
    """Also one of a store in which nothing has changed since it was opened."""
    path, copy = tmp_path / "agent.db", tmp_path / "backup.db"
    async with open_duplex_store(path) as store:
        await store.transact(partial(add, "a"))
    async with open_duplex_store(path) as store:
        await store.back_up(copy)
    with pytest.raises(StoreIncomplete, match="mark"):
        async with open_duplex_store(copy):
            pytest.fail("what came after it is missing, for all one knows")
    assert await names_in(copy) == ["a"]
    async with open_duplex_store(copy) as store:  # from then on it is a store as any other
        assert await store.transact(names) == ["a"]


# --- what fails ---------------------------------------------------------------------------------


async def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path, copy = tmp_path / "agent.db", tmp_path / "backup.db"
    copy.write_bytes(b"something")
    async with open_duplex_store(path) as store:
        for each in (copy, path, tmp_path / "missing" / "backup.db"):
            with pytest.raises(StoreUnavailable):
                await store.back_up(each)
        await store.transact(partial(add, "a"))
    assert copy.read_bytes() == b"something"
    assert sorted(os.listdir(tmp_path)) == ["agent.db", "agent.db-mark", "backup.db"]


async def test_memory_has_no_backup(tmp_path: Path) -> None:
    async with open_duplex_store(None) as store:
        with pytest.raises(ValueError, match="memory"):
            await store.back_up(tmp_path / "backup.db")


async def test_a_copy_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: BackupThread) -> None:
        self._target.execute("PRAGMA max_page_count = 3")
        self._target.execute("CREATE TABLE large (body)")
        self._target.execute("INSERT INTO large VALUES (zeroblob(100000))")

    async with open_duplex_store(tmp_path / "agent.db") as store:
        await store.transact(grow)
        with monkeypatch.context() as patch:
            patch.setattr(BackupThread, "next_piece", full)
            with pytest.raises(StoreFull):
                await store.back_up(tmp_path / "backup.db")
        await store.transact(partial(add, "a"))
        assert sorted(os.listdir(tmp_path)) == ["agent.db", "agent.db-mark", "agent.db-wal"]
    assert await names_in(tmp_path / "agent.db") == ["a"]


async def test_cancelled_at_every_step(tmp_path: Path) -> None:
    """There is a whole copy or none, no thread is left, and the store goes on."""
    copy = tmp_path / "backup.db"
    files = ["agent.db", "agent.db-mark", "agent.db-wal"]
    async with open_duplex_store(tmp_path / "agent.db") as store:
        await store.transact(lambda rows: rows.add_body(bytes(30_000)))
        for step in range(500):
            with cancelled_at(step) as scope:
                await store.back_up(copy)
            await store.transact(lambda rows: rows.add_body(b"small"), durable=False)
            assert not any("backup" in thread.name for thread in threading.enumerate())
            if not scope.cancelled_caught:
                break
            assert sorted(os.listdir(tmp_path)) == files
        assert step > 10
        assert sorted(os.listdir(tmp_path)) == [*files, "backup.db"]
    assert await names_in(copy) == []


async def test_closing_waits_for_it_to_end(tmp_path: Path) -> None:
    ended: list[object] = []

    async def back_up() -> None:
        try:
            await store.back_up(tmp_path / "backup.db")
        except trio.ClosedResourceError:
            ended.append("closed")

    async with open_duplex_store(tmp_path / "agent.db") as store:
        await store.transact(grow)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(back_up)
            await wait_all_tasks_blocked()
            await store.aclose()
    assert ended == ["closed"]
    assert sorted(os.listdir(tmp_path)) == ["agent.db", "agent.db-mark"]
    assert not any("backup" in thread.name for thread in threading.enumerate())


async def test_an_agent_makes_one(tmp_path: Path) -> None:
    config = DuplexConfig(pq=False)
    async with open_duplex_agent(tmp_path / "agent.db", config=config) as agent:
        await agent.back_up(tmp_path / "backup.db")
    async with open_duplex_agent(tmp_path / "backup.db", config=config, accept_loss=True) as agent:
        assert await agent.connections() == []
