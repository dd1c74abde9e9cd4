"""`MemoryStore`: a store that ends with its router."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from typing import TypeVar

import trio

from simplex_trio.errors import StoreConflict
from simplex_trio.router.store.interface import (
    Change,
    DeleteMessages,
    DeleteNotifications,
    DeleteQueue,
    DeleteService,
    Filling,
    PutMessage,
    PutNotification,
    PutQueue,
    PutService,
    PutStatistics,
    Reading,
    Snapshot,
    Store,
)
from simplex_trio.router.store.records import (
    MessageHead,
    NotificationRecord,
    QueueRecord,
    ServiceRecord,
)
from simplex_trio.wire.smp.links import QueueLinkData

__all__ = ["MemoryStore"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_PORTION = 512
"""Changes that are read at once: some MiB, if all of them are as large as they may be."""


class MemoryStore(Store):
    """A store in memory; see `Store` for the contract.

    It refuses what a store on a disk refuses, so that tests against it are meaningful.
    """

    def __init__(self) -> None:
        self._tables = _Tables()
        self._closed = False

    async def load(self) -> Snapshot:
        await self._checkpoint()
        return self._tables.snapshot()

    async def commit(self, changes: Iterable[Change]) -> None:
        self._check_open()
        await trio.lowlevel.checkpoint_if_cancelled()
        self._tables.apply(changes)
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def bodies(self, sequences: Sequence[int]) -> dict[int, bytes]:
        await self._checkpoint()
        messages = self._tables.messages
        return {number: messages[number].body for number in sequences if number in messages}

    async def link_data(self, recipient_id: bytes) -> QueueLinkData | None:
        await self._checkpoint()
        return self._tables.links.get(recipient_id)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Reading]:
        """Read everything that is there now, to copy it."""
        await self._checkpoint()
        yield _MemoryReading(list(self._tables.everything()))

    async def aclose(self) -> None:
        self._closed = True
        await trio.lowlevel.checkpoint()

    async def _checkpoint(self) -> None:
        self._check_open()
        await trio.lowlevel.checkpoint()

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("the store is closed")


class _MemoryReading(Reading):
    is_complete = True

    def __init__(self, changes: list[Filling]) -> None:
        self._rest = iter(changes)
        self.records: int | None = len(changes)

    async def portion(self) -> Sequence[Filling]:
        await trio.lowlevel.checkpoint()
        return tuple(islice(self._rest, _PORTION))


class _Index:
    """Which sequence numbers belong to each owner."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, set[int]] = {}

    def of(self, owner: bytes) -> tuple[int, ...]:
        return tuple(self._numbers.get(owner, ()))

    def add(self, owner: bytes, number: int) -> None:
        self._numbers.setdefault(owner, set()).add(number)

    def discard(self, owner: bytes, number: int) -> None:
        numbers = self._numbers[owner]
        numbers.discard(number)
        if not numbers:
            del self._numbers[owner]


class _Journal:
    """Changes tables and indexes, and can undo all of it."""

    def __init__(self) -> None:
        self.steps_back: list[Callable[[], object]] = []

    def put(self, table: dict[K, V], key: K, value: V) -> None:
        self._remember(table, key)
        table[key] = value

    def drop(self, table: dict[K, V], key: K) -> None:
        self._remember(table, key)
        table.pop(key, None)

    def add(self, index: _Index, owner: bytes, number: int) -> None:
        self.steps_back.append(partial(index.discard, owner, number))
        index.add(owner, number)

    def discard(self, index: _Index, owner: bytes, number: int) -> None:
        self.steps_back.append(partial(index.add, owner, number))
        index.discard(owner, number)

    def take_back(self) -> None:
        for step in reversed(self.steps_back):
            step()

    def _remember(self, table: dict[K, V], key: K) -> None:
        if key in table:
            self.steps_back.append(partial(table.__setitem__, key, table[key]))
        else:
            self.steps_back.append(partial(table.pop, key, None))


