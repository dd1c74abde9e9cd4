"""SQLite's write-ahead log, read as SQLite will read it, and to its end, which SQLite does not.

SQLite reads its log up to the first frame whose checksum is wrong, and takes the rest for a write
that a crash has cut short.  Here the rest is looked at as well: a commit that was cut short may be
there, but no commit behind it, because each is on the disk before the next one begins.

The log's format is documented by SQLite: a header of 32 bytes, then frames, each of one page behind
24 bytes of its own.  Numbers are big endian.  Each frame repeats the salts of the header, which
change when the log starts again from its beginning, and has the checksum of all before it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from simplex_trio.storage.drivers import PLAIN, PageReader
from simplex_trio.storage.last_commit import LastCommit, Log

__all__ = ["log_path", "pages_of_log", "read_log"]

_HEADER: Final = struct.Struct(">4I8s2I")
_FRAME: Final = struct.Struct(">2I8s2I")

_HEADER_SUMMED: Final = 24
"""How much of the header its checksum is about."""

_FRAME_SUMMED: Final = 8
"""How much of the head of a frame its checksum is about, besides the page."""

_PAGE_SIZES: Final = frozenset(2**exponent for exponent in range(9, 17))

_BYTE_ORDERS: Final = {0x377F0682: "<", 0x377F0683: ">"}
"""The magic numbers, each with the byte order of the words that checksums are made of."""


def log_path(path: Path) -> Path:
    """Where SQLite has the write-ahead log of a database."""
    return path.with_name(f"{path.name}-wal")


def pages_of_log(path: Path) -> Iterator[tuple[int, bytes]]:
    """Whatever is in the log at ``path`` in the place of pages, with their numbers."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        begun = _read_header(file.read(_HEADER.size))
        if begun is None:
            return
        _, page_size, *_ = begun
        while len(data := file.read(_FRAME.size + page_size)) == _FRAME.size + page_size:
            number, *_ = _FRAME.unpack_from(data)
            yield number, data[_FRAME.size :]


def read_log(path: Path, store_id: bytes, read_page: PageReader | None = None) -> Log:
    """The log at ``path`` of the store with this id; that of a missing file has no commits.

    ``read_page`` reads pages that are not in plain.  Nothing is changed.  SQLite must not have
    opened the file yet, because it throws the log away when it closes it.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return Log()
    with file:
        header = file.read(_HEADER.size)
        if not any(header):  # never begun, or cut short before the first commit
            return Log()
        begun = _read_header(header)
        if begun is None:
            return Log(has_header=False)
        return _read_frames(file, store_id, read_page or PLAIN.page_reader(path), *begun)


def _read_frames(
    file: BinaryIO,
    store_id: bytes,
    read_page: PageReader,
    byte_order: str,
    page_size: int,
    salts: bytes,
    checksum: tuple[int, int],
) -> Log:
    commits, number, stop = 0, 0, None
    first: LastCommit | None = None
    last: LastCommit | None = None
    unfinished: LastCommit | None = None
    while len(data := file.read(_FRAME.size + page_size)) == _FRAME.size + page_size:
        number += 1
        _, pages_after_commit, frame_salts, *stored = _FRAME.unpack_from(data)
        if stop is None:
            checksum = _checksum(byte_order, data[:_FRAME_SUMMED] + data[_FRAME.size :], checksum)
            if frame_salts != salts or checksum != tuple(stored):
                stop = f"frame {number}"
        found = LastCommit.in_page(read_page(data[_FRAME.size :]), store_id)
        if found is not None and (unfinished is None or found.number > unfinished.number):
            unfinished = found
        if stop is None and pages_after_commit:
            commits += 1
            if unfinished is not None:
                first, last, unfinished = first or unfinished, unfinished, None
    return Log(commits, first, last, stop or "end", unfinished)


def _read_header(header: bytes) -> tuple[str, int, bytes, tuple[int, int]] | None:
    """The byte order, the size of pages, the salts, and the checksum that frames go on from."""
    if len(header) == _HEADER.size:
        magic, _, page_size, _, salts, *stored = _HEADER.unpack(header)
        byte_order = _BYTE_ORDERS.get(magic)
        if byte_order is not None:
            checksum = _checksum(byte_order, header[:_HEADER_SUMMED], (0, 0))
            if checksum == tuple(stored) and page_size in _PAGE_SIZES:
                return byte_order, page_size, salts, checksum
    return None


def _checksum(byte_order: str, data: bytes, start: tuple[int, int]) -> tuple[int, int]:
    first, second = start
    for a, b in struct.iter_unpack(f"{byte_order}2I", data):
        first = (first + a + second) & 0xFFFFFFFF
        second = (second + b + first) & 0xFFFFFFFF
    return first, second
