"""`PendingNotifications`: what notifiers will be told when they come. Pure.

A notification is sent once and not acknowledged, so it waits only while its notifier is not
subscribed, or does not read.  Only the latest ones are kept, since one
notification of a queue is as good as many.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from simplex_trio.router.core.transaction import (
    RestoreNotifications,
    Transaction,
    WithdrawNotification,
)
from simplex_trio.router.store.interface import DeleteNotifications, PutNotification
from simplex_trio.router.store.records import NotificationRecord

__all__ = ["MAX_PENDING", "PendingNotifications"]

MAX_PENDING: Final = 128
"""How many wait for one notifier, as many as there can be messages in a queue of the default size.
When there are more the oldest are dropped without notice."""


class PendingNotifications:
    """The notifications that wait, by notifier id, the oldest first."""

    def __init__(self, records: Iterable[NotificationRecord] = ()) -> None:
        self._by_notifier: dict[bytes, list[NotificationRecord]] = {}
        self._count = 0
        self.restore(records)

    def __len__(self) -> int:
        return self._count

    def add(self, transaction: Transaction, record: NotificationRecord) -> None:
        """Keep a notification, dropping the oldest of its notifier if there are too many."""
        self._insert(record)
        transaction.add(PutNotification(record), WithdrawNotification(record))
        waiting = self._by_notifier[record.notifier_id]
        if len(waiting) > MAX_PENDING:
            self.drop(transaction, waiting[:-MAX_PENDING])

    def notifier_ids(self) -> tuple[bytes, ...]:
        """The notifiers for which something waits."""
        return tuple(self._by_notifier)

    def take(self, transaction: Transaction, notifier_id: bytes) -> list[NotificationRecord]:
        """Remove and return what waits for a notifier, which has come or is no more."""
        taken = self._by_notifier.get(notifier_id, [])[:]
        if taken:
            self.drop(transaction, taken)
        return taken

    def received_before(self, time: int) -> list[NotificationRecord]:
        """What came before this time."""
        return [
            record
            for waiting in self._by_notifier.values()
            if waiting[0].received_at < time
            for record in waiting
            if record.received_at < time
        ]

    def drop(self, transaction: Transaction, records: list[NotificationRecord]) -> None:
        """Remove some of what waits."""
        self.remove(records)
        sequences = tuple(record.sequence for record in records)
        transaction.add(DeleteNotifications(sequences), RestoreNotifications(records))

    def restore(self, records: Iterable[NotificationRecord]) -> None:
        """Bring back what was dropped; this alone is noted in no transaction."""
        for record in records:
            self._insert(record)

    def remove(self, records: Iterable[NotificationRecord]) -> None:
        """Remove some of what waits; this alone is noted in no transaction."""
        for record in records:
            waiting = self._by_notifier[record.notifier_id]
            waiting.remove(record)
            if not waiting:
                del self._by_notifier[record.notifier_id]
            self._count -= 1

    def _insert(self, record: NotificationRecord) -> None:
        waiting = self._by_notifier.setdefault(record.notifier_id, [])
        waiting.append(record)
        if len(waiting) > 1 and waiting[-2].sequence > record.sequence:
            waiting.sort(key=lambda each: each.sequence)
        self._count += 1
