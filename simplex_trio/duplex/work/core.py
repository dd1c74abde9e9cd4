"""`Core`: takes steps, one transaction each, and lets the work follow from what was stored."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import trio

from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.event_stream import DuplexEvents
from simplex_trio.duplex.events import ConnectionFailed, JoinSent
from simplex_trio.duplex.kem_stock import KEMStock
from simplex_trio.duplex.machine.connection import SendingQueue
from simplex_trio.duplex.machine.files.work import FileWork, file_work_of
from simplex_trio.duplex.machine.notifying import (
    NO_CONNECTION,
    NotificationsDue,
    NotificationWork,
    notifications_due,
)
from simplex_trio.duplex.machine.step import KEMPairNeeded, Moment, Step
from simplex_trio.duplex.machine.work import Work, work_of
from simplex_trio.duplex.statistics import Tally
from simplex_trio.duplex.store.rows import SQLiteRows, StoredEvent
from simplex_trio.duplex.store.store import DuplexStore
from simplex_trio.duplex.work.watches import Watches
from simplex_trio.engine.backoff import Backoff
from simplex_trio.errors import StoreError
from simplex_trio.ratchet.kem import KEMKeyPair

__all__ = ["Core"]

T = TypeVar("T")

_KEM_PAIRS_AT_HAND = 2
"""Pairs that are ready for the thread of the store, which cannot wait for the stock."""

_STORE_BACKOFF = Backoff(initial=1, increase_after=10, factor=2, maximum=60, jitter=0)
"""The waits while the store cannot be written, for lack of room for example."""

WorkOf = dict[str, list[Work]]
"""The work of each connection that a step has used."""

FileWorkOf = dict[str, list[FileWork]]
"""The work of each file that a step has changed."""

Outcome = tuple[T, "WorkOf", "FileWorkOf", "Abandoned", NotificationsDue | None]
"""What a step has returned, and what follows from it."""

Abandoned = list[tuple[str, SendingQueue]]
"""Queues that are not sent to any more, with their users."""


class Core:
    """Steps of one agent."""

    def __init__(
        self,
        config: DuplexConfig,
        store: DuplexStore,
        events: DuplexEvents,
        kem_stock: KEMStock | None,
        watches: Watches,
    ) -> None:
        self.config = config
        self._opened_at = config.clock()
        self.watches = watches
        self.tally: Tally = Tally()
        self._store = store
        self._events = events
        self._kem_stock = kem_stock
        self._kem_pairs: deque[KEMKeyPair] = deque()
        self.set_work: Callable[[str, Sequence[Work | NotificationWork]], object] = lambda *_: None
        """Called for each connection that a step has used, with all its work."""
        self.set_file_work: Callable[[str, list[FileWork]], object] = lambda *_: None
        """The same for each file that a step has changed."""
        self.leave: Callable[[str, SendingQueue], object] = lambda *_: None
        """Called for each queue, with its user, that is not sent to any more."""
        self.notifications: NotificationsDue = NotificationsDue([], None, adds_notifiers=False)
        """As of the last step that has changed anything about them."""
        self.notifications_changed: trio.Event = trio.Event()
        """Set, and replaced, with each such step."""
        store.publish = self._publish

    def moment(self) -> Moment:
        """The present."""
        return self._moment(self._kem_pairs)

    def _moment(self, pairs: deque[KEMKeyPair]) -> Moment:
        config, stock = self.config, self._kem_stock

        def kem_pair() -> KEMKeyPair | None:
            try:
                return pairs.popleft()
            except IndexError:
                return None

        return Moment(
            now=config.clock(),
            random=config.random_bytes,
            kem=None if stock is None else stock.kem,
            kem_pair=kem_pair,
            spoken=config.spoken,
            answers_ratchet_keys=config.answers_resynchronisation,
            opened_at=self._opened_at,
        )

    async def step(
        self,
        decide: Callable[[Step], T],
        *,
        durable: bool | None = True,
        stored: Callable[[T], object] = lambda _: None,
    ) -> T:
        """Take a step: what ``decide`` changes is stored at once, or nothing if it raises.

        Returns what ``decide`` does.  ``stored`` is called with it as soon as all is stored, before
        any work begins that follows.  The step survives a loss of power if ``durable``; `None`
        means if work follows from it.
        """
        pairs: list[KEMKeyPair] = []

        def follow(outcome: Outcome[T]) -> None:
            stored(outcome[0])
            self._begin(outcome)

        self._refill()
        while True:
            taken = partial(self._take, decide, pairs, durable is None)
            try:
                value, *_ = await self._store.transact(taken, durable=bool(durable), stored=follow)
            except KEMPairNeeded:
                assert self._kem_stock is not None
                # The step is taken again from its beginning, with all pairs that it has needed.
                pairs.append(await self._kem_stock.take())
                continue
            self._kem_pairs.extend(pairs)
            return value

    def step_later(self, decide: Callable[[Step], object]) -> None:
        """Take a step soon, together with another one if there is one.

        For what may get lost without harm.
        """
        take = partial(self._take, decide, [], False)
        self._store.transact_later(take, self._begin)

    def _begin(self, outcome: Outcome[object]) -> None:
        _, work, file_work, abandoned, notifications = outcome
        if notifications is not None:
            self.notifications = notifications
            self.notifications_changed.set()
            self.notifications_changed = trio.Event()
            self.set_work(NO_CONNECTION, notifications.works)
        for connection_id, each in work.items():
            self.set_work(connection_id, each)
        for file_id, of_file in file_work.items():
            self.set_file_work(file_id, of_file)
        for user, queue in abandoned:
            self.leave(user, queue)

    def _refill(self) -> None:
        stock, at_hand = self._kem_stock, self._kem_pairs
        while stock is not None and len(at_hand) < _KEM_PAIRS_AT_HAND:
            pair = stock.take_nowait()
            if pair is None:
                return
            at_hand.append(pair)

    async def step_persistently(
        self, decide: Callable[[Step], T], *, durable: bool | None = True
    ) -> T:
        """The same, again and again while the store cannot be written."""
        return await _persistently(lambda: self.step(decide, durable=durable))

    def _take(
        self,
        decide: Callable[[Step], T],
        pairs: list[KEMKeyPair],
        durable_if_work: bool,
        rows: SQLiteRows,
    ) -> Outcome[T]:
        """Take a step in the store's thread; ``pairs`` are for it, and keep what it has not used.

        If there are none, it takes those that are at hand.
        """
        left = deque(pairs)
        step = Step(rows, self._moment(left if pairs else self._kem_pairs))
        value = decide(step)
        step.finish()
        pairs[:] = left
        work: WorkOf = {}
        for connection in step.connections:
            each = work[connection.connection_id] = work_of(step, connection)
            if not connection.is_removed:
                rows.note_work(connection.connection_id, bool(each))
        notifications = notifications_due(step) if step.notifications_changed else None
        file_work = {file_id: file_work_of(rows, file_id) for file_id in step.files}
        has_work = any((*work.values(), *file_work.values()))
        has_work = has_work or (notifications is not None and bool(notifications.works))
        if durable_if_work and has_work:
            rows.wants_durability = True
        return value, work, file_work, step.abandoned, notifications

    async def read(self, look: Callable[[SQLiteRows], T]) -> T:
        """What ``look`` finds in the store; it must not change anything.

        It may share a transaction with steps, and fails with these if the store has no room.
        """
        return await self._store.transact(look, durable=False)

    async def read_persistently(self, look: Callable[[SQLiteRows], T]) -> T:
        """The same, again and again while the store cannot be used."""
        return await _persistently(lambda: self.read(look))

    async def restore_tally(self) -> None:
        """Go on with what earlier runs have counted."""
        self.tally.restore(await self.read(SQLiteRows.router_counts))

    def save_tally(self) -> None:
        """Store what was counted, with another step."""
        changes = self.tally.take_changes()
        if changes:
            self._store.transact_later(
                lambda rows: rows.save_router_counts(changes), lambda _: None
            )

    def _publish(self, events: list[StoredEvent]) -> None:
        for _, event in events:
            if isinstance(event, JoinSent | ConnectionFailed):
                self.watches.finished(event)
        self._events.stored(events)


async def _persistently(call: Callable[[], Awaitable[T]]) -> T:
    """The outcome of a call of the store, which is repeated while that may help."""
    wait: float | None = None
    while True:
        try:
            return await call()
        except StoreError as exc:
            if not exc.retryable:
                raise
        wait = _STORE_BACKOFF.next_wait(wait, _STORE_BACKOFF.increase_after)
        await trio.sleep(wait)
