"""`DuplexStore`: steps in transactions, many of them in one if many are waiting."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Generic, TypeVar

import trio
from attrs import define, field

from simplex_trio.duplex.store.rows import SQLiteRows, StoredEvent
from simplex_trio.duplex.store.schema import SCHEMA, TABLES
from simplex_trio.errors import StoreKeyWrong, StoreLocked, StoreUnavailable, copy_of
from simplex_trio.storage.database import Database
from simplex_trio.storage.encryption import (
    Encrypted,
    StoreKey,
    driver_for,
    export,
    is_encrypted,
)
from simplex_trio.storage.failures import translated

__all__ = ["DuplexStore", "MemoryDatabase", "MemoryFile", "change_store_key", "open_duplex_store"]

T = TypeVar("T")

_LATER = 1
"""Seconds for which what may get lost waits for a transaction to be part of."""


@define(eq=False, repr=False)
class _Call(Generic[T]):
    """A function that waits to be called in a transaction."""

    function: Callable[[SQLiteRows], T]
    durable: bool
    stored: Callable[[T], object]
    is_done: bool = False
    is_stored: bool = False
    value: T | None = None
    error: BaseException | None = None
    events: list[StoredEvent] = field(factory=list)


class _UndoneBy(Exception):
    """After a failure in one call SQLite has undone the others as well, as for lack of room."""

    def __init__(self, call: _Call[Any]) -> None:
        super().__init__()
        self.call = call


def _ignore(_: object) -> None:
    """For callers that need no more than what is returned."""


class MemoryDatabase:
    """A database in memory, with the methods of `Database` that a store uses.

    Its functions run at once, in the thread of the event loop: for tests.  ``connection`` is that
    of an earlier database, closed by now, whose contents this one goes on with.
    """

    def __init__(self, connection: sqlite3.Connection | None = None) -> None:
        self.connection: sqlite3.Connection = _new_tables() if connection is None else connection
        self.is_incomplete = False
        self.is_closed: bool = False

    async def run(self, function: Callable[[], T]) -> T:
        """What ``function`` returns."""
        if self.is_closed:
            raise trio.ClosedResourceError("the store is closed")
        await trio.lowlevel.cancel_shielded_checkpoint()
        return function()

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """All that the body executes, or nothing if it raises."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    async def aclose(self) -> None:
        """Close it; what is in it stays, for another database on the same connection."""
        self.is_closed = True
        await trio.lowlevel.checkpoint()


