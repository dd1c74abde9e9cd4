"""Opening the store's file: made if it is missing, checked before anything is believed.

A store that cannot be trusted is refused as a whole, with the place of the damage, because a router
that starts without some of its queues has lost them for its users.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path

from attrs import frozen

from simplex_trio.errors import StoreCorrupted, StoreForeign, StoreUnavailable
from simplex_trio.router.store.schema import (
    APPLICATION_ID,
    CHECKS,
    COMMITS_NUMBERED,
    check_schema,
    check_version,
    migrate,
)
from simplex_trio.storage.failures import translated
from simplex_trio.storage.files import make_private, sync_folder
from simplex_trio.storage.last_commit import LastCommit
from simplex_trio.storage.losses import Losses, log_path, number_first_commit, read_last_commit
from simplex_trio.storage.mark import Mark

__all__ = ["OpenFile", "open_file"]

_SMALLEST = 512
"""The smallest page that SQLite knows; it takes a file that is smaller for a new one."""

_PROBLEMS_SHOWN = 3
"""How much of what SQLite's check finds goes into the error; there may be one for every row."""


@frozen(eq=False)
class OpenFile:
    """A store's file while it is open: the connection to it, its mark, and its last commit."""

    connection: sqlite3.Connection
    mark: Mark
    last: LastCommit


def open_file(path: Path, *, accept_loss: bool = False) -> OpenFile:
    """Open the store at ``path``, which no other process can open until it is closed.

    The file is made if neither it nor its log nor its mark exists, and becomes readable by its
    owner only.  Raises `StoreLocked`, `StoreForeign`, `StoreCorrupted` or `StoreUnavailable`.

    It is `StoreIncomplete` if the last commits are missing.  With ``accept_loss`` they are given
    up, which the log of the program tells.
    """
    path = path.resolve()  # as SQLite does, for the log lies beside the real file
    with translated("the store's file"):
        mark = Mark.open(path)
        try:
            return _open_with_mark(path, mark, accept_loss=accept_loss)
        except BaseException:
            if mark is not None:
                mark.close()
            raise


def _open_with_mark(path: Path, mark: Mark | None, *, accept_loss: bool) -> OpenFile:
    losses = Losses(mark, accepted=accept_loss)
    if not path.exists():
        losses.check_missing_file(path)
        _create(path)
    if not path.is_file():
        raise StoreForeign("the store's path is not that of a file")
    if path.stat().st_size < _SMALLEST:
        raise StoreCorrupted("the file is cut short")
    losses.check_log(path, _stored_commit)
    connection, last = _open_checked(path, losses)
    try:
        if mark is None:
            mark = Mark.create(path, last)
        elif last != losses.marked:
            mark.write_durably(last)
    except BaseException:
        connection.close()
        raise
    return OpenFile(connection, mark, last)


def _open_checked(path: Path, losses: Losses) -> tuple[sqlite3.Connection, LastCommit]:
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


def _stored_commit(connection: sqlite3.Connection) -> LastCommit | None:
    """The number in the store; `None` in one of an earlier version."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return None if version < COMMITS_NUMBERED else read_last_commit(connection)


def _prepare(connection: sqlite3.Connection) -> LastCommit:
    """Bring a store up to date; its last commit."""
    migrate(connection)
    last = _stored_commit(connection)
    if last is None:
        last = number_first_commit(connection)
        # From here on the file itself says whose log and mark are beside it.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return last


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
    sync_folder(path.parent)


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
    """Let the owner alone read the file and its log."""
    try:
        for part in (path, log_path(path)):
            if part.exists():
                make_private(part)
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
