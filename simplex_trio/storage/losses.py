"""`Losses`: what is missing from a database that is being opened, and what becomes of that."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from attrs import evolve

from simplex_trio.errors import DecodeError, StoreCorrupted, StoreError, StoreIncomplete
from simplex_trio.storage.drivers import Driver
from simplex_trio.storage.failures import translated
from simplex_trio.storage.last_commit import STORE_ID_SIZE, LastCommit, Log, Loss, find_loss
from simplex_trio.storage.log_check import log_path, read_log
from simplex_trio.storage.mark import Mark

__all__ = [
    "LAST_COMMIT_TABLE",
    "SET_LAST_COMMIT",
    "Losses",
    "log_path",
    "number_first_commit",
    "read_last_commit",
]

_log = logging.getLogger(__name__)

LAST_COMMIT_TABLE: Final = """
    CREATE TABLE last_commit (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        state BLOB NOT NULL
    )
    """
"""Where a database has the number of its last commit."""

SET_LAST_COMMIT: Final = "UPDATE last_commit SET state = ?"


def read_last_commit(connection: sqlite3.Connection) -> LastCommit | None:
    """The number in a database; `None` if it has not been given one.

    Raises `StoreCorrupted`, and SQLite's errors.
    """
    row = connection.execute("SELECT state FROM last_commit").fetchone()
    try:
        return None if row is None else LastCommit.decode(bytes(row[0]))
    except (DecodeError, TypeError) as exc:
        raise StoreCorrupted("table last_commit, row 1") from exc


def number_first_commit(connection: sqlite3.Connection) -> LastCommit:
    """Give a database a random id, and the number 0."""
    last = LastCommit(os.urandom(STORE_ID_SIZE))
    connection.execute("INSERT INTO last_commit VALUES (1, ?)", (last.encode(),))
    return last


class Losses:
    """Compares a database, its log and its mark, before and after SQLite opens it.

    Everything that is missing raises `StoreIncomplete`, unless it is ``accepted``: then the log of
    the program tells.  ``durable`` says that every commit waits for the disk before the next one
    begins; without it the mark has to be written after those alone that do.
    """

    def __init__(self, mark: Mark | None, *, accepted: bool, durable: bool = True) -> None:
        self.marked: LastCommit | None = None
        """What the mark says, until a loss is accepted."""
        self.found: bool = False
        """Whether anything is missing, and that was accepted."""
        self._accepted = accepted
        self._durable = durable
        self._damage: DecodeError | None = None
        try:
            self.marked = None if mark is None else mark.read()
        except DecodeError as exc:
            self._damage = exc

    def check_missing_file(self, path: Path) -> None:
        """A file that does not exist has not been made yet, or is lost."""
        if log_path(path).exists():
            raise StoreCorrupted("the file is missing, its write-ahead log is not")
        if self._damage is not None:
            self._lost(Loss("the file, which is missing while its mark is there", None))
        elif self.marked is not None:
            place = "the file, which is missing while its mark is there"
            self._lost(Loss(place, self.marked.number))

    def check_log(
        self,
        path: Path,
        driver: Driver,
        stored: Callable[[sqlite3.Connection], LastCommit | None],
    ) -> None:
        """Look at file and log before SQLite does, which changes both.

        ``stored`` reads the number from a database.
        """
        if self._damage is not None:
            self._lost(Loss("the mark of its last commit", None), self._damage)
        alone = _stored_without_log(path, driver, stored)
        known = alone or self.marked
        if known is not None:
            log = read_log(log_path(path), known.store_id, driver.page_reader(path))
            if not self._durable:
                # A loss of power may leave any part of what was written since the last commit that
                # waited for the disk.
                log = evolve(log, beyond=None)
            loss = self._check(alone, log)
            if loss is not None and not loss.fits:
                refused = log_path(path)
                refused.replace(refused.with_name(f"{refused.name}-refused"))

    def _check(self, file: LastCommit | None, log: Log) -> Loss | None:
        """What is missing, if that is accepted; otherwise raises `StoreIncomplete`."""
        loss = find_loss(file, log, self.marked)
        if loss is not None:
            self._lost(loss)
        return loss

    def check_opened(self, stored: LastCommit | None) -> None:
        """Compare the mark with what SQLite has made of file and log."""
        if stored is None and self.marked is not None:
            self._lost(Loss("the file, which is older than its mark", self.marked.number))
        elif stored is not None:
            self._check(stored, Log())

    def _lost(self, loss: Loss, cause: Exception | None = None) -> None:
        error = StoreIncomplete(loss.place, loss.commits)
        if not self._accepted:
            raise error from cause
        if not self.found:  # all that is found later follows from the first
            _log.warning("the loss is accepted: %s", error)
        self.found = True
        self.marked = None


def _stored_without_log(
    path: Path,
    driver: Driver,
    stored: Callable[[sqlite3.Connection], LastCommit | None],
) -> LastCommit | None:
    """The number that the file has by itself, if that can be read, without changing anything.

    After a loss of power it may not be readable until SQLite has put pages from the log in place.
    """
    try:
        with translated(), closing(driver.connect(path, immutable=True)) as connection:
            connection.text_factory = bytes
            return stored(connection)
    except StoreError:
        return None
