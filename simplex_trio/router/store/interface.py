"""`Store`: what the router asks of the place where its queues and messages are kept.

The router decides in memory.  Every decision that has to outlive it is a few `Change` values, which
it gives to `Store.commit`; when that returns, they are durable, and only then does the router
answer OK.  At start `Store.load` gives everything back except bodies of messages and data of links,
which are read one by one when they are needed.

What belongs together goes together: a store drops the messages, the link data and the pending
notifications of a queue with the queue, the link data with the link, and pending notifications with
the notifier that they are for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from attrs import Factory, frozen

from simplex_trio.redaction import Redacted
from simplex_trio.router.store.records import (
    MessageHead,
    NotificationRecord,
    QueueRecord,
    ServiceRecord,
)
from simplex_trio.wire.smp.links import QueueLinkData

__all__ = [
    "Change",
    "DeleteMessages",
    "DeleteNotifications",
    "DeleteQueue",
    "DeleteService",
    "PutMessage",
    "PutNotification",
    "PutQueue",
    "PutService",
    "PutStatistics",
    "Snapshot",
    "Store",
]


@frozen(repr=False)
class PutQueue(Redacted):
    """Create a queue, or replace its record.

    ``link_data`` comes with a new link, or replaces the data of the link that the queue has; left
    out, the data stays.  Without a link in the record the data is dropped.  Data that the link in
    the record is not made of raises `ValueError`.
    """

    record: QueueRecord
    link_data: QueueLinkData | None = None

    def __attrs_post_init__(self) -> None:
        if self.link_data is not None:
            link = self.record.link
            if link is None or not link.keeps_fixed_part(self.link_data):
                raise ValueError("the data is not that of the queue's link")


@frozen(repr=False)
class DeleteQueue(Redacted):
    """Drop a queue with its messages, its link data and its pending notifications."""

    recipient_id: bytes


@frozen(repr=False)
class PutMessage(Redacted):
    """Keep a new message; the body is as the sender sent it, and empty for a quota notice."""

    recipient_id: bytes
    head: MessageHead
    body: bytes


@frozen(repr=False)
class DeleteMessages(Redacted):
    """Drop messages, whether acknowledged or expired; those that are gone already do not matter."""

    sequences: tuple[int, ...]


@frozen(repr=False)
class PutService(Redacted):
    """Keep a new service, or replace its record."""

    record: ServiceRecord


@frozen(repr=False)
class DeleteService(Redacted):
    """Drop a service that has no queues."""

    service_id: bytes


@frozen(repr=False)
class PutNotification(Redacted):
    """Keep a new notification until its notifier comes."""

    record: NotificationRecord


@frozen(repr=False)
class DeleteNotifications(Redacted):
    """Drop notifications, whether sent or expired; those that are gone already do not matter."""

    sequences: tuple[int, ...]


@frozen(repr=False)
class PutStatistics(Redacted):
    """Set some of the named counters; the others stay."""

    counters: Mapping[str, int]


Change = (
    PutQueue
    | DeleteQueue
    | PutMessage
    | DeleteMessages
    | PutService
    | DeleteService
    | PutNotification
    | DeleteNotifications
    | PutStatistics
)
"""One step of what a store is to remember."""


@frozen(repr=False)
class Snapshot(Redacted):
    """Everything in a store but bodies and link data; the receiver owns the lists and mappings.

    ``messages`` has the heads by recipient id, in the order of their sequence numbers, and no entry
    for an empty queue.  Notifications are in the order of theirs.
    """

    queues: list[QueueRecord] = Factory(list)
    messages: dict[bytes, list[MessageHead]] = Factory(dict)
    services: list[ServiceRecord] = Factory(list)
    notifications: list[NotificationRecord] = Factory(list)
    statistics: dict[str, int] = Factory(dict)

    @property
    def next_sequence(self) -> int:
        """The smallest number above all sequence numbers here, at least 1."""
        messages = (heads[-1].sequence for heads in self.messages.values())
        notifications = (record.sequence for record in self.notifications[-1:])
        return max((0, *messages, *notifications)) + 1


class Store(Protocol):
    """Keeps what a router knows; all methods may be called by many tasks at the same time.

    Once `aclose` has been called, every method raises `trio.ClosedResourceError`.
    """

    async def load(self) -> Snapshot:
        """Everything that commits so far have left.

        Raises `StoreCorrupted` if anything cannot be read; it never leaves anything out.
        Cancelling takes effect when the reading is over, and changes nothing.
        """
        ...

    async def commit(self, changes: Iterable[Change]) -> None:
        """Make the changes durable, in their order: all of them or, if this raises, none.

        Commits take effect in the order of the calls.  Raises

        - `StoreUnavailable` when the medium refuses; nothing that was committed before is lost, and
          the same call may succeed later; it is `StoreFull` when there is no room, or so little
          that it is kept for deleting: then commits that do not make the store larger still work;
        - `StoreConflict` when a change contradicts what is there: an id that is taken, a sequence
          number that is in use, a message for an unknown queue, a notification for an unknown
          notifier, a new link without data;
        - `StoreCorrupted` when what is there cannot be read.

        Cancelling: a call that raises `trio.Cancelled` has written nothing.  Once it has begun it
        does not hear of a cancellation, and returns when the changes are durable.
        """
        ...

    async def bodies(self, sequences: Sequence[int]) -> dict[int, bytes]:
        """The bodies of these messages by sequence number, without those that are gone.

        Raises `StoreCorrupted`, or `StoreUnavailable`.  Cancelling takes effect when the reading is
        over, and changes nothing.
        """
        ...

    async def link_data(self, recipient_id: bytes) -> QueueLinkData | None:
        """The data of a queue's link; `None` without a link or without a queue.

        Raises and is cancelled as `bodies`.
        """
        ...

    async def aclose(self) -> None:
        """Finish the commits that have been called, and let go of the medium.

        Closing again does nothing.  A cancellation takes effect only after everything is closed.
        """
        ...
