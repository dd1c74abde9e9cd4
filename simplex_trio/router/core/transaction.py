"""`Transaction`: what decisions change, in the store and in memory.

The router decides in memory and at once, so that the next decision already builds on it; the store
hears of it a moment later, and may refuse.  So each change is noted together with an `Undo`, a
value that says how to take it back in memory.  `interpreter.undo` carries these out.
"""

from __future__ import annotations

from attrs import Factory, define, frozen

from simplex_trio.redaction import Redacted
from simplex_trio.router.core.model import Queue, Subscription
from simplex_trio.router.store.interface import Change
from simplex_trio.router.store.records import (
    MessageHead,
    NotificationRecord,
    QueueRecord,
    ServiceRecord,
)

__all__ = [
    "ReleaseAcknowledgement",
    "RemoveQueue",
    "RemoveService",
    "RestoreMessages",
    "RestoreNotifications",
    "RestoreQueue",
    "RestoreRecord",
    "RestoreService",
    "Transaction",
    "Undo",
    "WithdrawMessage",
    "WithdrawNotification",
]


@frozen(repr=False, eq=False)
class RemoveQueue(Redacted):
    """A queue was created."""

    queue: Queue


@frozen(repr=False, eq=False)
class RestoreRecord(Redacted):
    """A queue got another record in place of this one."""

    queue: Queue
    record: QueueRecord


@frozen(repr=False, eq=False)
class RestoreQueue(Redacted):
    """A queue was deleted with its messages."""

    queue: Queue


@frozen(repr=False, eq=False)
class WithdrawMessage(Redacted):
    """A message was put behind the others of a queue."""

    queue: Queue


@frozen(repr=False, eq=False)
class RestoreMessages(Redacted):
    """These messages were removed from the start of a queue."""

    queue: Queue
    messages: list[MessageHead]


@frozen(repr=False, eq=False)
class RemoveService(Redacted):
    """A service was added."""

    record: ServiceRecord


@frozen(repr=False, eq=False)
class RestoreService(Redacted):
    """A service was removed, or got another record in place of this one."""

    record: ServiceRecord


@frozen(repr=False, eq=False)
class WithdrawNotification(Redacted):
    """A notification was added to those that wait."""

    record: NotificationRecord


@frozen(repr=False, eq=False)
class RestoreNotifications(Redacted):
    """These notifications were removed from those that wait."""

    records: list[NotificationRecord]


@frozen(repr=False, eq=False)
class ReleaseAcknowledgement(Redacted):
    """An acknowledgement on this subscription was on its way to the store."""

    subscription: Subscription


Undo = (
    RemoveQueue
    | RestoreRecord
    | RestoreQueue
    | WithdrawMessage
    | RestoreMessages
    | RemoveService
    | RestoreService
    | WithdrawNotification
    | RestoreNotifications
    | ReleaseAcknowledgement
)
"""How to take back one step that was made in memory."""


@define(eq=False)
class Transaction:
    """Changes that become durable together, already made in memory.

    ``undo`` has what takes them back, in the order in which they were made.
    """

    changes: list[Change] = Factory(list)
    undo: list[Undo] = Factory(list)

    def __bool__(self) -> bool:
        return bool(self.changes)

    def add(self, change: Change, undo: Undo | None = None) -> None:
        """Note a change just made in memory, and what undoes it there, if anything was made."""
        self.changes.append(change)
        if undo is not None:
            self.undo.append(undo)