class MemoryFile:
    """The file of an agent, in memory: what is in it stays when the agent is closed.

    `open_duplex_agent` takes it in place of a path, any number of times, and goes on with it as
    with a file.  It belongs to the thread of the Trio program, and needs no other one.  What would
    be in folders beside a file is in ``folder``, or in temporary ones if that is `None`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder: Path | None = folder
        self._connection = _new_tables()
        self._database: MemoryDatabase | None = None

    def open(self) -> MemoryDatabase:
        """The database in it, for one agent at a time; raises `StoreLocked` for another one."""
        if self._database is not None and not self._database.is_closed:
            raise StoreLocked("another agent has this file open")
        self._database = self._on(self._connection)
        return self._database

    def _on(self, connection: sqlite3.Connection) -> MemoryDatabase:
        return MemoryDatabase(connection)

    def close(self) -> None:
        """Forget what is in it; no agent may be open."""
        self._connection.close()


class _InMemory(sqlite3.Connection):
    """A connection that may be dropped: all that it has is its memory, which is freed then.

    From 3.13 on Python warns of others that were not closed.
    """

    def __del__(self) -> None:
        with suppress(sqlite3.ProgrammingError):  # in another thread, which may not close it
            self.close()


def _new_tables() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, factory=_InMemory)
    connection.text_factory = bytes
    connection.execute("PRAGMA foreign_keys = ON")
    for statement in TABLES:
        connection.execute(statement)
    return connection


class DuplexStore:
    """The store of one agent; `open_duplex_store` opens it."""

    def __init__(self, database: Database | MemoryDatabase) -> None:
        self._database = database
        self._rows = SQLiteRows(database.connection)
        self._waiting: list[_Call[Any]] = []
        self._turn = trio.Lock()
        self._taken: list[int] = []
        self._later: list[_Call[Any]] = []
        self._has_later = trio.Event()
        self.publish: Callable[[list[StoredEvent]], object] = lambda _: None
        """Called with the events of each transaction, in order, once it is stored."""

    def __repr__(self) -> str:
        return f"<DuplexStore, {len(self._waiting)} steps waiting>"

    async def transact(
        self,
        function: Callable[[SQLiteRows], T],
        *,
        durable: bool = True,
        stored: Callable[[T], object] = _ignore,
    ) -> T:
        """What ``function`` returns, with all that it changes stored, or its error and nothing.

        Calls that wait for each other share a transaction, and so the price of making it durable;
        if it cannot be stored they all fail.  It survives the end of the program, and with
        ``durable``, or if the function sets `SQLiteRows.wants_durability`, a loss of power too;
        otherwise it does as soon as a later one does.  If the function asks for that and the store
        cannot give it, this raises although all is stored: call it again.

        ``stored`` is called with what the function has returned, before anything else happens; in
        the order of the functions if there were several.

        If this is cancelled before it is its turn, nothing happens; later, it is too late.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        call = _Call(function, durable, stored)
        self._waiting.append(call)
        try:
            await self._turn.acquire()
        except trio.Cancelled:
            if call in self._waiting:
                self._waiting.remove(call)
                raise
            with trio.CancelScope(shield=True):
                await self._turn.acquire()
        try:
            if not call.is_done:
                batch, self._waiting = self._waiting, []
                with trio.CancelScope(shield=True):
                    await self._write(batch)
        finally:
            self._turn.release()
        if call.error is not None:
            raise call.error
        return call.value  # type: ignore[return-value]

    def transact_later(
        self, function: Callable[[SQLiteRows], T], stored: Callable[[T], object]
    ) -> None:
        """Call a function at the beginning of the next transaction, or of one of its own soon.

        For what may get lost without harm.
        """
        self._later.append(_Call(function, False, stored))
        self._has_later.set()

    def took(self, event_number: int) -> None:
        """The program has taken an event; it is removed with the next transaction."""
        self._taken.append(event_number)
        self._has_later.set()

    async def _write(self, batch: list[_Call[Any]]) -> None:
        taken, self._taken = self._taken, []
        later, self._later = self._later, []
        if self._has_later.is_set():
            self._has_later = trio.Event()  # one that is not set has a waiter
        calls = [*later, *batch]
        try:
            await self._database.run(partial(self._in_thread, calls, taken))
        except BaseException as exc:
            self._taken = taken + self._taken
            later = [_Call(each.function, each.durable, each.stored) for each in later]
            self._later = later + self._later
            self._has_later.set()
            for call in calls:
                call.error = copy_of(exc)
        for call in calls:
            call.is_done = True
            if call.is_stored and call.events:
                self.publish(call.events)
            if call.error is None:
                call.stored(call.value)

    def _in_thread(self, calls: list[_Call[Any]], taken: list[int]) -> None:
        while True:
            try:
                self._transact(calls, taken)
            except _UndoneBy as exc:
                calls = [call for call in calls if call is not exc.call]
            else:
                return

    def _transact(self, calls: list[_Call[Any]], taken: list[int]) -> None:
        rows, connection = self._rows, self._database.connection
        execute = connection.execute
        durable = any(call.durable for call in calls)
        unsure: list[_Call[Any]] = []
        try:
            with self._database.transaction(durable=durable), translated("the store's tables"):
                if taken:
                    rows.delete_events(taken)
                for call in calls:
                    execute("SAVEPOINT step")
                    rows.new_events, rows.wants_durability = [], False
                    call.error = None
                    try:
                        with translated("the store's tables"):
                            call.value = call.function(rows)
                        call.events = rows.new_events
                        if rows.wants_durability and not durable:
                            unsure.append(call)
                    except Exception as exc:
                        call.error = exc
                        if not connection.in_transaction:
                            raise _UndoneBy(call) from exc
                        execute("ROLLBACK TO step")
                        rows.forget_changes()
                    execute("RELEASE step")
        except BaseException:
            rows.forget_changes()
            raise
        rows.settle()
        for call in calls:
            call.is_stored = call.error is None
        if unsure:
            try:
                # Any commit that is durable makes those before it so.
                with self._database.transaction(durable=True):
                    pass
            except Exception as exc:
                for call in unsure:
                    call.error = copy_of(exc)

    async def keep_flushing(self) -> None:
        """Store what is to be stored later, if no other transaction does within a second."""
        while True:
            await self._has_later.wait()
            await trio.sleep(_LATER)
            with suppress(StoreUnavailable):  # it is tried again, and none of it is needed
                await self.flush()

    async def flush(self) -> None:
        """Store what is to be stored later."""
        if self._taken or self._later:
            await self.transact(lambda _: None, durable=False)

    @property
    def is_incomplete(self) -> bool:
        """Whether it goes on from an older state than peers and routers know."""
        return self._database.is_incomplete

    async def events_after(self, number: int, limit: int) -> list[StoredEvent]:
        """The oldest stored events behind one with a number."""
        return await self.transact(lambda rows: rows.events_after(number, limit), durable=False)

    async def back_up(self, path: Path) -> None:
        """Make a copy of the file, in turns with steps; see `Database.back_up`."""
        if not isinstance(self._database, Database):
            raise ValueError("what is kept in memory has no backup")
        await self._database.back_up(path)

    async def aclose(self) -> None:
        """Close the file, after what was begun."""
        with trio.CancelScope(shield=True):
            try:
                # Events that were taken come again if there is no room to remove them.
                with suppress(StoreUnavailable):
                    await self.flush()
            finally:
                await self._database.aclose()
        await trio.lowlevel.checkpoint()


