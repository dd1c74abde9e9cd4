"""`RouterState`: everything that a router knows while it runs, and the steps that commands share.

Pure.  Steps change memory at once, and note in a transaction what the store has to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from attrs import evolve

from simplex_trio.crypto.keys import AuthPublicKey
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.model import Queue, same_key
from simplex_trio.router.core.notifications import PendingNotifications
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.core.queues import QueueTable
from simplex_trio.router.core.recent import RecentBodies
from simplex_trio.router.core.services import SECRET_SIZE, Services
from simplex_trio.router.core.shortage import Shortage
from simplex_trio.router.core.subscriptions import EndedSubscription, Subscriber, Subscribers
from simplex_trio.router.core.transaction import Transaction
from simplex_trio.router.store.interface import Snapshot
from simplex_trio.router.store.records import MessageHead, NotificationRecord, QueueRecord
from simplex_trio.serving.counters import Counters
from simplex_trio.wire.handshake import PeerService

__all__ = ["ID_SIZE", "RouterState"]

ID_SIZE: Final = 24
"""Of all ids that the router chooses; that of a message is also a nonce, and cannot be shorter."""


class RouterState:
    """Everything that a router knows while it runs, at first what is in ``snapshot``.

    A million queues take seconds to load, so `load_queues` and `load_notifications` can be called
    with a part of them at a time instead.

    ``random`` returns the given number of unpredictable bytes.
    """

    def __init__(
        self,
        policy: QueuePolicy,
        snapshot: Snapshot,
        *,
        random: Callable[[int], bytes],
        resolves_names: bool = False,
    ) -> None:
        self.policy: QueuePolicy = policy
        self.random: Callable[[int], bytes] = random
        self.resolves_names: bool = resolves_names
        self.queues: QueueTable = QueueTable()
        self.services: Services = Services(
            snapshot.services, secret=random(SECRET_SIZE), most=policy.max_services
        )
        self.notifications: PendingNotifications = PendingNotifications()
        self.counters: Counters[Count] = Counters(Count, snapshot.statistics)
        self.recipients: Subscribers = Subscribers()
        self.notifiers: Subscribers = Subscribers()
        self.recent_bodies: RecentBodies = RecentBodies()
        self.shortage: Shortage = Shortage()
        self.follow_ups: list[Transaction] = []
        """Changes that effects have made; see `simplex_trio.router.core.interpreter`."""
        self._next_sequence = 1
        self.load_queues(snapshot.queues, snapshot.messages)
        self.load_notifications(snapshot.notifications)

    # --- from the store -----------------------------------------------------------------------

    def load_queues(
        self, records: Iterable[QueueRecord], messages: dict[bytes, list[MessageHead]]
    ) -> None:
        """Add queues that are in the store, and take their messages out of ``messages``."""
        for record in records:
            heads = messages.pop(record.recipient_id, None)
            self.queues.load(record, heads)
            if heads:
                self._next_sequence = max(self._next_sequence, heads[-1].sequence + 1)

    def load_notifications(self, records: Sequence[NotificationRecord]) -> None:
        """Add notifications that are in the store, in the order of their sequence numbers."""
        self.notifications.restore(records)
        if records:
            self._next_sequence = max(self._next_sequence, records[-1].sequence + 1)

    # --- numbers ------------------------------------------------------------------------------

    def new_id(self) -> bytes:
        """A random id, which can equal another one by chance only."""
        return self.random(ID_SIZE)

    def new_sequence(self) -> int:
        """The sequence number for the next message or notification."""
        sequence = self._next_sequence
        self._next_sequence += 1
        return sequence

    # --- steps --------------------------------------------------------------------------------

    def touch(self, transaction: Transaction, queue: Queue, day: int) -> None:
        """Note that a queue is in use; it is stored once a day."""
        if queue.record.updated_day != day:
            self.queues.replace(transaction, queue, evolve(queue.record, updated_day=day))

    def keep_service(
        self, transaction: Transaction, service: PeerService | None, day: int, instant: float
    ) -> bool:
        """Store the service of a client that is about to get a queue; False if that is refused."""
        if service is None or self.services.has(service):
            return True
        if not self.services.add(transaction, service, day, instant):
            return False
        self.counters.add(Count.SERVICES_CREATED)
        return True

    def secure(self, transaction: Transaction, queue: Queue, key: AuthPublicKey) -> bool:
        """Let the owner of ``key`` be the only sender; False if the queue has another one.

        Nothing changes if the queue was secured with the same key before.
        """
        record = queue.record
        if record.sender_key is not None:
            return same_key(record.sender_key, key)
        self.queues.replace(transaction, queue, evolve(record, sender_key=key))
        self.counters.add(Count.QUEUES_SECURED)
        return True

    def expire_messages(self, transaction: Transaction, queue: Queue, now: int) -> bool:
        """Delete the messages at the start of a queue that are too old; whether there were any.

        A quota notice does not expire: the queue stays closed until the recipient has received it.
        """
        ttl = self.policy.message_ttl
        if ttl is None:
            return False
        stored = len(queue.messages) - queue.unstored
        expired = 0
        while expired < stored:
            head = queue.messages[expired]
            if head.is_quota_notice or head.received_at >= now - ttl:
                break
            expired += 1
        if expired:
            self.recent_bodies.forget(queue.messages[:expired])
            self.queues.drop_first(transaction, queue, expired)
            self.counters.add(Count.MESSAGES_EXPIRED, expired)
        return expired > 0

    def delete_queue(self, transaction: Transaction, queue: Queue) -> None:
        """Delete a queue with all that belongs to it; `EndQueueSubscriptions` is to follow."""
        notifier = queue.record.notifier
        if notifier is not None:
            self.notifications.take(transaction, notifier.notifier_id)
        self.queues.delete(transaction, queue)

    def delete_notifier(self, transaction: Transaction, queue: Queue) -> None:
        """Remove a queue's notifier, if any; `EndNotifierSubscription` is to follow."""
        notifier = queue.record.notifier
        if notifier is not None:
            self.notifications.take(transaction, notifier.notifier_id)
            self.queues.replace(transaction, queue, evolve(queue.record, notifier=None))

    # --- other connections --------------------------------------------------------------------

    def notifier_subscriber(self, notifier_id: bytes) -> Subscriber | None:
        """The connection that is subscribed to a notifier."""
        queue = self.queues.for_notifier(notifier_id)
        notifier = None if queue is None else queue.record.notifier
        if notifier is None:
            return None
        return self.notifiers.subscriber(notifier_id, notifier.service_id)

    def reachable_notifier(self, notifier_id: bytes) -> Subscriber | None:
        """The subscriber of a notifier, if it has room; if not, it is noted for `CatchUp`."""
        subscriber = self.notifier_subscriber(notifier_id)
        if subscriber is None or subscriber.outlet.has_room:
            return subscriber
        subscriber.missed = True
        return None

    def tell(self, ended: list[EndedSubscription]) -> None:
        """Tell other connections that their subscriptions have ended."""
        for each in ended:
            each.subscriber.outlet.tell(each.event)
        if ended:
            self.counters.add(Count.SUBSCRIPTIONS_ENDED, len(ended))
