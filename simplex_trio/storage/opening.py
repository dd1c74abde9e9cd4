"""Opening a database: made if it is missing, checked before anything in it is believed.

A database that cannot be trusted is refused as a whole, with the place of the damage, because a
program that starts without some of its records has lost them for its users.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from simplex_trio.errors import StoreCorrupted, StoreForeign
from simplex_trio.frozen import frozen
from simplex_trio.storage.drivers import PLAIN, Driver
from simplex_trio.storage.failures import translated
from simplex_trio.storage.files import make_private, sync_folder
from simplex_trio.storage.last_commit import LastCommit
from simplex_trio.storage.log_check import log_path
from simplex_trio.storage.losses import Losses, number_first_commit, read_last_commit
from simplex_trio.storage.mark import Mark
from simplex_trio.storage.schema import Schema

__all__ = ["OpenFile", "connect", "open_file", "settle"]

_SMALLEST: Final = 512
"""The smallest page that SQLite knows; it takes a file that is smaller for a new one."""


@frozen(eq=False)
class OpenFile:
    """A database while it is open: the connection to it, its mark, and its last commit."""

    connection: sqlite3.Connection
    mark: Mark
    last: LastCommit
    is_incomplete: bool
    """Whether commits are missing, which was accepted."""


def open_file(path: Path, schema: Schema, *, accept_loss: bool, driver: Driver = PLAIN) -> OpenFile:
    """Open a database as `simplex_trio.storage.database.Database` says."""
    with translated("the store's file"):
        path = path.resolve()  # as SQLite does, for the log lies beside the real file
        mark = Mark.open(path)
        try:
            return _Opening(path, schema, mark, driver, accept_loss=accept_loss).open()
        except BaseException:
            if mark is not None:
                mark.close()
            raise


class _Opening:
    """The steps of opening one database."""

    def __init__(
        self, path: Path, schema: Schema, mark: Mark | None, driver: Driver, *, accept_loss: bool
    ) -> None:
        self._driver = driver
        self._path = path
        self._schema = schema
        self._mark = mark
        self._losses = Losses(mark, accepted=accept_loss, durable=schema.is_durable)

    def open(self) -> OpenFile:
        path, losses, mark = self._path, self._losses, self._mark
        if not path.exists():
            losses.check_missing_file(path)
            self._create()
        elif mark is not None and path.is_file() and not path.stat().st_size:
            losses.check_missing_file(path)
            path.unlink()  # the mark is locked, so no other process uses it
            self._create()
        if not path.is_file():
            raise StoreForeign("the store's path is not that of a file")
        if path.stat().st_size < _SMALLEST:
            raise StoreCorrupted("the file is cut short")
        self._driver.check(path)
        losses.check_log(path, self._driver, self._stored_commit)
        connection, last = self._open_checked()
        try:
            if mark is None:
                mark = Mark.create(path, last)
            elif last != losses.marked:
                mark.write_durably(last)
        except BaseException:
            connection.close()
            raise
        return OpenFile(connection, mark, last, self._losses.found)

    def _open_checked(self) -> tuple[sqlite3.Connection, LastCommit]:
        connection = connect(self._driver, self._path)
        try:
            with translated("the file's pages"):
                self._schema.check_version(connection)
                self._schema.check_tables(connection)
                self._schema.check_contents(connection)
                self._losses.check_opened(self._stored_commit(connection))
                self._restrict()
                settle(connection)
                last = self._prepare(connection)
                if self._losses.found:
                    # What is given up must not lie behind what is written now.
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                if not self._schema.is_durable:
                    connection.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            connection.close()
            raise
        return connection, last

    def _stored_commit(self, connection: sqlite3.Connection) -> LastCommit | None:
        """The number in the file; `None` in one of an earlier version."""
        return read_last_commit(connection) if self._schema.numbers_commits(connection) else None

    def _prepare(self, connection: sqlite3.Connection) -> LastCommit:
        """Bring a file up to date; its last commit."""
        self._schema.migrate(connection)
        last = self._stored_commit(connection)
        if last is None:
            last = number_first_commit(connection)
            # From here on the file itself says whose log and mark are beside it.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return last

    def _create(self) -> None:
        """Make an empty database under another name and link it into place.

        So a file at the path is always a whole database, an empty or unfinished one is damage, and
        of two processes that both make one only the first succeeds.
        """
        path = self._path
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
        os.close(descriptor)
        try:
            with translated("a new file"), closing(connect(self._driver, Path(name))) as connection:
                settle(connection)
                connection.execute(f"PRAGMA application_id = {self._schema.application_id}")
                self._prepare(connection)
            with suppress(FileExistsError):
                os.link(name, path)
        finally:
            os.unlink(name)
        sync_folder(path.parent)

    def _restrict(self) -> None:
        """Let the owner alone read the file and its log."""
        for part in (self._path, log_path(self._path)):
            with suppress(FileNotFoundError):
                make_private(part)


def connect(driver: Driver, path: Path) -> sqlite3.Connection:
    """A connection that has the file to itself; transactions are begun and ended by name."""
    with translated("the file"):
        connection = driver.connect(path)
    # Text that is damaged must not raise errors of its own; none of the columns holds text.
    connection.text_factory = bytes
    for setting in (
        "locking_mode = EXCLUSIVE",  # from the first access on
        "cell_size_check = ON",  # damage inside a page is found when the page is read
        "temp_store = MEMORY",  # nothing of the store goes anywhere else on the disk
        "trusted_schema = OFF",
    ):
        connection.execute(f"PRAGMA {setting}")
    return connection


def settle(connection: sqlite3.Connection) -> None:
    """Decide how this connection writes."""
    for setting in (
        "journal_mode = WAL",
        "synchronous = FULL",  # a commit survives the loss of power, not only of the process
        "foreign_keys = ON",
        "secure_delete = FAST",  # deleted keys are wiped wherever that costs no writing
    ):
        connection.execute(f"PRAGMA {setting}")
