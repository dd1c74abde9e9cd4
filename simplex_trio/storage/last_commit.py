"""`LastCommit`: which commit of a store was the last, and whether any is missing.

SQLite takes whatever follows the first damaged frame of its write-ahead log for a write that a
crash has cut short, and says nothing.  So each commit has a number, which is written twice: inside
the commit, in a table of the store, and, when the commit is durable, in a small file beside the
store, the mark.  The mark may lag behind, after a crash between the two, or a loss of power before
the system has written it.  It is never ahead, unless commits are missing that were durable.

All of this is pure; `simplex_trio.storage.opening` reads the files.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, Self

from attrs import evolve

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = ["STORE_ID_SIZE", "LastCommit", "Log", "Loss", "find_loss"]

STORE_ID_SIZE: Final = 16

_FIELDS: Final = struct.Struct(f">4s{STORE_ID_SIZE}sQ?")
_CHECKSUM: Final = struct.Struct(">I")
_MAGIC: Final = b"SMPC"


@frozen(repr=False)
class LastCommit(Redacted):
    """The number of a commit in the store with this random id.

    ``is_closed`` is true for the commit with which a store is closed, behind which nothing can be
    missing in a copy of the file.
    """

    store_id: bytes
    number: int = 0
    is_closed: bool = True

    @property
    def next(self) -> Self:
        """The commit after this one."""
        return evolve(self, number=self.number + 1, is_closed=False)

    def encode(self) -> bytes:
        """The same in bytes, always of one length, with a checksum."""
        fields = _FIELDS.pack(_MAGIC, self.store_id, self.number, self.is_closed)
        return fields + _CHECKSUM.pack(zlib.crc32(fields))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What `encode` has written; raises `DecodeError`."""
        if len(data) != _FIELDS.size + _CHECKSUM.size:
            raise DecodeError("the number of a commit has another length")
        fields = data[: _FIELDS.size]
        if data[_FIELDS.size :] != _CHECKSUM.pack(zlib.crc32(fields)):
            raise DecodeError("the number of a commit does not have its checksum")
        magic, store_id, number, is_closed = _FIELDS.unpack(fields)
        if magic != _MAGIC:
            raise DecodeError("not the number of a commit")
        return cls(store_id, number, is_closed)

    @classmethod
    def in_page(cls, page: bytes, store_id: bytes) -> Self | None:
        """The latest number of a commit that a page of the file has, if it has any.

        The id is secret, so that no client can send a message that looks like the number of a
        commit.
        """
        found: Self | None = None
        for each in cls._all_in(page, _MAGIC + store_id):
            if found is None or each.number > found.number:
                found = each
        return found

    @classmethod
    def _all_in(cls, page: bytes, beginning: bytes) -> Iterator[Self]:
        start = page.find(beginning)
        while start >= 0:
            with suppress(DecodeError):
                yield cls.decode(page[start : start + _FIELDS.size + _CHECKSUM.size])
            start = page.find(beginning, start + 1)


@frozen(repr=False)
class Log(Redacted):
    """What SQLite will make of a write-ahead log, and what it will pass over.

    ``first`` and ``last`` are the first and last of the ``commits`` that it will find; they are
    `None` if none has a number.  ``stop`` names the place where it ends reading; what is
    ``beyond`` it has numbers up to this one.  Without ``has_header`` it reads nothing at all.
    """

    commits: int = 0
    first: LastCommit | None = None
    last: LastCommit | None = None
    stop: str = "end"
    beyond: LastCommit | None = None
    has_header: bool = True


@frozen
class Loss:
    """That the last commits of a store are missing: ``commits`` of them, `None` if unknown.

    ``place`` says where they should be.  If the log does not ``fit`` the file, SQLite must not see
    it, because it would mix old pages with new ones.
    """

    place: str
    commits: int | None
    fits: bool = True


def find_loss(file: LastCommit | None, log: Log, mark: LastCommit | None) -> Loss | None:
    """What is missing, if anything is.

    ``file`` is the commit that the file has without its log, and `None` if it has no number that
    can be read; ``mark`` is the one in the file beside it, and `None` if there is no such file.
    """
    misfit = _misfit(file, log)
    held = file if misfit or log.last is None else log.last
    if held is None:
        # A store of an earlier version, or one that SQLite has to mend before it can be read.
        return None if misfit is None else Loss(misfit, None, fits=False)
    if mark is not None and mark.store_id != held.store_id:
        return Loss("the mark of its last commit, which is another store's", None, fits=not misfit)
    missing = 0 if mark is None else max(0, mark.number - held.number)
    if misfit:
        return Loss(misfit, None if mark is None else missing, fits=False)
    if log.beyond is not None:
        # The commit after the last may have been cut short by a crash; those behind it prove that
        # it was durable.
        after = log.beyond.number - held.number
        missing = max(missing, after if after > 1 else 0)
    if missing:
        place = "write-ahead log" if log.commits == 0 else f"write-ahead log, {log.stop}"
        return Loss(place, missing)
    if mark is None and not held.is_closed:
        return Loss("the mark of its last commit, which is missing", None)
    return None


def _misfit(file: LastCommit | None, log: Log) -> str | None:
    """Why a log cannot be one of this file, or cannot be read."""
    if not log.has_header:
        return "write-ahead log, header"
    if file is None or log.commits == 0:
        return None
    if log.first is None or log.last is None:
        return "write-ahead log, which is another store's"
    if file.number + 1 < log.first.number:
        return "the file, which is older than its write-ahead log"
    if log.last.number < file.number:
        return f"write-ahead log, {log.stop}: what follows is in the file already"
    return None
