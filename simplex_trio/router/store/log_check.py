"""A second look at SQLite's write-ahead log after a crash, so that damage there is not overlooked.

SQLite reads its log up to the first frame whose checksum is wrong, and takes the rest for a write
that the crash has cut short.  If a disk has changed a byte in the middle, the commits behind it
vanish without a word.  But every commit is on the disk before the next one begins, so a crash can
cut short the last commit only: if two or more end behind the place where reading stops, it was
damage.  (Damage in the very last commit looks like a crash, and cannot be told from one.)

The log's format is documented by SQLite: a header of 32 bytes, then frames, each of one page behind
24 bytes of its own.  Numbers are big endian.  Each frame repeats the salts of the header, which
change when the log starts again from its beginning, and has the checksum of all before it.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

from simplex_trio.errors import StoreCorrupted

__all__ = ["check_log"]

_HEADER: Final = struct.Struct(">4I8s2I")
_FRAME: Final = struct.Struct(">2I8s2I")

_HEADER_SUMMED: Final = 24
"""How much of the header its checksum is about."""

_FRAME_SUMMED: Final = 8
"""How much of the head of a frame its checksum is about, besides the page."""

_BYTE_ORDERS: Final = {0x377F0682: "<", 0x377F0683: ">"}
"""The magic numbers, each with the byte order of the words that checksums are made of."""


def check_log(path: Path) -> None:
    """Return if SQLite will find all finished commits in the log at ``path``, or there is no log.

    Otherwise raise `StoreCorrupted`.  Nothing is changed, and SQLite must not have opened the file
    yet, because it throws the log away when it closes it.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        header = file.read(_HEADER.size)
        if not any(header):  # never begun, or cut short before the first commit
            return
        byte_order, page_size, salts, checksum = _read_header(header)
        damaged_frame: int | None = None
        commits_missed = number = 0
        while len(data := file.read(_FRAME.size + page_size)) == _FRAME.size + page_size:
            number += 1
            _, pages_after_commit, frame_salts, *stored = _FRAME.unpack_from(data)
            if damaged_frame is None:
                summed = data[:_FRAME_SUMMED] + data[_FRAME.size :]
                checksum = _checksum(byte_order, summed, checksum)
                if frame_salts != salts or checksum != tuple(stored):
                    damaged_frame = number
            if damaged_frame is not None and frame_salts == salts and pages_after_commit:
                commits_missed += 1
    if commits_missed > 1:
        raise StoreCorrupted(f"write-ahead log, frame {damaged_frame}")


def _read_header(header: bytes) -> tuple[str, int, bytes, tuple[int, int]]:
    """The byte order, the size of pages, the salts, and the checksum that frames go on from."""
    if len(header) == _HEADER.size:
        magic, _, page_size, _, salts, *stored = _HEADER.unpack(header)
        byte_order = _BYTE_ORDERS.get(magic)
        if byte_order is not None:
            checksum = _checksum(byte_order, header[:_HEADER_SUMMED], (0, 0))
            if checksum == tuple(stored):
                return byte_order, page_size, salts, checksum
    raise StoreCorrupted("write-ahead log, header")


def _checksum(byte_order: str, data: bytes, start: tuple[int, int]) -> tuple[int, int]:
    first, second = start
    for a, b in struct.iter_unpack(f"{byte_order}2I", data):
        first = (first + a + second) & 0xFFFFFFFF
        second = (second + b + first) & 0xFFFFFFFF
    return first, second
