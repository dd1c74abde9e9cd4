"""The records of a router in SQLite, where the file or the disk fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.errors import (
    StoreConflict,
    StoreFull,
    StoreIncomplete,
    StoreLocked,
    StoreUnavailable,
)
from simplex_trio.wire.text import to_base64url
from simplex_trio.wire.xftp.commands import PacketInfo
from simplex_trio.xftp.router.records import tables
from simplex_trio.xftp.router.records.tables import RecordTables
from simplex_trio.xftp.router.storage import open_storage

INFO = PacketInfo(Ed25519PrivateKey(bytes(32)).public, 65536, bytes(32))


def add(records: RecordTables, number: int) -> None:
    records.add(number.to_bytes(24, "big"), INFO, [], 1)


def remove_nothing() -> None:
    """There is no body."""


def test_no_other_user_can_read_them(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    RecordTables(path).close()
    path.chmod(0o644)
    records = RecordTables(path)
    add(records, 1)
    assert {oct(each.stat().st_mode & 0o777) for each in tmp_path.iterdir()} == {"0o600"}
    assert len(list(tmp_path.iterdir())) > 1
    records.close()


def add_many(records: RecordTables, count: int) -> None:
    for number in range(count):
        add(records, number)


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """A failure that ends the transaction by itself is told as what it is."""
    records = RecordTables(tmp_path / "records.sqlite")
    (pages,) = records._db.execute("PRAGMA page_count").fetchone()
    records._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreFull):
        add_many(records, 1000)
    count = records.counts.packets
    records._db.execute("PRAGMA max_page_count = 1000")
    add(records, 1000)
    assert records.counts.packets == count + 1
    records.close()


class FailingCommit:
    """A connection whose transactions cannot be committed for a while."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.fails = True

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if statement == "COMMIT" and self.fails:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            error.sqlite_errorname = "SQLITE_IOERR"
            raise error
        return self.db.execute(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.db, name)


def test_a_transaction_that_cannot_be_committed(tmp_path: Path) -> None:
    """Nothing of it stays, and the next ones are not hindered by it."""
    records = RecordTables(tmp_path / "records.sqlite")
    failing: Any = FailingCommit(records._db)
    records.database.connection = failing
    with pytest.raises(StoreUnavailable):
        add(records, 1)
    failing.fails = False
    assert records.counts.packets == 0
    add(records, 1)
    assert records.delete((1).to_bytes(24, "big"), remove_nothing) == 0
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
    records = RecordTables(tmp_path / "records.sqlite")
    watcher: Any = CommitWatcher(records._db)
    records.database.connection = watcher
    packet = (1).to_bytes(24, "big")
    recipient = (bytes(24), INFO.sender_key)
    add(records, 1)
    records.add_recipients(packet, [recipient], 2)
    records.note_body(packet)
    records.delete_recipient(bytes(24))
    add(records, 2)
    assert watcher.levels == [NORMAL, FULL, FULL, NORMAL, NORMAL]
    records.add_recipients(packet, [recipient], 2)
    with pytest.raises(StoreConflict):
        records.add_recipients(packet, [recipient], 2)
    records.delete(packet, remove_nothing)
    assert watcher.levels[5:] == [FULL, NORMAL]
    records.close()


# --- records that are missing ---------------------------------------------------------------------

_FRAME = 24 + 4096
_PARTS = ("", "-wal", "-mark")


def beside(path: Path, part: str) -> Path:
    return path.with_name(path.name + part)


def crashed(folder: Path) -> Path:
    """The files of records that were not closed: five packets with bodies, and one without."""
    path, copy = folder / "open.sqlite", folder / "records.sqlite"
    records = RecordTables(path)
    for number in range(1, 7):
        add(records, number)
        if number < 6:
            records.note_body(number.to_bytes(24, "big"))
    for part in _PARTS:
        beside(copy, part).write_bytes(beside(path, part).read_bytes())
    records.close()
    return copy


def count_in(path: Path, *, accept_loss: bool = False) -> int:
    records = RecordTables(path, accept_loss=accept_loss)
    try:
        return records.counts.packets
    finally:
        records.close()


