"""`PendingNotifications`: notifications for notifiers that cannot be reached now. Pure.

A notification is sent once and not acknowledged, so it is pending only while its notifier is not
subscribed, or does not read.  Only the latest ones are kept, since one notification of a queue is
as good as many.
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
"""The most for one notifier, as many as the messages in a queue with the default quota.  When there
are more, the oldest are dropped without notice."""


class PendingNotifications:
    """Notifications by notifier id, the oldest first."""

    def __init__(self, records: Iterable[NotificationRecord] = ()) -> None:
        self._by_notifier: dict[bytes, list[NotificationRecord]] = {}
        self._count = 0
        self.restore(records)

    def __len__(self) -> int:
        return self._count

    def add(self, transaction: Transaction, record: NotificationRecord) -> None:
        """Add a notification, and drop the oldest of its notifier if there are too many."""
        self._insert(record)
        transaction.add(PutNotification(record), WithdrawNotification(record))
        waiting = self._by_notifier[record.notifier_id]
        if len(waiting) > MAX_PENDING:
            self.drop(transaction, waiting[:-MAX_PENDING])

    def notifier_ids(self) -> tuple[bytes, ...]:
        """The notifiers with pending notifications."""
        return tuple(self._by_notifier)

    def take(self, transaction: Transaction, notifier_id: bytes) -> list[NotificationRecord]:
        """Remove and return all notifications of a notifier."""
        taken = self._by_notifier.get(notifier_id, [])[:]
        if taken:
            self.drop(transaction, taken)
        return taken

    def received_before(self, time: int) -> list[NotificationRecord]:
        """The notifications of messages that arrived before this time."""
        return [
            record
            for waiting in self._by_notifier.values()
            if waiting[0].received_at < time
            for record in waiting
            if record.received_at < time
        ]

    def drop(self, transaction: Transaction, records: list[NotificationRecord]) -> None:
        """Delete some notifications."""
        self.remove(records)
        sequences = tuple(record.sequence for record in records)
        transaction.add(DeleteNotifications(sequences), RestoreNotifications(records))

    def restore(self, records: Iterable[NotificationRecord]) -> None:
        """Add notifications, without a transaction."""
        for record in records:
            self._insert(record)

    def remove(self, records: Iterable[NotificationRecord]) -> None:
        """Remove notifications, without a transaction."""
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
