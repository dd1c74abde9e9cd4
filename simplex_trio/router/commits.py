"""`Commits`: makes decisions durable, many together, and has each of them completed.

One task gives the store everything that was decided since its last call, in one call, so that the
price of a durable write is shared.  Then the decisions are completed in their order, as
`simplex_trio.router.core.interpreter` says, also if the store has refused them.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from typing import Protocol

import trio
from attrs import Factory, define

from simplex_trio.errors import StoreError, StoreFull, StoreLost
from simplex_trio.frozen import frozen
from simplex_trio.router.core.decisions import Effect, Work
from simplex_trio.router.core.interpreter import apply, complete, undo
from simplex_trio.router.core.replies import Replies
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.core.transaction import Transaction
from simplex_trio.router.store.interface import (
    Change,
    DeleteMessages,
    DeleteNotifications,
    DeleteQueue,
    PutMessage,
    PutQueue,
    Store,
)

__all__ = ["Commits", "Receiver"]

_log = logging.getLogger(__name__)

_MAX_CHANGES = 4096
"""Changes in one call to the store, so that a decision waits for little more than earlier ones."""

_MAX_SCATTERED = 256
"""Rows that are deleted or replaced in one call.

Each is on several pages of the file, which all go to the store's log: about 25 KiB for a queue that
is deleted.  What is written while there is no more room must fit into what is kept for it.
"""

_MAX_BYTES = 2 * 1024 * 1024
"""Bytes of bodies in one call, for the same reason: the store takes some 10 ms for so many.

Meanwhile the messages of the call before are answered, and more of them are read.
"""

_COMPLETE_AT_ONCE = 32
"""How much work is completed before other tasks get a turn."""


class Receiver(Protocol):
    """Receives the outcome of the work that it has submitted."""

    def completed(self, replies: Replies | None, failure: StoreError | None) -> None:
        """Take the replies to the decisions, and the error if the store has refused the changes.

        There are no replies after a bug, which has been logged, and when it is not known whether
        the changes are stored (`StoreLost`).
        """
        ...


@frozen(eq=False)
class _Entry:
    work: Work
    receiver: Receiver | None


class Commits:
    """The way from decisions to the store, and on to their effects; `run` is its task."""

    def __init__(self, store: Store, state: RouterState) -> None:
        self._store = store
        self._state = state
        self._waiting: deque[_Entry] = deque()
        self._working = False
        self._working_since = 0.0
        self._scope = trio.CancelScope(shield=True)
        self._work = trio.lowlevel.ParkingLot()
        self._idle = trio.lowlevel.ParkingLot()

    def submit(self, work: Work, receiver: Receiver | None = None) -> None:
        """Have decisions stored and completed, and their replies given to ``receiver``.

        Work is to be submitted in the order in which its changes were made in memory, with nothing
        else happening in between.  If there is nothing to store and nothing to wait for, it is
        completed at once.
        """
        entry = _Entry(work, receiver)
        if not work.transaction and not self._waiting and not self._working:
            self._complete(entry, None)
            return
        self._waiting.append(entry)
        self._work.unpark()

    def submit_all(self, works: Iterable[Work]) -> None:
        """Submit what the router has decided by itself."""
        for work in works:
            self.submit(work)

    def apply(self, effect: Effect) -> None:
        """Apply an effect that belongs to no decision, now."""
        try:
            apply(self._state, effect)
        finally:
            self._submit_follow_ups()

    async def store(self, transaction: Transaction) -> None:
        """Submit a transaction and wait until it is stored; raises the `StoreError` if it is not.

        If this is cancelled, the wait ends, and the transaction is stored all the same.
        """
        await self.carry_out(Work(transaction))

    async def carry_out(self, work: Work) -> None:
        """As `store`, for changes with effects."""
        outcome = _StoreOutcome()
        self.submit(work, outcome)
        await outcome.done.wait()
        if outcome.failure is not None:
            raise outcome.failure

    async def drained(self) -> None:
        """Wait until everything that was submitted has been completed."""
        while self._waiting or self._working:
            await self._idle.park()

    @property
    def seconds_in_store(self) -> float:
        """How long the store has had what it is storing now; 0 if it has nothing to do."""
        return trio.current_time() - self._working_since if self._working else 0.0

    def close(self) -> None:
        """End `run`; work that was not completed never is."""
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
            self._working_since = trio.current_time()
            try:
                await self._commit()
            finally:
                self._working = False
            if not self._waiting:
                self._idle.unpark_all()

    async def _commit(self) -> None:
        entries = self._take()
        changes = [change for entry in entries for change in entry.work.transaction.changes]
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
                undo(self._state, entry.work.transaction)
        for number, entry in enumerate(entries, start=1):
            self._complete(entry, failure)
            if number % _COMPLETE_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()

    def _complete(self, entry: _Entry, failure: StoreError | None) -> None:
        replies = None
        try:
            completed = complete(self._state, entry.work, stored=failure is None)
            replies = None if isinstance(failure, StoreLost) else completed
        except Exception:
            # A bug, in the task that serves all connections: it must end only one of them.
            _log.exception("a command could not be answered")
        finally:
            self._submit_follow_ups()
        if entry.receiver is not None:
            entry.receiver.completed(replies, failure)

    def _submit_follow_ups(self) -> None:
        follow_ups = self._state.follow_ups
        if follow_ups:
            self._state.follow_ups = []
            self.submit_all(map(Work, follow_ups))

    def _take(self) -> list[_Entry]:
        taken: list[_Entry] = []
        size = scattered = written = 0
        while self._waiting and size < _MAX_CHANGES:
            changes = self._waiting[0].work.transaction.changes
            for change in changes:
                if isinstance(change, PutMessage):
                    written += len(change.body)
                else:
                    scattered += _rows_scattered(change)
            if taken and (scattered > _MAX_SCATTERED or written > _MAX_BYTES):
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


@define(eq=False)
class _StoreOutcome:
    """Receives what became of one transaction."""

    done: trio.Event = Factory(trio.Event)
    failure: StoreError | None = None

    def completed(self, _replies: Replies | None, failure: StoreError | None) -> None:
        self.failure = failure
        self.done.set()