def test_after_a_crash_all_are_there(tmp_path: Path) -> None:
    path = crashed(tmp_path)
    assert count_in(path) == 6
    assert count_in(path) == 6


def test_a_log_that_lost_its_end(tmp_path: Path) -> None:
    """What did not wait for the disk may be missing after a loss of power, but nothing else."""
    path = crashed(tmp_path)
    log = beside(path, "-wal")
    whole = log.read_bytes()
    before = {part: beside(path, part).read_bytes() for part in _PARTS}
    outcomes = []
    for end in range(len(whole), 31, -_FRAME):
        for part, content in before.items():
            beside(path, part).write_bytes(content)
        log.write_bytes(whole[:end])
        try:
            outcomes.append(count_in(path))
        except StoreIncomplete as exc:
            outcomes.append(-(exc.commits or 0))
            assert beside(path, "").read_bytes() == before[""]
            assert log.read_bytes() == whole[:end]
    last_packets = [number for number in outcomes if number > 0]
    assert set(last_packets) == {6, 5}
    lost = outcomes[len(last_packets) :]
    assert lost == sorted(lost, reverse=True)
    assert lost[0] == -1
    assert lost[-1] == -10


@pytest.mark.parametrize("damage", [lambda log: b"", lambda log: bytes(len(log)), None])
def test_a_log_that_is_gone(tmp_path: Path, damage: Callable[[bytes], bytes] | None) -> None:
    path = crashed(tmp_path)
    log = beside(path, "-wal")
    if damage is None:
        log.unlink()
    else:
        log.write_bytes(damage(log.read_bytes()))
    with pytest.raises(StoreIncomplete) as caught:
        count_in(path)
    assert caught.value.commits == 10
    assert count_in(path, accept_loss=True) == 0
    assert count_in(path) == 0


def test_one_bit_of_the_log(tmp_path: Path) -> None:
    path = crashed(tmp_path)
    log = beside(path, "-wal")
    whole = bytearray(log.read_bytes())
    whole[32 + 9] ^= 1  # a salt
    log.write_bytes(whole)
    with pytest.raises(StoreIncomplete) as caught:
        count_in(path)
    assert caught.value.commits == 10


def test_records_whose_file_is_gone(tmp_path: Path) -> None:
    """They are not taken for new, which would remove all bodies."""
    path = tmp_path / "records.sqlite"
    records = RecordTables(path)
    add(records, 1)
    records.close()
    for damaged in (path.unlink, path.touch):
        damaged()
        with pytest.raises(StoreIncomplete, match="missing while its mark is there"):
            RecordTables(path)
    assert count_in(path, accept_loss=True) == 0


async def test_bodies_are_not_removed_with_their_records(tmp_path: Path) -> None:
    path = crashed(tmp_path)
    beside(path, "-wal").unlink()
    (tmp_path / "packets").mkdir()
    body = tmp_path / "packets" / to_base64url((1).to_bytes(24, "big"))
    body.touch()
    with pytest.raises(StoreIncomplete):
        async with open_storage(tmp_path, 10**6, bytes):
            pytest.fail("a router without some of its packets")
    assert body.exists()
    async with open_storage(tmp_path, 10**6, bytes, accept_loss=True) as storage:
        assert storage.packets == 0
    assert not body.exists()


def test_a_copy_of_closed_records_needs_nothing_else(tmp_path: Path) -> None:
    crashed(tmp_path)
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes((tmp_path / "open.sqlite").read_bytes())
    assert count_in(copy) == 6


def test_records_in_use(tmp_path: Path) -> None:
    records = RecordTables(tmp_path / "records.sqlite")
    with pytest.raises(StoreLocked):
        RecordTables(tmp_path / "records.sqlite")
    records.close()


def test_records_of_an_earlier_version(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in tables._FIRST:
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {tables._RECORDS.application_id}")
        db.execute("PRAGMA user_version = 1")
    records = RecordTables(path)
    add(records, 1)
    records.close()
    assert count_in(path) == 1
