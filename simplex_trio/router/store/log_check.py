"""A second look at SQLite's write-ahead log after a crash, so that damage there is not overlooked.

SQLite reads its log up to the first frame whose checksum is wrong, and takes the rest for a write
that the crash has cut short.  If a disk has changed a byte in the middle, the commits behind it
would vanish without a word.  But every commit is on the disk before the next one begins, so a crash
can cut short the last commit only: if two or more end behind the place where SQLite stopped
reading, it was damage.  (Damage to the very last commit looks like a crash, and cannot be told from
one.)

The format is a part of SQLite's documented file format: a header of 32 bytes, then frames of one
page behind 24 bytes of their own.  Numbers are big endian; each frame repeats the two salts of the
header, which change whenever the log starts again from its beginning.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final

from attrs import frozen

from simplex_trio.errors import StoreCorrupted

__all__ = ["Log", "read_log"]

_HEADER: Final = struct.Struct(">4I8s2I")
_FRAME: Final = struct.Struct(">2I8s2I")

_BYTE_ORDERS: Final = {0x377F0682: "<", 0x377F0683: ">"}
"""The magic numbers, each with the byte order of the words that checksums are made of."""


@frozen
class Log:
    """Where commits end in a log: the numbers of their last frames, counted from 1."""

    commits: tuple[int, ...] = ()

    def check(self, frames_read: int) -> None:
        """Return if reading ``frames_read`` frames missed no commit that was finished.

        Otherwise raise `StoreCorrupted`.
        """
        missed = [commit for commit in self.commits if commit > frames_read]
        if len(missed) > 1:
            raise StoreCorrupted(f"write-ahead log, frame {frames_read + 1}")


def read_log(path: Path) -> Log:
    """What SQLite should find in the log at ``path``; an empty `Log` if there is none.

    Raises `StoreCorrupted` if its header is damaged, for then SQLite would ignore all of it.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return Log()
    with file:
        header = file.read(_HEADER.size)
        if not any(header):  # never begun, or cut short before the first commit
            return Log()
        page_size, salts = _read_header(header)
        commits = []
        number = 0
        while len(frame := file.read(_FRAME.size)) == _FRAME.size:
            number += 1
            _, pages_after_commit, frame_salts, *_ = _FRAME.unpack(frame)
            if frame_salts == salts and pages_after_commit:
                commits.append(number)
            file.seek(page_size, os.SEEK_CUR)
    return Log(tuple(commits))


def _read_header(header: bytes) -> tuple[int, bytes]:
    """The size of pages and the salts."""
    if len(header) == _HEADER.size:
        magic, _, page_size, _, salts, *stored = _HEADER.unpack(header)
        byte_order = _BYTE_ORDERS.get(magic)
        if byte_order is not None and _checksum(byte_order, header[:24]) == tuple(stored):
            return page_size, salts
    raise StoreCorrupted("write-ahead log, header")


def _checksum(byte_order: str, data: bytes) -> tuple[int, int]:
    first = second = 0
    for a, b in struct.iter_unpack(f"{byte_order}2I", data):
        first = (first + a + second) & 0xFFFFFFFF
        second = (second + b + first) & 0xFFFFFFFF
    return first, second
