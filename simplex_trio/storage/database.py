"""`Database`: an SQLite file that notices what is missing, and whose calls run in one thread.

SQLite blocks.  Functions that use the database are plain code, and `Database.run` calls them in a
worker thread, one at a time and in the order of the calls.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio
from attrs import evolve

from simplex_trio.errors import StoreUnavailable
from simplex_trio.storage.backup import BackupThread
from simplex_trio.storage.drivers import PLAIN, Driver
from simplex_trio.storage.failures import translated
from simplex_trio.storage.files import sync_file, sync_folder
from simplex_trio.storage.last_commit import LastCommit
from simplex_trio.storage.log_check import log_path
from simplex_trio.storage.losses import SET_LAST_COMMIT, read_last_commit
from simplex_trio.storage.opening import connect, open_file, settle
from simplex_trio.storage.schema import Schema

__all__ = ["Database"]

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Database:
    """An open database.

    Opening, `transaction` and `close` block; they are for functions that `run` calls, and for
    programs without an event loop.  ``connection`` is SQLite's, for reading, and for writing in a
    transaction.  Wrap reading in `simplex_trio.storage.failures.translated`, which takes the name
    of what would be damaged.
    """

    def __init__(
        self,
        path: Path,
        schema: Schema,
        *,
        accept_loss: bool = False,
        driver: Driver = PLAIN,
    ) -> None:
        """Open the file at ``path``, which no other process can open until it is closed.

        It is made if neither it nor its log nor its mark exists, migrated to the last version of
        the schema, and becomes readable by its owner only.  Raises `StoreLocked`, `StoreForeign`,
        `StoreCorrupted` or `StoreUnavailable`.

        It is `StoreIncomplete` if the last commits are missing.  With ``accept_loss`` they are
        given up, which the log of the program tells.

        ``driver`` is what reads and writes the file, and says whether it is encrypted; with a
        wrong key this raises `StoreKeyWrong`, before anything has changed.
        """
        opened = open_file(path, schema, accept_loss=accept_loss, driver=driver)
        self.path: Path = path
        self._driver = driver
        self._backing_up = trio.Lock()
        self.connection: sqlite3.Connection = opened.connection
        self.is_incomplete: bool = opened.is_incomplete
        """Whether commits were missing when it was opened, which was accepted."""
        self._mark = opened.mark
        self._last = opened.last
        self._is_durable = schema.is_durable
        self._mark_fails = False
        self._limiter = trio.CapacityLimiter(1)
        self._closing = False
        self._closed = trio.Event()

    # --- the thread -----------------------------------------------------------------------------

    async def run(self, function: Callable[[], T]) -> T:
        """What ``function`` returns, called in the worker thread.

        Cancelled before it is its turn, it is not called; once it has begun the result is waited
        for, and no cancellation is heard.  Raises `trio.ClosedResourceError` after `aclose`.
        """
        if self._closing:
            raise trio.ClosedResourceError("the store is closed")
        return await self._in_thread(function)

    async def aclose(self) -> None:
        """Let the functions end that `run` was called with, and release the file.

        Closing again does nothing.  A cancellation takes effect only after everything is closed.
        """
        with trio.CancelScope(shield=True):
            if self._closing:
                await self._closed.wait()
            else:
                self._closing = True
                try:
                    async with self._backing_up:
                        await self._in_thread(self.close)
                finally:
                    self._closed.set()
        await trio.lowlevel.checkpoint()

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(function, limiter=self._limiter)

    # --- transactions ---------------------------------------------------------------------------

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """One numbered commit: all that the body executes, or nothing if it raises.

        It survives a loss of power, with all before it, if it is ``durable`` or the schema says so
        of every commit.
        """
        with translated("the pages that a change concerns"):
            if durable and not self._is_durable:
                self.connection.execute("PRAGMA synchronous = FULL")
                try:
                    with self._numbered(self._last.next):
                        yield
                finally:
                    self.connection.execute("PRAGMA synchronous = NORMAL")
            else:
                with self._numbered(self._last.next):
                    yield
        if durable or self._is_durable:
            self._mark_last(self._mark.write)

    @contextmanager
    def _numbered(self, number: LastCommit) -> Iterator[None]:
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            yield
            execute(SET_LAST_COMMIT, (number.encode(),))
            execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some failures.
            if self.connection.in_transaction:
                execute("ROLLBACK")
            raise
        self._last = number

    def _mark_last(self, write: Callable[[LastCommit], None]) -> None:
        """Note the last commit in the mark; what cannot be noted is stored all the same."""
        try:
            write(self._last)
            self._mark_fails = False
        except OSError as exc:
            if not self._mark_fails:
                _log.warning("the mark of the last commit cannot be written: %s", exc.strerror)
            self._mark_fails = True

    # --- copies ---------------------------------------------------------------------------------

    async def back_up(self, path: Path) -> None:
        """Make a copy at ``path``, where nothing may be, while functions are run in between.

        It has all commits of before this call, and some of those during it, and is written by the
        same driver.  It has no mark, and says that its store was not closed: opening it is refused
        with `StoreIncomplete`, unless the loss of what may have come after it is accepted.  So it
        is in the place of this file, because here one more commit follows.

        If cancelled, or if it raises, there is nothing at ``path``.  Raises `StoreUnavailable`, and
        `trio.ClosedResourceError` if the database is closed meanwhile.
        """
        async with self._backing_up:
            await self.run(partial(_check_free, path))
            temporary = await self.run(partial(_temporary_beside, path))
            try:
                target = await self.run(partial(_connect_copy, self._driver, temporary))
                try:
                    await self._copy_to(target)
                    await self.run(partial(_finish_copy, target))
                finally:
                    with trio.CancelScope(shield=True):
                        await self._in_thread(target.close)
                await self.run(self._commit_nothing)
                await self.run(partial(_put_in_place, temporary, path))
            finally:
                with trio.CancelScope(shield=True):
                    await self._in_thread(partial(_remove, temporary))

    def _commit_nothing(self) -> None:
        with self.transaction():
            pass

    async def _copy_to(self, target: sqlite3.Connection) -> None:
        backup = BackupThread(self.connection, target)
        try:
            while not backup.done:
                await self.run(partial(_copy_piece, backup))
        finally:
            with trio.CancelScope(shield=True):
                await self._in_thread(backup.stop)

    # --- the end --------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the file; what is in the log moves to where it belongs."""
        try:
            # If there is no room for this, a copy of the file can only be opened with its mark.
            with suppress(StoreUnavailable):
                self._note_closing()
            with translated("the file"):
                self.connection.close()
        finally:
            self._mark.close()

    def rewrite(self, write: Callable[[Path], None]) -> None:
        """Let go of the file, after ``write`` has written all of it to another one.

        That takes the place of this one, or if anything fails this one stays as it is.
        """
        try:
            self._note_closing()
            temporary = _temporary_beside(self.path)
            try:
                write(temporary)
                with translated("the file"):
                    self.connection.close()
                    path = self.path.resolve()  # through a link, as SQLite does
                    if log_path(path).exists():
                        raise StoreUnavailable("the log cannot be moved to where it belongs")
                    sync_file(temporary)
                    os.replace(temporary, path)
                    sync_folder(path.parent)
            finally:
                _remove(temporary)
        finally:
            self.connection.close()
            self._mark.close()

    def _note_closing(self) -> None:
        if not self._last.is_closed:
            with translated("table last_commit"):
                self.connection.execute("PRAGMA synchronous = FULL")
                with self._numbered(evolve(self._last.next, is_closed=True)):
                    pass
            self._mark_last(self._mark.write_durably)


