"""A damaged file is refused with its place, or it still holds exactly what was written."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from simplex_trio.errors import StoreCorrupted, StoreForeign
from simplex_trio.router.store.interface import (
    DeleteMessages,
    DeleteQueue,
    PutNotification,
    PutQueue,
    PutService,
    PutStatistics,
)
from simplex_trio.router.store.sqlite import open_sqlite_store
from tests.router.store.support import (
    LINK_DATA,
    Contents,
    contents,
    copy_store,
    full_queue,
    message,
    notification,
    octets,
    queue,
    service,
)

_PAGE = 4096


async def _fill(path: Path, crashed: Path | None = None) -> Contents:
    """Write something of everything; ``crashed`` gets a copy as if the process had died."""
    numbers = {number: f"queue {number}" for number in range(20)}
    linked = [PutQueue(full_queue(name), LINK_DATA) for name in list(numbers.values())[:4]]
    others = [PutQueue(full_queue(name, link=None)) for name in list(numbers.values())[4:]]
    async with open_sqlite_store(path) as store:
        await store.commit([*linked, *others])
        await store.commit([message(n, name, 200 + 800 * n) for n, name in numbers.items()])
        await store.commit([PutNotification(notification(*item)) for item in numbers.items()])
        await store.commit([PutService(service()), PutStatistics({"sent": 5, "received": 4})])
        await store.commit([DeleteMessages((3, 19)), DeleteQueue(queue("queue 5").recipient_id)])
        if crashed is not None:
            copy_store(path, crashed)
        return await contents(store)


async def _read(path: Path) -> Contents:
    async with open_sqlite_store(path) as store:
        return await contents(store)


async def _is_refused(path: Path, expected: Contents) -> bool:
    """Whether the store says that it is damaged; otherwise it must hold what is expected."""
    try:
        found = await _read(path)
    except (StoreCorrupted, StoreForeign):
        return True
    assert found == expected
    return False


_PATTERNS: dict[str, Callable[[bytes], bytes]] = {
    "zeros": lambda page: bytes(len(page)),
    "ones": lambda page: b"\xff" * len(page),
    "noise": lambda page: octets("noise", len(page)),
    "half": lambda page: page[: len(page) // 2].ljust(len(page), b"\0"),
    "reversed": lambda page: page[::-1],
}


@pytest.mark.parametrize("pattern", _PATTERNS)
async def test_a_damaged_page(tmp_path: Path, pattern: str) -> None:
    expected = await _fill(tmp_path / "whole.db")
    whole = (tmp_path / "whole.db").read_bytes()
    refused = 0
    for start in range(0, len(whole), _PAGE):
        page = _PATTERNS[pattern](whole[start : start + _PAGE])
        path = tmp_path / f"{start}.db"
        path.write_bytes(whole[:start] + page + whole[start + _PAGE :])
        refused += await _is_refused(path, expected)
    assert refused > len(whole) // _PAGE // 2


async def test_missing_pages(tmp_path: Path) -> None:
    await _fill(tmp_path / "whole.db")
    whole = (tmp_path / "whole.db").read_bytes()
    for end in (*range(0, len(whole), _PAGE), 1, 99, 100, len(whole) - 1):
        path = tmp_path / f"{end}.db"
        path.write_bytes(whole[:end])
        with pytest.raises(StoreCorrupted):
            await _read(path)


async def test_flipped_bits(tmp_path: Path) -> None:
    expected = await _fill(tmp_path / "whole.db")
    whole = (tmp_path / "whole.db").read_bytes()
    chosen = random.Random(1)
    offsets = [*range(100), *(chosen.randrange(len(whole)) for _ in range(150))]
    path = tmp_path / "flipped.db"
    refused = 0
    for offset in offsets:
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << chosen.randrange(8)
        path.write_bytes(damaged)
        refused += await _is_refused(path, expected)
    assert refused > len(offsets) // 4


async def test_a_message_of_sqlite_that_python_cannot_read(tmp_path: Path) -> None:
    await _fill(tmp_path / "router.db")
    data = (tmp_path / "router.db").read_bytes()
    schema = b"CREATE TABLE notifications"
    assert schema in data
    (tmp_path / "router.db").write_bytes(data.replace(schema, b"CREATE TABLE \xa0otifications"))
    with pytest.raises(StoreCorrupted):
        await _read(tmp_path / "router.db")


# --- rows ---------------------------------------------------------------------------------------


def _change(path: Path, *statements: str) -> None:
    """Do to the file what the store never does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ("UPDATE queues SET dh_secret = zeroblob(32) WHERE rowid = 7", "table queues, row 7"),
        ("UPDATE queues SET sender_key = 5 WHERE rowid = 7", "table queues, row 7"),
        ("UPDATE queues SET checksum = 5 WHERE rowid = 7", "table queues, row 7"),
        ("UPDATE queues SET link_id = NULL WHERE rowid = 2", "table queues, row 2"),
        ("UPDATE queues SET link_id = x'00' WHERE rowid = 12", "table queues, row 12"),
        ("UPDATE messages SET received_at = 1.5 WHERE rowid = 4", "table messages, row 4"),
        ("UPDATE messages SET message_id = 'text' WHERE rowid = 4", "table messages, row 4"),
        ("UPDATE messages SET recipient_id = x'00' WHERE rowid = 4", "table messages, row 4"),
        ("UPDATE services SET role = x'00'", "table services, row 1"),
        ("UPDATE notifications SET nonce = x'00' WHERE rowid = 4", "table notifications, row 4"),
        ("UPDATE notifications SET notifier_id = x'00' WHERE rowid = 4", "notifications, row 4"),
        ("UPDATE statistics SET value = value + 1", "table statistics, row 1"),
        ("UPDATE links SET fixed = x'00' WHERE rowid = 3", "table links, row 3"),
        ("UPDATE bodies SET body = x'00' WHERE rowid = 4", "table bodies, row 4"),
        ("DELETE FROM queues WHERE rowid = 1", "table notifications, row 0: it belongs to nothing"),
        ("DELETE FROM links WHERE rowid = 2", "table queues, row 2: it is not complete"),
        ("DELETE FROM messages WHERE rowid = 2", "table bodies, row 2: it belongs to nothing"),
        ("DELETE FROM bodies WHERE rowid = 2", "table messages, row 2: it is not complete"),
        ("DROP TRIGGER link_goes", "the schema"),
        ("DROP INDEX messages_of_queue", "the schema"),
        ("DROP TABLE statistics", "the schema"),
        ("PRAGMA user_version = 0", "the schema"),
    ],
)
async def test_the_place_is_named(tmp_path: Path, statement: str, place: str) -> None:
    await _fill(tmp_path / "router.db")
    _change(tmp_path / "router.db", statement)
    with pytest.raises(StoreCorrupted) as caught:
        await _read(tmp_path / "router.db")
    assert place in str(caught.value)
    assert place in caught.value.place