class _Tables:
    """What is stored, and the indexes that find what belongs together."""

    def __init__(self) -> None:
        self.links: dict[bytes, QueueLinkData] = {}
        self.messages: dict[int, PutMessage] = {}
        self._queues: dict[bytes, QueueRecord] = {}
        self._services: dict[bytes, ServiceRecord] = {}
        self._notifications: dict[int, NotificationRecord] = {}
        self._statistics: dict[str, int] = {}
        # The owner of each id: the recipient id of a queue, or the id of a service.
        self._senders: dict[bytes, bytes] = {}
        self._links: dict[bytes, bytes] = {}
        self._notifiers: dict[bytes, bytes] = {}
        self._certificates: dict[bytes, bytes] = {}
        self._messages_of_queue = _Index()
        self._notifications_of_notifier = _Index()
        self._journal = _Journal()

    def snapshot(self) -> Snapshot:
        messages: dict[bytes, list[MessageHead]] = {}
        for _, message in sorted(self.messages.items()):
            messages.setdefault(message.recipient_id, []).append(message.head)
        return Snapshot(
            list(self._queues.values()),
            messages,
            list(self._services.values()),
            [notification for _, notification in sorted(self._notifications.items())],
            dict(self._statistics),
        )

    def everything(self) -> Iterator[Filling]:
        """Changes that fill an empty store with the same."""
        yield from map(PutService, self._services.values())
        for recipient_id, queue in self._queues.items():
            yield PutQueue(queue, self.links.get(recipient_id))
        yield from (message for _, message in sorted(self.messages.items()))
        for _, notification in sorted(self._notifications.items()):
            yield PutNotification(notification)
        for name, value in self._statistics.items():
            yield PutStatistics({name: value})

    def apply(self, changes: Iterable[Change]) -> None:
        """Apply all of the changes; or none, and raise what is wrong with one of them."""
        try:
            for change in changes:
                self._apply(change)
        except BaseException:
            self._journal.take_back()
            raise
        finally:
            self._journal = _Journal()

    def _apply(self, change: Change) -> None:
        match change:
            case PutMessage():
                self._put_message(change)
            case DeleteMessages(sequences):
                for sequence in sequences:
                    self._delete_message(sequence)
            case PutQueue(queue, link_data):
                self._put_queue(queue, link_data)
            case DeleteQueue(recipient_id):
                self._delete_queue(recipient_id)
            case PutNotification(notification):
                self._put_notification(notification)
            case DeleteNotifications(sequences):
                for sequence in sequences:
                    self._delete_notification(sequence)
            case PutService(service):
                self._put_service(service)
            case DeleteService(service_id):
                self._delete_service(service_id)
            case PutStatistics(counters):
                for name, value in counters.items():
                    self._journal.put(self._statistics, name, value)

    # --- queues ---------------------------------------------------------------------------------

    def _put_queue(self, queue: QueueRecord, link_data: QueueLinkData | None) -> None:
        recipient_id = queue.recipient_id
        old = self._queues.get(recipient_id)
        new_link, new_notifier = _link_id(queue), _notifier_id(queue)
        if old is not None:
            if _link_id(old) != new_link:
                self._journal.drop(self.links, recipient_id)
            if _notifier_id(old) != new_notifier:
                self._drop_notifications(_notifier_id(old))
            self._release_ids(old)
        self._take_id(self._senders, queue.sender_id, recipient_id)
        self._take_id(self._links, new_link, recipient_id)
        self._take_id(self._notifiers, new_notifier, recipient_id)
        self._journal.put(self._queues, recipient_id, queue)
        if link_data is not None:
            self._journal.put(self.links, recipient_id, link_data)
        elif new_link is not None and recipient_id not in self.links:
            raise StoreConflict("a new link has no data")

    def _delete_queue(self, recipient_id: bytes) -> None:
        queue = self._queues.get(recipient_id)
        if queue is None:
            return
        for sequence in self._messages_of_queue.of(recipient_id):
            self._delete_message(sequence)
        self._drop_notifications(_notifier_id(queue))
        self._journal.drop(self.links, recipient_id)
        self._release_ids(queue)
        self._journal.drop(self._queues, recipient_id)

    def _release_ids(self, queue: QueueRecord) -> None:
        self._journal.drop(self._senders, queue.sender_id)
        for owners, taken in (
            (self._links, _link_id(queue)),
            (self._notifiers, _notifier_id(queue)),
        ):
            if taken is not None:
                self._journal.drop(owners, taken)

    def _take_id(self, owners: dict[bytes, bytes], taken: bytes | None, owner: bytes) -> None:
        if taken is None:
            return
        if owners.get(taken, owner) != owner:
            raise StoreConflict("an id is taken")
        self._journal.put(owners, taken, owner)

    # --- messages -------------------------------------------------------------------------------

    def _put_message(self, message: PutMessage) -> None:
        sequence = message.head.sequence
        if message.recipient_id not in self._queues:
            raise StoreConflict("a message for an unknown queue")
        if sequence in self.messages:
            raise StoreConflict("a sequence number is in use")
        self._journal.steps_back.append(partial(self._remove_message, message))
        self.messages[sequence] = message
        self._messages_of_queue.add(message.recipient_id, sequence)

    def _remove_message(self, message: PutMessage) -> None:
        del self.messages[message.head.sequence]
        self._messages_of_queue.discard(message.recipient_id, message.head.sequence)

    def _delete_message(self, sequence: int) -> None:
        message = self.messages.get(sequence)
        if message is not None:
            self._journal.drop(self.messages, sequence)
            self._journal.discard(self._messages_of_queue, message.recipient_id, sequence)

    # --- notifications and services -------------------------------------------------------------

    def _put_notification(self, notification: NotificationRecord) -> None:
        sequence = notification.sequence
        if notification.notifier_id not in self._notifiers:
            raise StoreConflict("a notification for an unknown notifier")
        if sequence in self._notifications:
            raise StoreConflict("a sequence number is in use")
        self._journal.put(self._notifications, sequence, notification)
        self._journal.add(self._notifications_of_notifier, notification.notifier_id, sequence)

    def _delete_notification(self, sequence: int) -> None:
        notification = self._notifications.get(sequence)
        if notification is not None:
            owner = notification.notifier_id
            self._journal.drop(self._notifications, sequence)
            self._journal.discard(self._notifications_of_notifier, owner, sequence)

    def _drop_notifications(self, notifier_id: bytes | None) -> None:
        if notifier_id is not None:
            for sequence in self._notifications_of_notifier.of(notifier_id):
                self._delete_notification(sequence)

    def _put_service(self, service: ServiceRecord) -> None:
        old = self._services.get(service.service_id)
        if old is not None:
            self._journal.drop(self._certificates, old.certificate_hash)
        self._take_id(self._certificates, service.certificate_hash, service.service_id)
        self._journal.put(self._services, service.service_id, service)

    def _delete_service(self, service_id: bytes) -> None:
        service = self._services.get(service_id)
        if service is not None:
            self._journal.drop(self._certificates, service.certificate_hash)
            self._journal.drop(self._services, service_id)


def _link_id(queue: QueueRecord) -> bytes | None:
    return None if queue.link is None else queue.link.link_id


def _notifier_id(queue: QueueRecord) -> bytes | None:
    return None if queue.notifier is None else queue.notifier.notifier_id
