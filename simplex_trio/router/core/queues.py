"""`QueueTable`: all queues of a router in memory, found by each of their ids. Pure.

Handlers decide which commands may take which steps.  Each step keeps the indexes up to date, and
notes in a `Transaction` the change for the store, and how to undo it in memory.
"""

from __future__ import annotations

from collections.abc import Iterator

from simplex_trio.router.core.by_id import ById
from simplex_trio.router.core.model import Queue
from simplex_trio.router.core.service_queues import ServiceQueues
from simplex_trio.router.core.transaction import (
    RemoveQueue,
    RestoreMessages,
    RestoreQueue,
    RestoreRecord,
    Transaction,
    WithdrawMessage,
)
from simplex_trio.router.store.interface import (
    DeleteMessages,
    DeleteQueue,
    PutMessage,
    PutQueue,
)
from simplex_trio.router.store.records import MessageHead, QueueRecord
from simplex_trio.wire.smp.links import QueueLinkData

__all__ = ["QueueTable"]


class QueueTable:
    """The queues of a router."""

    def __init__(self) -> None:
        self.service_queues: ServiceQueues = ServiceQueues()
        self._by_recipient: ById[Queue] = ById()
        self._by_sender: ById[Queue] = ById()
        self._by_link: ById[Queue] = ById()
        self._by_notifier: ById[Queue] = ById()
        self._messages = 0

    def __len__(self) -> int:
        return len(self._by_recipient)

    def __iter__(self) -> Iterator[Queue]:
        return self._by_recipient.values()

    def recipient_ids(self) -> Iterator[bytes]:
        """The ids of all queues, for iterating while queues come and go."""
        return self._by_recipient.ids()

    @property
    def message_count(self) -> int:
        """How many messages are in all queues, quota notices included."""
        return self._messages

    @property
    def notifier_count(self) -> int:
        """How many queues have a notifier."""
        return len(self._by_notifier)

    # --- finding ------------------------------------------------------------------------------

    def for_recipient(self, recipient_id: bytes) -> Queue | None:
        return self._by_recipient.get(recipient_id)

    def for_sender(self, sender_id: bytes) -> Queue | None:
        return self._by_sender.get(sender_id)

    def for_link(self, link_id: bytes) -> Queue | None:
        return self._by_link.get(link_id)

    def for_notifier(self, notifier_id: bytes) -> Queue | None:
        return self._by_notifier.get(notifier_id)

    def has_id_of(self, record: QueueRecord) -> bool:
        """Whether any id in the record of a new queue is taken."""
        return (
            record.recipient_id in self._by_recipient
            or record.sender_id in self._by_sender
            or (record.link is not None and record.link.link_id in self._by_link)
            or (record.notifier is not None and record.notifier.notifier_id in self._by_notifier)
        )

    # --- from the store -----------------------------------------------------------------------

    def load(self, record: QueueRecord, messages: list[MessageHead] | None) -> None:
        """Add a queue that is in the store, with its messages, which belong to it from then on."""
        self.insert(Queue(record, [] if messages is None else messages))

    # --- steps --------------------------------------------------------------------------------

    def create(
        self, transaction: Transaction, record: QueueRecord, link_data: QueueLinkData | None = None
    ) -> Queue:
        """Create a queue, whose ids must be free."""
        queue = Queue(record)
        self.insert(queue)
        transaction.add(PutQueue(record, link_data), RemoveQueue(queue))
        return queue

    def replace(
        self,
        transaction: Transaction,
        queue: Queue,
        record: QueueRecord,
        link_data: QueueLinkData | None = None,
    ) -> None:
        """Replace the record of a queue; ids that are new in it must be free."""
        transaction.add(PutQueue(record, link_data), RestoreRecord(queue, queue.record))
        self.exchange(queue, record)

    def delete(self, transaction: Transaction, queue: Queue) -> None:
        """Remove a queue with its messages."""
        self.remove(queue)
        transaction.add(DeleteQueue(queue.record.recipient_id), RestoreQueue(queue))

    def add_message(
        self, transaction: Transaction, queue: Queue, head: MessageHead, body: bytes
    ) -> None:
        """Append a message; it can be delivered after `message_stored`."""
        queue.messages.append(head)
        queue.unstored += 1
        self._messages += 1
        change = PutMessage(queue.record.recipient_id, head, body)
        transaction.add(change, WithdrawMessage(queue))

    def message_stored(self, queue: Queue) -> None:
        """Note that the oldest of a queue's unstored messages is in the store."""
        queue.unstored -= 1

    def drop_first(self, transaction: Transaction, queue: Queue, count: int = 1) -> None:
        """Delete the first messages of a queue, all of which must be in the store."""
        dropped = queue.messages[:count]
        del queue.messages[:count]
        self._messages -= count
        change = DeleteMessages(tuple(head.sequence for head in dropped))
        transaction.add(change, RestoreMessages(queue, dropped))

    # --- changes in memory alone: parts of steps, and what undoes them -----------------------

    def insert(self, queue: Queue) -> None:
        """Add a queue with its messages, or bring it back."""
        record = queue.record
        self._by_recipient[record.recipient_id] = queue
        self._by_sender[record.sender_id] = queue
        queue.exists = True
        self._insert_optional(queue)
        self._messages += len(queue.messages)

    def remove(self, queue: Queue) -> None:
        """Remove a queue with its messages."""
        record = queue.record
        del self._by_recipient[record.recipient_id]
        del self._by_sender[record.sender_id]
        queue.exists = False
        self._remove_optional(queue)
        self._messages -= len(queue.messages)

    def exchange(self, queue: Queue, record: QueueRecord) -> None:
        """Replace the record of a queue."""
        self._remove_optional(queue)
        queue.record = record
        self._insert_optional(queue)

    def withdraw_message(self, queue: Queue) -> None:
        """Remove the last message of a queue, which was not stored."""
        queue.messages.pop()
        queue.unstored -= 1
        self._messages -= 1

    def restore_messages(self, queue: Queue, messages: list[MessageHead]) -> None:
        """Put messages back at the start of a queue."""
        queue.messages[:0] = messages
        self._messages += len(messages)

    def _insert_optional(self, queue: Queue) -> None:
        record = queue.record
        if record.link is not None:
            self._by_link[record.link.link_id] = queue
        if record.service_id is not None:
            self.service_queues.add(record.service_id, record.recipient_id)
        notifier = record.notifier
        if notifier is not None:
            self._by_notifier[notifier.notifier_id] = queue
            if notifier.service_id is not None:
                self.service_queues.add(notifier.service_id, notifier.notifier_id)

    def _remove_optional(self, queue: Queue) -> None:
        record = queue.record
        if record.link is not None:
            del self._by_link[record.link.link_id]
        if record.service_id is not None:
            self.service_queues.remove(record.service_id, record.recipient_id)
        notifier = record.notifier
        if notifier is not None:
            del self._by_notifier[notifier.notifier_id]
            if notifier.service_id is not None:
                self.service_queues.remove(notifier.service_id, notifier.notifier_id)
