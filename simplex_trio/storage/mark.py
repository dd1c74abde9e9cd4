"""`Mark`: the small file beside a store that says which commit was the last."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from simplex_trio.errors import StoreLocked
from simplex_trio.storage.files import OWNER_ONLY, lock, locked_by, sync_folder
from simplex_trio.storage.last_commit import LastCommit

__all__ = ["Mark", "mark_path"]

_LARGEST = 4096
"""So much is read at most; what is longer than the number of a commit is damaged."""


def mark_path(store: Path) -> Path:
    """Where the mark of a store is."""
    return store.with_name(f"{store.name}-mark")


class Mark:
    """An open mark, which no other process can open meanwhile.

    It is written after each commit, in place and without waiting for the disk: the log, for which
    every commit waits, is what makes commits durable.  After a loss of power the mark may be some
    seconds old, and then says nothing about the commits since.
    """

    def __init__(self, descriptor: int) -> None:
        self._file = os.fdopen(descriptor, "r+b", buffering=0)

    @classmethod
    def open(cls, store: Path) -> Mark | None:
        """The mark of a store; `None` if there is none.

        Raises `OSError`, or `StoreLocked` if another process has it open.
        """
        try:
            mark = cls(os.open(mark_path(store), os.O_RDWR | getattr(os, "O_BINARY", 0)))
        except FileNotFoundError:
            return None
        mark._lock()
        return mark

    @classmethod
    def create(cls, store: Path, last: LastCommit) -> Mark:
        """A new mark of a store, which this process has to itself already."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        mark = cls(os.open(mark_path(store), flags, OWNER_ONLY))
        try:
            mark._lock()
            mark.write_durably(last)
        except BaseException:
            mark.close()
            mark_path(store).unlink(missing_ok=True)
            raise
        sync_folder(store.parent)
        return mark

    def _lock(self) -> None:
        # On a file system without such locks SQLite has a lock of its own.
        if not lock(self._file.fileno()):
            holder = locked_by(self._file.fileno())
            self.close()
            who = "another process" if holder is None else f"process {holder}"
            raise StoreLocked(f"{who} has the store open")

    def read(self) -> LastCommit:
        """What was written last; raises `DecodeError` if that is damaged, and `OSError`."""
        self._file.seek(0)
        return LastCommit.decode(self._file.read(_LARGEST) or b"")

    def write(self, last: LastCommit) -> None:
        """Note a commit that is durable."""
        self._file.seek(0)
        self._file.write(last.encode())

    def write_durably(self, last: LastCommit) -> None:
        """Note a commit, cut off whatever else there was, and wait for the disk."""
        self.write(last)
        self._file.truncate()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let others have it, as far as this process is concerned."""
        with suppress(OSError):
            self._file.close()
