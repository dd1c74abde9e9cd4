"""Opening the store's file: made if it is missing, checked before anything is believed.

A store that cannot be trusted is refused as a whole, with the place of the damage, because a router
that starts without some of its queues has lost them for its users.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import tempfile
from contextlib import closing, suppress
from pathlib import Path

from attrs import frozen

from simplex_trio.errors import (
    DecodeError,
    StoreCorrupted,
    StoreForeign,
    StoreIncomplete,
    StoreUnavailable,
)
from simplex_trio.router.store.failures import translated
from simplex_trio.router.store.last_commit import STORE_ID_SIZE, LastCommit, Log, Loss, find_loss
from simplex_trio.router.store.log_check import read_log
from simplex_trio.router.store.mark import Mark
from simplex_trio.router.store.schema import (
    APPLICATION_ID,
    CHECKS,
    COMMITS_NUMBERED,
    check_schema,
    check_version,
    migrate,
)

__all__ = ["OpenFile", "open_file"]

_log = logging.getLogger(__name__)

_OWNER_ONLY = stat.S_IRUSR | stat.S_IWUSR

_SMALLEST = 512
"""The smallest page that SQLite knows; it takes a file that is smaller for a new one."""

_PROBLEMS_SHOWN = 3
"""How much of what SQLite's check finds goes into the error; there may be one for every row."""

_LAST_COMMIT = "SELECT state FROM last_commit"


@frozen(eq=False)
class OpenFile:
    """A store's file while it is open: the connection to it, its mark, and its last commit."""

    connection: sqlite3.Connection
    mark: Mark
    last: LastCommit


def open_file(path: Path, *, accept_loss: bool = False) -> OpenFile:
    """Open the store at ``path``, which nobody else can open until it is closed.

    The file is made if neither it nor its log nor its mark exists, and becomes readable by its
    owner only.  Raises `StoreLocked`, `StoreForeign`, `StoreCorrupted` or `StoreUnavailable`.

    It is `StoreIncomplete` if the last commits are missing.  With ``accept_loss`` they are given
    up, which the log of the program tells.
    """
    path = path.resolve()  # as SQLite does, for the log lies beside the real file
    try:
        mark = Mark.open(path)
        try:
            return _open_with_mark(path, mark, accept_loss=accept_loss)
        except BaseException:
            if mark is not None:
                mark.close()
            raise
    except OSError as exc:
        raise StoreUnavailable("the store's file cannot be opened") from exc


def _open_with_mark(path: Path, mark: Mark | None, *, accept_loss: bool) -> OpenFile:
    losses = _Losses(_read_mark(mark), accepted=accept_loss)
    if not path.exists():
        losses.check_missing_file(_log_path(path))
        _create(path)
    if not path.is_file():
        raise StoreForeign("the store's path is not that of a file")
    if path.stat().st_size < _SMALLEST:
        raise StoreCorrupted("the file is cut short")
    losses.check_log(path)
    connection, last = _open_checked(path, losses)
    try:
        if mark is None:
            mark = Mark.create(path, last)
            _sync_directory(path.parent)
        elif last != losses.marked:
            mark.write_durably(last)
    except BaseException:
        connection.close()
        raise
    return OpenFile(connection, mark, last)


def _open_checked(path: Path, losses: _Losses) -> tuple[sqlite3.Connection, LastCommit]:
    connection = _connect(path)
    try:
        with translated("the file's pages"):
            check_version(connection)
            check_schema(connection)
            _check(connection)
            losses.check_opened(_stored_commit(connection))
            _restrict(path)
            _settle(connection)
            last = _prepare(connection)
            if losses.found:
                # What is given up must not lie behind what is written now.
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except BaseException:
        connection.close()
        raise
    return connection, last