@asynccontextmanager
async def open_duplex_store(
    path: Path | MemoryFile | None,
    *,
    key: str | bytes | None = None,
    accept_loss: bool = False,
) -> AsyncIterator[DuplexStore]:
    """Open the store in a file, made if it is missing, or in memory if ``path`` is `None`.

    With a ``key`` the file is encrypted, see `StoreKey`.

    Raises as `Database` does: `StoreLocked`, `StoreForeign`, `StoreCorrupted`, `StoreUnavailable`,
    `StoreKeyWrong`, also if there is no key for a file that is encrypted, and
    `EncryptionSupportMissing`.
    """
    database: Database | MemoryDatabase
    if path is None or isinstance(path, MemoryFile):
        if key is not None:
            raise ValueError("what is kept in memory is not encrypted")
        database = MemoryDatabase() if path is None else path.open()
    else:
        database = await trio.to_thread.run_sync(partial(_open, path, key, accept_loss))
    store = DuplexStore(database)
    try:
        yield store
    finally:
        try:
            await store.aclose()
        finally:
            if path is None:
                # No other store goes on with it, as those in a `MemoryFile` do.
                database.connection.close()


def _open(path: Path, key: str | bytes | None, accept_loss: bool) -> Database:
    driver = driver_for(key)
    if key is None and is_encrypted(path):
        raise StoreKeyWrong("the store is encrypted or damaged, and no key was given")
    return Database(path, SCHEMA, accept_loss=accept_loss, driver=driver)


async def change_store_key(
    path: str | PathLike[str], *, key: str | bytes | None, new_key: str | bytes | None
) -> None:
    """Encrypt the file of an agent that is not open with another key.

    `None` stands for no encryption: so a file that is not encrypted becomes encrypted, or one that
    is becomes readable.  All is written to a new file, which takes the place of the old one at
    once.  The disk may still have what was in the old one where it has been; so may backups.

    Once it has begun it is not cancelled.  If it raises, the file is as before: `StoreKeyWrong` if
    it has another key, `EncryptionSupportMissing`, and the other errors of opening a store.
    """
    await trio.lowlevel.checkpoint_if_cancelled()
    await trio.to_thread.run_sync(partial(_change_key, Path(path), key, new_key))


def _change_key(path: Path, key: str | bytes | None, new_key: str | bytes | None) -> None:
    if key is None and is_encrypted(path):
        raise StoreKeyWrong("the store is encrypted or damaged, and no key was given")
    if not path.exists():
        raise StoreUnavailable("there is no store at this path")
    old, new = (Encrypted(None if each is None else StoreKey(each)) for each in (key, new_key))
    database = Database(path, SCHEMA, driver=old)
    database.rewrite(partial(export, database.connection, new))
