"""Opening the store's file: made if it is missing, checked before anything is believed.

A store that cannot be trusted is refused as a whole, with the place of the damage, because a router
that starts without some of its queues has lost them for its users.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
from contextlib import closing, suppress
from pathlib import Path

from simplex_trio.errors import StoreCorrupted, StoreForeign, StoreUnavailable
from simplex_trio.router.store.failures import translated
from simplex_trio.router.store.log_check import check_log
from simplex_trio.router.store.schema import (
    APPLICATION_ID,
    CHECKS,
    check_schema,
    check_version,
    migrate,
)

__all__ = ["open_file"]

_OWNER_ONLY = stat.S_IRUSR | stat.S_IWUSR

_SMALLEST = 512
"""The smallest page that SQLite knows; it takes a file that is smaller for a new one."""

_PROBLEMS_SHOWN = 3
"""How much of what SQLite's check finds goes into the error; there may be one for every row."""


def open_file(path: Path) -> sqlite3.Connection:
    """A connection to the store at ``path``, which nobody else can open until it is closed.

    The file is made if neither it nor its log exists, and becomes readable by its owner only.
    Raises `StoreLocked`, `StoreForeign`, `StoreCorrupted` or `StoreUnavailable`.
    """
    path = path.resolve()  # as SQLite does, for the log lies beside the real file
    try:
        if not path.exists():
            _create(path)
        if not path.is_file():
            raise StoreForeign("the store's path is not that of a file")
        if path.stat().st_size < _SMALLEST:
            raise StoreCorrupted("the file is cut short")
        check_log(_log_path(path))
    except OSError as exc:
        raise StoreUnavailable("the store's file cannot be opened") from exc
    connection = _connect(path)
    try:
        with translated("the file's pages"):
            check_version(connection)
            check_schema(connection)
            _check(connection)
            _restrict(path)
            _settle(connection)
            migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _log_path(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _create(path: Path) -> None:
    """Make an empty store under another name and link it into place.

    So a file at ``path`` is always a whole store, an empty or unfinished one is damage, and of two
    processes that both make one only the first succeeds.
    """
    if _log_path(path).exists():
        raise StoreCorrupted("the file is missing, its write-ahead log is not")
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    os.close(descriptor)
    try:
        with translated("a new file"), closing(_connect(Path(name))) as connection:
            _settle(connection)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            migrate(connection)
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
