"""`Transaction`: what decisions change, in the store and in memory.

The router decides in memory and at once, so that the next decision already builds on it; the store
gets the changes a moment later, and may refuse them.  So each change is noted together with an
`Undo`, a value that says how to undo it in memory.  `interpreter.undo` carries these out.
"""

from __future__ import annotations

from attrs import Factory, define

from simplex_trio.frozen import frozen
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
    """Remove a queue that was created."""

    queue: Queue


@frozen(repr=False, eq=False)
class RestoreRecord(Redacted):
    """Give a queue the record that it had."""

    queue: Queue
    record: QueueRecord


@frozen(repr=False, eq=False)
class RestoreQueue(Redacted):
    """Bring a deleted queue back, with its messages."""

    queue: Queue


@frozen(repr=False, eq=False)
class WithdrawMessage(Redacted):
    """Remove the message that was appended to a queue."""

    queue: Queue


@frozen(repr=False, eq=False)
class RestoreMessages(Redacted):
    """Put deleted messages back at the start of a queue."""

    queue: Queue
    messages: list[MessageHead]


@frozen(repr=False, eq=False)
class RemoveService(Redacted):
    """Remove a service that was added."""

    record: ServiceRecord


@frozen(repr=False, eq=False)
class RestoreService(Redacted):
    """Give a service the record that it had, also if it was removed."""

    record: ServiceRecord


@frozen(repr=False, eq=False)
class WithdrawNotification(Redacted):
    """Remove a notification that was added."""

    record: NotificationRecord


@frozen(repr=False, eq=False)
class RestoreNotifications(Redacted):
    """Put deleted notifications back."""

    records: list[NotificationRecord]


@frozen(repr=False, eq=False)
class ReleaseAcknowledgement(Redacted):
    """Let the message be acknowledged again, since its acknowledgement was not stored."""

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
"""How to undo one change in memory."""


@define(eq=False)
class Transaction:
    """Changes that become durable together, already made in memory.

    ``undo`` says how to undo them in memory, in the order in which they were made.
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
