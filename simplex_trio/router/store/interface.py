"""`Store`: the interface of the storage for a router's queues and messages.

The router decides in memory.  It passes every decision that has to outlive it to `Store.commit`, as
a few `Change` values; when that returns they are durable, and only then does the router answer OK.
At start `Store.load` returns everything except bodies of messages and data of links, which are read
one by one when they are needed.

Deleting cascades: a store deletes the messages, the link data and the pending notifications of a
queue with the queue, the link data with the link, and pending notifications with their notifier.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from attrs import Factory

from simplex_trio.frozen import frozen
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
    "Filling",
    "PutMessage",
    "PutNotification",
    "PutQueue",
    "PutService",
    "PutStatistics",
    "Reading",
    "Snapshot",
    "Store",
]


@frozen(repr=False)
class PutQueue(Redacted):
    """Create a queue, or replace its record.

    ``link_data`` belongs to a new link, or replaces the data of the queue's link; without it, the
    data stays.  Without a link in the record the data is deleted.  Data that does not match the
    link in the record raises `ValueError`.
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
    """Delete a queue with its messages, its link data and its pending notifications."""

    recipient_id: bytes


@frozen(repr=False)
class PutMessage(Redacted):
    """Store a new message; the body is as the sender sent it, and empty for a quota notice."""

    recipient_id: bytes
    head: MessageHead
    body: bytes


@frozen(repr=False)
class DeleteMessages(Redacted):
    """Delete messages, acknowledged or expired; it is no error if some are gone already."""

    sequences: tuple[int, ...]


@frozen(repr=False)
class PutService(Redacted):
    """Store a new service, or replace its record."""

    record: ServiceRecord


@frozen(repr=False)
class DeleteService(Redacted):
    """Delete a service that has no queues."""

    service_id: bytes


@frozen(repr=False)
class PutNotification(Redacted):
    """Store a new notification until its notifier connects."""

    record: NotificationRecord


@frozen(repr=False)
class DeleteNotifications(Redacted):
    """Delete notifications, sent or expired; it is no error if some are gone already."""

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
"""One change to a store."""

Filling = PutService | PutQueue | PutMessage | PutNotification | PutStatistics
"""A change that puts something into a store."""


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
    """Stores what a router knows; many tasks may call its methods at the same time.

    Once `aclose` has been called, every method raises `trio.ClosedResourceError`.
    """

    async def load(self) -> Snapshot:
        """The result of all commits so far.

        Raises `StoreCorrupted` if anything cannot be read; it never skips anything.  Cancelling
        takes effect when the reading is over, or before, and changes nothing.
        """
        ...

    async def commit(self, changes: Iterable[Change]) -> None:
        """Make the changes durable, in their order: all of them or, if this raises, none.

        Commits take effect in the order of the calls.  Raises

        - `StoreUnavailable` when the medium fails; nothing that was committed before is lost, and
          the same call may succeed later; it is `StoreFull` when there is no room, or only the
          reserve for deleting: then commits that do not make the store larger still work;
        - `StoreConflict` when a change contradicts the store: an id that is taken, a sequence
          number that is in use, a message for an unknown queue, a notification for an unknown
          notifier, a new link without data;
        - `StoreCorrupted` when the store cannot be read;
        - `StoreLost` when another process has taken the store over, or when it cannot be told
          whether the changes are stored.  From then on every method raises it, and who opened the
          store is told to end.

        Cancelling: a call that raises `trio.Cancelled` has written nothing.  Once writing has
        begun, a cancellation has no effect, and the call returns when the changes are durable.
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
        """Finish the commits in progress, and release the medium.

        Closing again does nothing.  A cancellation takes effect only after everything is closed.
        """
        ...


class Reading(Protocol):
    """Everything in a store or in a file, read piece by piece."""

    is_complete: bool
    """Whether nothing came after what is read: the store was closed, and is not used meanwhile."""
    records: int | None
    """How many records there are to read, if that is known."""

    async def portion(self) -> Sequence[Filling]:
        """What follows, in an order in which an empty store takes it; nothing at the end.

        A queue comes with the data of its link, and some MiB at once.  Raises `StoreCorrupted` if
        anything cannot be read, or if something is missing at the end; and `StoreUnavailable`.
        Cancelling takes effect when the reading is over, and after that nothing more can be read.
        """
        ...
