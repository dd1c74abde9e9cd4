"""The records of a router where the database fails in the middle of something."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.wire.xftp.commands import PacketInfo
from simplex_trio.xftp.errors import StorageFailed, StorageFull
from simplex_trio.xftp.router.records import Records

INFO = PacketInfo(Ed25519PrivateKey(bytes(32)).public, 65536, bytes(32))


def add(records: Records, number: int) -> None:
    records.add(number.to_bytes(24, "big"), INFO, [], 1)


def test_nobody_else_can_read_them(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    path.touch(0o644)
    records = Records(path)
    add(records, 1)
    assert {oct(each.stat().st_mode & 0o777) for each in tmp_path.iterdir()} == {"0o600"}
    assert len(list(tmp_path.iterdir())) > 1
    records.close()


def add_many(records: Records, count: int) -> None:
    for number in range(count):
        add(records, number)


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """A failure that ends the transaction by itself is told as what it is."""
    records = Records(tmp_path / "records.sqlite")
    (pages,) = records._db.execute("PRAGMA page_count").fetchone()
    records._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StorageFull):
        add_many(records, 1000)
    count = records.count()
    records._db.execute("PRAGMA max_page_count = 1000")
    add(records, 1000)
    assert records.count() == count + 1
    records.close()


class FailingCommit:
    """A connection whose transactions cannot be committed for a while."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.fails = True

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if statement == "COMMIT" and self.fails:
            raise sqlite3.OperationalError("disk I/O error")
        return self.db.execute(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.db, name)


def test_a_transaction_that_cannot_be_committed(tmp_path: Path) -> None:
    """Nothing of it stays, and the next ones are not hindered by it."""
    records = Records(tmp_path / "records.sqlite")
    failing: Any = FailingCommit(records._db)
    records._db = failing
    with pytest.raises(StorageFailed):
        add(records, 1)
    failing.fails = False
    assert records.count() == 0
    add(records, 1)
    assert records.delete((1).to_bytes(24, "big")) == 0
    records.close()


class CommitWatcher:
    """A connection that notes how safe each commit is from a power cut."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.levels: list[int] = []

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if statement == "COMMIT":
            self.levels += self.db.execute("PRAGMA synchronous").fetchone()
        return self.db.execute(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.db, name)


NORMAL, FULL = 1, 2


def test_what_outlasts_a_power_cut(tmp_path: Path) -> None:
    """Bodies, and who may have them; but not what is noted next, also if there was a failure."""
    records = Records(tmp_path / "records.sqlite")
    watcher: Any = CommitWatcher(records._db)
    records._db = watcher
    packet = (1).to_bytes(24, "big")
    recipient = (bytes(24), INFO.sender_key)
    add(records, 1)
    records.add_recipients(packet, [recipient], 2)
    records.note_body(packet)
    records.delete_recipient(bytes(24))
    add(records, 2)
    assert watcher.levels == [NORMAL, FULL, FULL, NORMAL]
    records.add_recipients(packet, [recipient], 2)
    with pytest.raises(StorageFailed):
        records.add_recipients(packet, [recipient], 2)
    records.delete(packet)
    assert watcher.levels[4:] == [FULL, NORMAL]
    records.close()


def test_old_packets_are_found_in_parts(tmp_path: Path) -> None:
    records = Records(tmp_path / "records.sqlite")
    for number in range(5):
        records.add(bytes([number]), INFO, [], 10 + number % 2)
    found = records.created_before(11, b"", 2)
    assert found == [b"\0", b"\2"]
    assert records.created_before(11, found[-1], 2) == [b"\4"]
    assert records.created_before(11, b"\4", 2) == []
    records.close()