class _Losses:
    """What is found to be missing while a store is opened, and what becomes of that."""

    def __init__(self, marked: LastCommit | DecodeError | None, *, accepted: bool) -> None:
        self.marked = None if isinstance(marked, DecodeError) else marked
        self.found = False
        self._accepted = accepted
        self._damage = marked if isinstance(marked, DecodeError) else None

    def check_missing_file(self, log: Path) -> None:
        """A file that does not exist has not been made yet, or is lost."""
        if log.exists():
            raise StoreCorrupted("the file is missing, its write-ahead log is not")
        if self._damage is not None:
            self._lost(Loss("the file, which is missing while its mark is there", None))
        elif self.marked is not None:
            place = "the file, which is missing while its mark is there"
            self._lost(Loss(place, self.marked.number))

    def check_log(self, path: Path) -> None:
        """Look at file and log before SQLite does, which changes both."""
        if self._damage is not None:
            self._lost(Loss("the mark of its last commit", None), self._damage)
        alone = _commit_without_log(path)
        known = alone or self.marked
        if known is not None:
            loss = self.check(alone, read_log(_log_path(path), known.store_id))
            if loss is not None and not loss.fits:
                log = _log_path(path)
                log.replace(log.with_name(f"{log.name}-refused"))

    def check(self, file: LastCommit | None, log: Log) -> Loss | None:
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
            self.check(stored, Log())

    def _lost(self, loss: Loss, cause: Exception | None = None) -> None:
        error = StoreIncomplete(loss.place, loss.commits)
        if not self._accepted:
            raise error from cause
        if not self.found:  # all that is found later follows from the first
            _log.warning("the loss is accepted: %s", error)
        self.found = True
        self.marked = None


def _read_mark(mark: Mark | None) -> LastCommit | DecodeError | None:
    if mark is None:
        return None
    try:
        return mark.read()
    except DecodeError as exc:
        return exc


def _commit_without_log(path: Path) -> LastCommit | None:
    """The number that the file has by itself, if that can be read, without changing anything.

    After a loss of power it may not be readable until SQLite has put pages from the log in place.
    """
    try:
        uri = f"{path.as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.text_factory = bytes
            return _stored_commit(connection)
    except (sqlite3.Error, UnicodeDecodeError, StoreCorrupted):
        return None


def _stored_commit(connection: sqlite3.Connection) -> LastCommit | None:
    """The number in the store; `None` in one of an earlier version."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version < COMMITS_NUMBERED:
        return None
    row = connection.execute(_LAST_COMMIT).fetchone()
    try:
        return None if row is None else LastCommit.decode(bytes(row[0]))
    except (DecodeError, TypeError) as exc:
        raise StoreCorrupted("table last_commit, row 1") from exc


def _prepare(connection: sqlite3.Connection) -> LastCommit:
    """Bring a store up to date; its last commit."""
    migrate(connection)
    last = _stored_commit(connection)
    if last is None:
        last = LastCommit(os.urandom(STORE_ID_SIZE))
        connection.execute("INSERT INTO last_commit VALUES (1, ?)", (last.encode(),))
        # From here on the file itself says whose log and mark are beside it.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return last


def _log_path(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _create(path: Path) -> None:
    """Make an empty store under another name and link it into place.

    So a file at ``path`` is always a whole store, an empty or unfinished one is damage, and of two
    processes that both make one only the first succeeds.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    os.close(descriptor)
    try:
        with translated("a new file"), closing(_connect(Path(name))) as connection:
            _settle(connection)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            _prepare(connection)
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)
    _sync_directory(path.parent)


def _connect(path: Path) -> sqlite3.Connection:
    with translated("the file"):
        # Transactions are begun and ended here by name, and all threads take turns.
        connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
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


def _restrict(path: Path) -> None:
    """Let nobody but the owner read the file and its log."""
    try:
        for part in (path, _log_path(path)):
            if part.exists():
                part.chmod(_OWNER_ONLY)
    except OSError as exc:
        raise StoreUnavailable("the store's file cannot be made private") from exc


def _settle(connection: sqlite3.Connection) -> None:
    """How this connection writes."""
    for setting in (
        "journal_mode = WAL",
        "synchronous = FULL",  # a commit survives the loss of power, not only of the process
        "foreign_keys = ON",
        "secure_delete = FAST",  # keys of deleted queues are wiped wherever that costs no writing
    ):
        connection.execute(f"PRAGMA {setting}")


def _check(connection: sqlite3.Connection) -> None:
    """Return if the structure of the file and the links between its tables are whole."""
    problems = connection.execute(f"PRAGMA integrity_check({_PROBLEMS_SHOWN})").fetchall()
    if problems != [(b"ok",)]:
        raise StoreCorrupted("; ".join(problem.decode(errors="replace") for (problem,) in problems))
    orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
    if orphan is not None:
        table, row, *_ = orphan
        raise StoreCorrupted(f"table {table.decode()}, row {row}: it belongs to nothing")
    for table, query in CHECKS:
        incomplete = connection.execute(query).fetchone()
        if incomplete is not None:
            raise StoreCorrupted(f"table {table}, row {incomplete[0]}: it is not complete")


def _sync_directory(directory: Path) -> None:
    """Make the new name in a directory durable, where the system can do that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
