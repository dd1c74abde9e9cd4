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

_HEADER: Final = struct.Struct(">6I8s8s")
_FRAME: Final = struct.Struct(">II8s8s")
_MAGIC: Final = {0x377F0682: "<", 0x377F0683: ">"}
"""The magic numbers, and the byte order of the words that the checksum is made of."""


@frozen
class Log:
    """Where commits end in a log: the numbers of their last frames, counted from 1."""

    commits: tuple[int, ...] = ()

    def check(self, frames_read: int) -> None:
        """Return if ``frames_read`` leaves no finished commit unread; else `StoreCorrupted`."""
        unread = [commit for commit in self.commits if commit > frames_read]
        if len(unread) > 1:
            raise StoreCorrupted(f"write-ahead log, frame {frames_read + 1}")
