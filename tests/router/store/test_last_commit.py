"""Damage to the files of a crashed store: nothing is missing, or it is refused with a number."""

from __future__ import annotations

import logging
import random
import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.errors import DecodeError, StoreCorrupted, StoreError, StoreIncomplete
from simplex_trio.router.store.interface import PutQueue, PutStatistics
from simplex_trio.router.store.rows import counter_row
from simplex_trio.router.store.schema import SCHEMA
from simplex_trio.router.store.sqlite import open_sqlite_store
from simplex_trio.storage.last_commit import LastCommit
from simplex_trio.storage.log_check import read_log
from tests.router.store.support import contents, copy_store, message, queue

_COMMITS = 6
_HEADER = 32
_FRAME = 24 + 4096
_SALT = slice(8, 16)  # of a frame

_PARTS = ("", "-wal", "-mark")


@frozen
class _Crashed:
    """The three files of a store that was not closed after some commits."""

    path: Path
    log: bytes
    copies: Iterator[int]

    @property
    def frames(self) -> int:
        return (len(self.log) - _HEADER) // _FRAME

    def frame(self, number: int) -> int:
        """Where the frame with this number, from 0 on, begins in the log."""
        return _HEADER + number * _FRAME

    def ends(self) -> list[int]:
        """The numbers of the frames that end commits."""
        starts = map(self.frame, range(self.frames))
        return [
            number
            for number, start in enumerate(starts)
            if struct.unpack_from(">I", self.log, start + 4) != (0,)
        ]

    def copy(self, log: bytes | None = None) -> Path:
        """Another copy of the store, with another log if one is given."""
        name = f"copy {next(self.copies)}.db"
        path = copy_store(self.path, self.path.with_name(name))
        if log is not None:
            path.with_name(f"{name}-wal").write_bytes(log)
        return path

    def flipped(self, offset: int, bit: int = 0) -> Path:
        damaged = bytearray(self.log)
        damaged[offset] ^= 1 << bit
        return self.copy(bytes(damaged))


async def _crash(directory: Path, commits: int = _COMMITS) -> _Crashed:
    path = directory / "crashed.db"
    async with open_sqlite_store(directory / "open.db") as store:
        await store.commit([PutQueue(queue())])
        for number in range(1, commits + 1):
            await store.commit([message(number, size=2000), PutStatistics({"last": number})])
        copy_store(directory / "open.db", path)
    return _Crashed(path, _beside(path, "-wal").read_bytes(), count())


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _files(path: Path) -> dict[str, bytes]:
    found = {part: _beside(path, part) for part in _PARTS}
    return {part: file.read_bytes() for part, file in found.items() if file.exists()}


async def _last_commit(path: Path, *, accept_loss: bool = False) -> int:
    """Which commit is the last in the store, which must be whole up to it."""
    async with open_sqlite_store(path, accept_loss=accept_loss) as store:
        found = await contents(store)
    last = found.statistics.get("last", 0)
    assert sorted(found.bodies) == list(range(1, last + 1))
    return last


async def _lost(path: Path) -> int | None:
    """How many commits are missing by what refuses the store; refusing changes nothing.

    0 if it is opened with everything.
    """
    before = _files(path)
    try:
        last = await _last_commit(path)
    except StoreIncomplete as refused:
        assert _files(path) == before
        return refused.commits
    assert last == _COMMITS, "something is missing, and nothing said so"
    return 0


# --- whole --------------------------------------------------------------------------------------


async def test_a_log_is_read_to_its_end(tmp_path: Path) -> None:
    crashed = await _crash(tmp_path)
    assert crashed.frames > 2 * _COMMITS
    assert len(crashed.ends()) == _COMMITS + 1
    assert await _lost(crashed.copy()) == 0