# --- copies -------------------------------------------------------------------------------------


def _check_free(path: Path) -> None:
    if path.exists():
        raise StoreUnavailable("there is something at the path of the copy")


def _temporary_beside(path: Path) -> Path:
    """An empty file for its owner alone, where it can be renamed to ``path``."""
    with translated("the copy"):
        path = path.resolve()
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
        os.close(descriptor)
        return Path(name)


def _connect_copy(driver: Driver, path: Path) -> sqlite3.Connection:
    connection = connect(driver, path)
    # What is not finished is thrown away.
    connection.execute("PRAGMA journal_mode = OFF")
    return connection


def _copy_piece(backup: BackupThread) -> None:
    with translated("the store's pages, or the copy"):
        backup.next_piece()


def _finish_copy(target: sqlite3.Connection) -> None:
    """Say in the copy that more may have come after it."""
    with translated("the copy"):
        settle(target)
        last = read_last_commit(target)
        assert last is not None
        target.execute(SET_LAST_COMMIT, (evolve(last, is_closed=False).encode(),))


def _put_in_place(temporary: Path, path: Path) -> None:
    with translated("the copy"):
        sync_file(temporary)
        os.link(temporary, path)  # which fails if there is something
        sync_folder(path.resolve().parent)


def _remove(path: Path) -> None:
    for part in (path, log_path(path)):
        with suppress(OSError):
            part.unlink()