async def test_damage_while_the_store_is_open(tmp_path: Path) -> None:
    path = tmp_path / "router.db"
    await _fill(path)
    async with open_sqlite_store(path) as store:
        # More than SQLite keeps in memory.
        await store.commit([message(number, "queue 1", 16_000) for number in range(100, 400)])
    async with open_sqlite_store(path) as store:
        with path.open("r+b") as file:
            for start in range(_PAGE, path.stat().st_size, _PAGE):
                file.seek(start)
                file.write(octets("noise", _PAGE))
        with pytest.raises(StoreCorrupted):
            await store.bodies(range(100, 400))
        with pytest.raises(StoreCorrupted):
            await store.commit([DeleteMessages(tuple(range(100, 400)))])


# --- the file as a whole ------------------------------------------------------------------------


async def test_a_file_that_is_something_else(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(b"This is not a database. " * 100)
    text.chmod(0o644)
    with pytest.raises(StoreCorrupted):
        await _read(text)
    other = tmp_path / "other.db"
    _change(other, "CREATE TABLE notes (text)")
    other.chmod(0o644)
    before = other.read_bytes()
    with pytest.raises(StoreForeign, match="not a store"):
        await _read(other)
    assert other.read_bytes() == before
    assert [oct(path.stat().st_mode)[-3:] for path in (text, other)] == ["644", "644"]


async def test_a_later_version(tmp_path: Path) -> None:
    await _fill(tmp_path / "router.db")
    _change(tmp_path / "router.db", "PRAGMA user_version = 1000")
    with pytest.raises(StoreForeign, match="later version"):
        await _read(tmp_path / "router.db")


async def test_a_log_without_its_file(tmp_path: Path) -> None:
    await _fill(tmp_path / "router.db", tmp_path / "crashed.db")
    (tmp_path / "crashed.db").unlink()
    with pytest.raises(StoreCorrupted, match="the file is missing"):
        await _read(tmp_path / "crashed.db")
    assert not (tmp_path / "crashed.db").exists()