def test_no_log_is_a_good_log(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for name in ("missing", "empty"):
        log = read_log(tmp_path / name, bytes(16))
        assert log.has_header
        assert log.commits == 0


async def test_a_mark_may_lag_behind(tmp_path: Path) -> None:
    """The process was killed before it could write it, or the power was lost."""
    crashed = await _crash(tmp_path)
    for behind in range(4):
        path = crashed.copy()
        _write_mark(path, -behind)
        assert await _lost(path) == 0


async def test_what_an_earlier_use_of_the_log_left_behind(tmp_path: Path) -> None:
    """After a checkpoint the log begins again, and old frames follow the new ones."""
    path = tmp_path / "open.db"
    async with open_sqlite_store(path) as store:
        await store.commit([PutQueue(queue())])
        # SQLite moves the log into the file when it has 1000 pages.
        await store.commit([message(number, size=16_000) for number in range(1, 300)])
        await store.commit([PutStatistics({"last": 299})])
        crashed = copy_store(path, tmp_path / "crashed.db")
    assert len(_beside(crashed, "-wal").read_bytes()) > 500 * _FRAME
    assert await _last_commit(crashed) == 299


async def test_a_commit_that_a_crash_has_cut_short(tmp_path: Path) -> None:
    """It was not durable yet, so the mark does not know it.

    When power is lost, the frames of one commit may reach the disk in any order.
    """
    crashed = await _crash(tmp_path)
    damaged = bytearray(crashed.log)
    damaged[-2 * _FRAME + 100] ^= 1
    path = crashed.copy(bytes(damaged))
    _write_mark(path, -1)
    assert await _last_commit(path) == _COMMITS - 1


# --- the last commits are missing ---------------------------------------------------------------


async def test_a_refused_store_is_refused_again(tmp_path: Path) -> None:
    path = (crashed := await _crash(tmp_path)).copy(crashed.log[: -3 * _FRAME])
    lost = [await _lost(path) for _ in range(3)]
    assert lost == [1, 1, 1]


async def test_the_salt_of_the_last_commit(tmp_path: Path) -> None:
    """SQLite takes such a frame for one of an earlier use of the log."""
    crashed = await _crash(tmp_path)
    start = crashed.frame(crashed.ends()[-1])
    for offset in range(start + _SALT.start, start + _SALT.stop):
        assert await _lost(crashed.flipped(offset)) == 1


async def test_a_log_that_was_cut_short(tmp_path: Path) -> None:
    crashed = await _crash(tmp_path)
    ends = crashed.ends()
    cuts = set(range(_HEADER, len(crashed.log), _FRAME)) | {_HEADER + 1, len(crashed.log) - 1}
    cuts |= {cut + 24 for cut in set(cuts)} | {cut + 2000 for cut in set(cuts)}
    for cut in sorted(cut for cut in cuts if cut < len(crashed.log)):
        whole = sum(crashed.frame(end + 1) <= cut for end in ends)
        assert await _lost(crashed.copy(crashed.log[:cut])) == len(ends) - whole


async def test_a_log_that_is_zero_empty_or_gone(tmp_path: Path) -> None:
    crashed = await _crash(tmp_path)
    every = _COMMITS + 1
    assert await _lost(crashed.copy(b"")) == every
    assert await _lost(crashed.copy(bytes(len(crashed.log)))) == every
    gone = crashed.copy()
    _beside(gone, "-wal").unlink()
    assert await _lost(gone) == every


async def test_frames_of_zeros(tmp_path: Path) -> None:
    crashed = await _crash(tmp_path)
    ends = crashed.ends()
    for number in range(crashed.frames):
        start = crashed.frame(number)
        log = crashed.log[:start] + bytes(_FRAME) + crashed.log[start + _FRAME :]
        whole = sum(end < number for end in ends)
        assert await _lost(crashed.copy(log)) == len(ends) - whole


_OF_A_FRAME = {
    "page number": range(4),
    "size after commit": range(4, 8),
    "salts": range(8, 16),
    "checksum": range(16, 24),
    "head of the page": range(24, 200),
    "page": range(24, _FRAME),
}


@pytest.mark.parametrize("part", _OF_A_FRAME)
async def test_one_bit_in_each_part_of_a_frame(tmp_path: Path, part: str) -> None:
    crashed = await _crash(tmp_path)
    ends, chosen = crashed.ends(), random.Random(part)
    for number in [*ends[-2:], *chosen.sample(range(crashed.frames), 6)]:
        offset = crashed.frame(number) + chosen.choice(_OF_A_FRAME[part])
        whole = sum(end < number for end in ends)
        assert await _lost(crashed.flipped(offset, chosen.randrange(8))) == len(ends) - whole


async def test_every_byte_of_the_header(tmp_path: Path) -> None:
    crashed = await _crash(tmp_path)
    for offset in range(_HEADER):
        path = crashed.flipped(offset, offset % 8)
        with pytest.raises(StoreIncomplete, match="header") as caught:
            await _last_commit(path)
        assert caught.value.commits == _COMMITS + 1
    with pytest.raises(StoreIncomplete, match="header"):
        await _last_commit(crashed.copy(crashed.log[:20]))


async def test_commits_behind_the_damage_tell_where_the_mark_is_old(tmp_path: Path) -> None:
    crashed = await _crash(tmp_path)
    ends = crashed.ends()
    for number, end in enumerate(ends):
        path = crashed.flipped(crashed.frame(end) + 100)
        _write_mark(path, -_COMMITS)
        if number == len(ends) - 1:  # as if a crash had cut it short
            assert await _last_commit(path) == _COMMITS - 1
        else:
            assert await _lost(path) == len(ends) - number


# --- files that do not belong together ----------------------------------------------------------


async def test_an_older_copy_of_the_log(tmp_path: Path) -> None:
    path = tmp_path / "open.db"
    async with open_sqlite_store(path) as store:
        await store.commit([PutQueue(queue())])
        await store.commit([message(1), PutStatistics({"last": 1})])
        early = copy_store(path, tmp_path / "early.db")
        for number in range(2, 150):
            await store.commit([message(number, size=16_000), PutStatistics({"last": number})])
        late = copy_store(path, tmp_path / "late.db")
    assert late.read_bytes() != early.read_bytes(), "the log was moved into the file meanwhile"
    shutil.copy(_beside(early, "-wal"), _beside(late, "-wal"))
    before = _files(late)
    with pytest.raises(StoreIncomplete, match="in the file already") as caught:
        await _last_commit(late)
    assert caught.value.commits is not None
    assert caught.value.commits > 0
    assert _files(late) == before
    # The file alone is whole, with all that had been moved into it.
    assert await _last_commit(late, accept_loss=True) == 149 - caught.value.commits
    assert _beside(late, "-wal-refused").read_bytes() == before["-wal"]


async def test_an_older_copy_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "open.db"
    async with open_sqlite_store(path) as store:
        await store.commit([PutQueue(queue())])
    shutil.copy(path, tmp_path / "early.db")
    async with open_sqlite_store(path) as store:
        await store.commit([message(1), PutStatistics({"last": 1})])
    async with open_sqlite_store(path) as store:
        await store.commit([message(2), PutStatistics({"last": 2})])
        late = copy_store(path, tmp_path / "late.db")
    shutil.copy(tmp_path / "early.db", late)
    with pytest.raises(StoreIncomplete, match="older than its write-ahead log"):
        await _last_commit(late)
    _beside(late, "-wal").unlink()
    with pytest.raises(StoreIncomplete) as caught:
        await _last_commit(late)
    assert caught.value.commits == 3
    assert await _last_commit(late, accept_loss=True) == 0


async def test_the_log_of_another_store(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = await _crash(tmp_path / "one"), await _crash(tmp_path / "two")
    with pytest.raises(StoreIncomplete, match="another store's"):
        await _last_commit(one.copy(two.log))


async def test_the_mark_of_another_store(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = await _crash(tmp_path / "one"), await _crash(tmp_path / "two")
    shutil.copy(_beside(two.path, "-mark"), _beside(one.path, "-mark"))
    with pytest.raises(StoreIncomplete, match="another store's"):
        await _last_commit(one.path)
    assert await _last_commit(one.path, accept_loss=True) == _COMMITS
    assert await _last_commit(one.path) == _COMMITS


async def test_a_copy_of_a_closed_store_needs_nothing_else(tmp_path: Path) -> None:
    await _crash(tmp_path)
    (tmp_path / "copy.db").write_bytes((tmp_path / "open.db").read_bytes())
    assert await _lost(tmp_path / "copy.db") == 0


@pytest.mark.parametrize("parts", [("",), ("", "-wal")])
async def test_a_copy_of_an_open_store_needs_its_mark(tmp_path: Path, parts: tuple[str]) -> None:
    """The file and the log alone do not tell whether they are all there is."""
    path = tmp_path / "open.db"
    async with open_sqlite_store(path) as store:
        await store.commit([PutQueue(queue()), message(1), PutStatistics({"last": 1})])
    async with open_sqlite_store(path) as store:
        for number in range(2, 150):
            await store.commit([message(number, size=16_000), PutStatistics({"last": number})])
        for part in parts:
            shutil.copy(_beside(path, part), _beside(tmp_path / "copy.db", part))
    with pytest.raises(
        StoreIncomplete, match="mark of its last commit, which is missing"
    ) as caught:
        await _last_commit(tmp_path / "copy.db")
    assert caught.value.commits is None
    last = await _last_commit(tmp_path / "copy.db", accept_loss=True)
    assert last == 149 or (len(parts) == 1 and 1 < last < 149)


async def test_a_store_whose_file_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "router.db"
    async with open_sqlite_store(path) as store:
        await store.commit([PutQueue(queue()), message(1), PutStatistics({"last": 1})])
    path.unlink()
    with pytest.raises(StoreIncomplete, match="missing while its mark is there") as caught:
        await _last_commit(path)
    assert caught.value.commits == 2
    assert not path.exists()
    assert await _last_commit(path, accept_loss=True) == 0
    assert await _last_commit(path) == 0


def _flip(at: int, data: bytes) -> bytes:
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda mark: b"",
        lambda mark: mark[:-1],
        lambda mark: mark + b"\0",
        lambda mark: bytes(len(mark)),
        *(partial(_flip, at) for at in range(33)),
    ],
)
async def test_a_damaged_mark(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "router.db"
    async with open_sqlite_store(path) as store:
        await store.commit([PutQueue(queue())])
    mark = _beside(path, "-mark")
    mark.write_bytes(damage(mark.read_bytes()))
    with pytest.raises(StoreIncomplete, match="the mark of its last commit"):
        await _last_commit(path)
    assert await _last_commit(path, accept_loss=True) == 0
    assert await _last_commit(path) == 0


# --- accepting it -------------------------------------------------------------------------------


async def test_a_loss_is_accepted_once_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    crashed = await _crash(tmp_path)
    path = crashed.flipped(crashed.frame(crashed.ends()[-3]) + 9)
    assert await _lost(path) == 3
    with caplog.at_level(logging.WARNING):
        assert await _last_commit(path, accept_loss=True) == _COMMITS - 3
    assert ["the last 3 commits or more are lost" in text for text in caplog.messages] == [True]
    caplog.clear()
    assert await _last_commit(path, accept_loss=True) == _COMMITS - 3
    assert await _last_commit(path) == _COMMITS - 3
    assert caplog.messages == []


async def test_after_an_accepted_loss_all_is_as_before(tmp_path: Path) -> None:
    """What was given up is gone from the log, and is not taken for new commits later."""
    crashed = await _crash(tmp_path)
    path = crashed.flipped(crashed.frame(crashed.ends()[4]) + 9)
    async with open_sqlite_store(path, accept_loss=True) as store:
        await store.commit([message(4), PutStatistics({"last": 4})])
        again = copy_store(path, tmp_path / "again.db")
    assert await _last_commit(again) == 4
    _beside(again, "-wal").unlink(missing_ok=True)
    shutil.copy(path, again)
    assert await _last_commit(again) == 4


async def test_damage_to_the_file_is_never_accepted(tmp_path: Path) -> None:
    path = tmp_path / "router.db"
    async with open_sqlite_store(path) as store:
        await store.commit([PutQueue(queue()), *map(message, range(1, 50))])
    data = path.read_bytes()
    path.write_bytes(data[:4096] + bytes(4096) + data[8192:])
    with pytest.raises(StoreCorrupted) as caught:
        await _last_commit(path, accept_loss=True)
    assert not isinstance(caught.value, StoreIncomplete)


# --- stores that had no numbers yet --------------------------------------------------------------


def _old_store(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA application_id = {SCHEMA.application_id}")
        evolve(SCHEMA, migrations=SCHEMA.migrations[:1]).migrate(connection)
        connection.execute("INSERT INTO statistics VALUES (?, ?, ?)", counter_row("last", 0))


async def test_an_earlier_version_is_given_numbers(tmp_path: Path) -> None:
    path = tmp_path / "router.db"
    _old_store(path)
    async with open_sqlite_store(path) as store:
        await store.commit([PutQueue(queue()), message(1), PutStatistics({"last": 1})])
        crashed = copy_store(path, tmp_path / "crashed.db")
    assert await _last_commit(path) == 1
    _beside(crashed, "-wal").write_bytes(b"")
    with pytest.raises(StoreIncomplete) as caught:
        await _last_commit(crashed)
    assert caught.value.commits == 1
    # A copy from before is recognized by the mark that it has beside it.
    path.unlink()
    _old_store(path)
    with pytest.raises(StoreIncomplete, match="older than its mark"):
        await _last_commit(path)
    assert await _last_commit(path, accept_loss=True) == 0


# --- numbers as bytes ----------------------------------------------------------------------------

_commits = st.builds(
    LastCommit, st.binary(min_size=16, max_size=16), st.integers(0, 2**64 - 1), st.booleans()
)


@given(_commits, st.integers(0, 8 * 33 - 1))
def test_numbers_are_read_or_refused(commit: LastCommit, bit: int) -> None:
    data = commit.encode()
    assert LastCommit.decode(data) == commit
    flipped = (int.from_bytes(data, "big") ^ 1 << bit).to_bytes(len(data), "big")
    for damaged in (flipped, data[:-1], data + b"\0"):
        with pytest.raises(DecodeError):
            LastCommit.decode(damaged)


@given(_commits, st.binary(max_size=100), st.binary(max_size=100))
def test_numbers_in_a_page(commit: LastCommit, before: bytes, after: bytes) -> None:
    older = evolve(commit, number=commit.number // 2)
    page = before + older.encode() + commit.encode() + commit.encode()[:-1] + after
    assert LastCommit.in_page(page, commit.store_id) == max(
        (older, commit), key=lambda each: each.number
    )
    assert LastCommit.in_page(page, bytes(16)) is None or commit.store_id == bytes(16)


# --- the file is damaged as well ----------------------------------------------------------------


async def test_a_checkpoint_that_was_cut_short_and_whose_log_is_gone(tmp_path: Path) -> None:
    """The file has some pages of a later commit than others; it must not pass for whole."""
    path = tmp_path / "open.db"
    async with open_sqlite_store(path) as store:
        await store.commit([PutQueue(queue(name)) for name in "ab"])
        await store.commit([message(number, "ab"[number % 2]) for number in range(1, 40)])
    before = path.read_bytes()
    async with open_sqlite_store(path) as store:
        for number in range(40, 60):
            await store.commit([message(number, "a"), PutStatistics({"last": number})])
        crashed = copy_store(path, tmp_path / "crashed.db")
    after = path.read_bytes()
    _beside(crashed, "-wal").unlink()
    pages = range(0, len(after), 4096)
    assert len(pages) > 10
    refused = 0
    for end in (*pages[1:], None):
        crashed.write_bytes(after[:end] + before[len(after[:end]) :])
        with suppress(StoreError):
            assert await _last_commit(crashed) == 59
            continue
        refused += 1
    assert refused >= len(pages) - 1


def _write_mark(path: Path, change: int) -> None:
    """Write another number into the mark of a store that is not open."""
    mark = _beside(path, "-mark")
    last = LastCommit.decode(mark.read_bytes())
    mark.write_bytes(LastCommit(last.store_id, last.number + change).encode())
