"""`Commits`: makes decisions durable, many together, and finishes or takes back each of them.

One task gives the store whatever was decided since the last time it did, in one call, so that the
price of a durable write is shared.  What waits for the write goes on in the order in which it was
decided.  When the store refuses, everything that is not stored is taken back in memory, the latest
first, because later decisions may build on earlier ones; then all who wait are told.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

import trio
from attrs import frozen

from simplex_trio.errors import StoreError, StoreFull
from simplex_trio.router.core.interpreter import undo
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.core.transaction import Transaction
from simplex_trio.router.store.interface import (
    Change,
    DeleteMessages,
    DeleteNotifications,
    DeleteQueue,
    PutQueue,
    Store,
)

__all__ = ["Commits"]

_log = logging.getLogger(__name__)

_MAX_CHANGES = 4096
"""In one call to the store, so that a decision waits for little more than the ones before it."""

_MAX_SCATTERED = 256
"""Rows that are deleted or replaced in one call.

Each is on several pages of the file, which all go to the store's log: about 25 KiB for a queue that
is deleted.  What is written while there is no more room must fit into what is kept for it.
"""

_FINISH_AT_ONCE = 32
"""How many decisions are finished before others get a turn."""

Settled = Callable[[StoreError | None], None]


@frozen(eq=False)
class _Entry:
    transaction: Transaction
    settled: Settled


class Commits:
    """The way from decisions to the store; `run` is its task."""

    def __init__(self, store: Store, state: RouterState) -> None:
        self._store = store
        self._state = state
        self._waiting: deque[_Entry] = deque()
        self._working = False
        self._scope = trio.CancelScope(shield=True)
        self._work = trio.lowlevel.ParkingLot()
        self._idle = trio.lowlevel.ParkingLot()

    def submit(self, transaction: Transaction, settled: Settled) -> None:
        """Have a transaction stored; ``settled`` is called with what went wrong, if anything.

        Transactions are to be submitted in the order in which their changes were made in memory,
        with nothing else happening in between.  Where there is nothing to store and nothing to wait
        for, ``settled`` is called at once.
        """
        if not transaction and not self._waiting and not self._working:
            settled(None)
            return
        self._waiting.append(_Entry(transaction, settled))
        self._work.unpark()

    async def store(self, transaction: Transaction) -> None:
        """Submit a transaction and wait until it is stored; raises the `StoreError` if it is not.

        Cancelled, the waiting ends, and the transaction takes its way.
        """
        done = trio.Event()
        failure: list[StoreError | None] = []

        def settled(error: StoreError | None) -> None:
            failure.append(error)
            done.set()

        self.submit(transaction, settled)
        await done.wait()
        if failure[0] is not None:
            raise failure[0]

    async def drained(self) -> None:
        """Wait until everything that was submitted has been settled."""
        while self._waiting or self._working:
            await self._idle.park()

    def close(self) -> None:
        """End `run`; whatever was not settled never is."""
        self._scope.cancel()

    async def run(self) -> None:
        """Give the store what is submitted, until `close` is called.

        Cancelling from outside does not reach it: what clients have been promised is to be stored
        while everything else is being closed already.
        """
        with self._scope:
            await self._run()

    async def _run(self) -> None:
        while True:
            while not self._waiting:
                await self._work.park()
            self._working = True
            try:
                await self._settle()
            finally:
                self._working = False
            if not self._waiting:
                self._idle.unpark_all()

    async def _settle(self) -> None:
        entries = self._take()
        changes = [change for entry in entries for change in entry.transaction.changes]
        failure = None
        if changes:
            try:
                await self._store.commit(changes)
            except StoreError as exc:
                _log.error("the store has refused %d changes: %s", len(changes), exc)
                failure = exc
                if isinstance(exc, StoreFull):
                    self._state.shortage.begin(trio.current_time())
        if failure is not None:
            entries += self._waiting
            self._waiting.clear()
            for entry in reversed(entries):
                undo(self._state, entry.transaction)
        for number, entry in enumerate(entries, start=1):
            entry.settled(failure)
            if number % _FINISH_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()

    def _take(self) -> list[_Entry]:
        taken: list[_Entry] = []
        size = scattered = 0
        while self._waiting and size < _MAX_CHANGES:
            changes = self._waiting[0].transaction.changes
            scattered += sum(map(_rows_scattered, changes))
            if taken and scattered > _MAX_SCATTERED:
                break
            taken.append(self._waiting.popleft())
            size += len(changes)
        return taken


def _rows_scattered(change: Change) -> int:
    match change:
        case DeleteMessages(sequences) | DeleteNotifications(sequences):
            return len(sequences)
        case DeleteQueue() | PutQueue():
            return 1
        case _:
            return 0
