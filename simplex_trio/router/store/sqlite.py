"""`open_sqlite_store`: the store of a router that survives, in one SQLite file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TypeVar

import trio

from simplex_trio.router.store.database import Changes, Database
from simplex_trio.router.store.group_commit import GroupCommit
from simplex_trio.router.store.interface import Change, Snapshot, Store
from simplex_trio.wire.smp.links import QueueLinkData

__all__ = ["SQLiteStore", "open_sqlite_store"]

T = TypeVar("T")


@asynccontextmanager
async def open_sqlite_store(
    path: str | PathLike[str], *, accept_loss: bool = False
) -> AsyncIterator[SQLiteStore]:
    """Open the store in the file at ``path``, made if it is missing, and close it at the end.

    The whole file is checked first, which takes time in proportion to its size.  Raises

    - `StoreLocked` while another process has the file open;
    - `StoreCorrupted` if anything is damaged: nothing is repaired, and nothing left out;
    - `StoreIncomplete`, which is one of these, if the last commits are missing.  ``accept_loss``
      gives them up, says so in the log of the program, and opens the store with what is left;
    - `StoreForeign` if the file is something else, or of a later version of this package;
    - `StoreUnavailable` if it cannot be read or written.

    Cancelling takes effect when opening is over.
    """
    store = await SQLiteStore.open(Path(path), accept_loss=accept_loss)
    try:
        yield store
    finally:
        await store.aclose()


class SQLiteStore(Store):
    """A store in an SQLite file with a write-ahead log; see `Store` for the contract.

    SQLite blocks, so its calls run in a thread, one at a time; commits that come while one is being
    written are written together.
    """

    def __init__(self, database: Database, limiter: trio.CapacityLimiter) -> None:
        self._database = database
        self._limiter = limiter
        self._commits = GroupCommit[Changes](self._write)
        self._closing = False
        self._closed = trio.Event()

    @classmethod
    async def open(cls, path: Path, *, accept_loss: bool = False) -> SQLiteStore:
        """Open the file as `open_sqlite_store` says; the caller has to close the store."""
        limiter = trio.CapacityLimiter(1)
        opening = partial(Database, path, accept_loss=accept_loss)
        return cls(await trio.to_thread.run_sync(opening, limiter=limiter), limiter)

    async def load(self) -> Snapshot:
        return await self._call(self._database.load)

    async def commit(self, changes: Iterable[Change]) -> None:
        self._check_open()
        await trio.lowlevel.checkpoint_if_cancelled()
        await self._commits.submit(tuple(changes))

    async def bodies(self, sequences: Sequence[int]) -> dict[int, bytes]:
        return await self._call(partial(self._database.bodies, sequences))

    async def link_data(self, recipient_id: bytes) -> QueueLinkData | None:
        return await self._call(partial(self._database.link_data, recipient_id))

    async def aclose(self) -> None:
        if self._closing:
            with trio.CancelScope(shield=True):
                await self._closed.wait()
        else:
            self._closing = True
            with trio.CancelScope(shield=True):
                await self._commits.idle()
                try:
                    await self._in_thread(self._database.close)
                finally:
                    self._closed.set()
        await trio.lowlevel.checkpoint()

    async def _write(self, commits: Sequence[Changes]) -> list[Exception | None]:
        return await self._in_thread(partial(self._database.write, commits))

    async def _call(self, function: Callable[[], T]) -> T:
        self._check_open()
        return await self._in_thread(function)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(function, limiter=self._limiter)

    def _check_open(self) -> None:
        if self._closing:
            raise trio.ClosedResourceError("the store is closed")
