"""Subscriptions of connections on one side of the router: recipients, or notifiers. Pure.

There are two instances of `Subscribers`, alike but for what they deliver.  A queue has at most one
subscriber: a connection that named the queue, or, where the queue is associated with a service, the
connection of that service.  A connection that subscribes takes over, and the one before is told
(END; ENDS if it was a service that loses all of its queues; DELD if the queue is gone).

Each connection also remembers what it was given and has not acknowledged, one message for a queue
at most, and which queues it reads with GET, which excludes subscribing to them.
"""

from __future__ import annotations

from typing import Final

from attrs import Factory, define

from simplex_trio.crypto.hashes import ServiceSubs
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.router.core.by_id import ById
from simplex_trio.router.core.model import Subscription
from simplex_trio.router.core.replies import Event, Outlet
from simplex_trio.wire.smp.messages import DELD, END, ENDS, Message

__all__ = ["FORGOTTEN_TOGETHER", "EndedSubscription", "Subscriber", "Subscribers"]

_END = END()
_DELD = DELD()

FORGOTTEN_TOGETHER: Final = 5000
"""Subscriptions of a connection that end before others get a turn: some milliseconds' worth."""


@define(eq=False)
class Subscriber:
    """A connection as a subscriber; ``service_id`` is that of its service, if it is one.

    Its events go to its ``outlet``.  ``subscribed`` has the queues that the connection named, those
    that it reads with GET, and those of its service that a message was delivered from.
    ``service_queues`` are the queues of its service as the connection knows them: from the answer
    to its first SUBS, and from the changes since.
    """

    outlet: Outlet
    service_id: bytes | None = None
    subscribed: dict[bytes, Subscription] = Factory(dict)
    service_queues: ServiceSubs = Factory(ServiceSubs)
    asked_for_all: bool = False
    missed: bool = False
    """Whether notifications were kept back because the outlet had no room."""


@frozen(repr=False)
class EndedSubscription(Redacted):
    """A subscription that has ended, and what its connection has to be told."""

    subscriber: Subscriber
    event: Event


class Subscribers:
    """All subscriptions of one side."""

    def __init__(self) -> None:
        self._by_queue: ById[Subscriber] = ById()
        self._by_service: dict[bytes, Subscriber] = {}

    @property
    def queue_count(self) -> int:
        """How many queues are subscribed by name."""
        return len(self._by_queue)

    @property
    def service_count(self) -> int:
        """How many services are subscribed."""
        return len(self._by_service)

    def subscriber(self, entity_id: bytes, service_id: bytes | None) -> Subscriber | None:
        """The subscriber of a queue that is associated with this service, or with none."""
        if service_id is not None:
            return self._by_service.get(service_id)
        return self._by_queue.get(entity_id)

    def receiving(
        self, entity_id: bytes, service_id: bytes | None
    ) -> tuple[Subscriber, Subscription] | None:
        """The subscriber that can be delivered a message now, and on which subscription."""
        subscriber = self.subscriber(entity_id, service_id)
        if subscriber is None:
            return None
        subscription = subscriber.subscribed.get(entity_id)
        if subscription is None:
            if service_id is None:
                return None
            subscription = subscriber.subscribed[entity_id] = Subscription()
        return (subscriber, subscription) if subscription.is_waiting else None

    def is_subscribed(self, subscriber: Subscriber) -> bool:
        """Whether a connection has any subscription; GET does not make one."""
        service_id = subscriber.service_id
        if service_id is not None and self._by_service.get(service_id) is subscriber:
            return True
        return any(not each.by_get for each in subscriber.subscribed.values())

    # --- subscribing --------------------------------------------------------------------------

    def subscribe_new(self, subscriber: Subscriber, entity_id: bytes) -> list[EndedSubscription]:
        """Subscribe the connection that has just created a queue."""
        if subscriber.service_id is None:
            subscriber.subscribed[entity_id] = Subscription()
            self._by_queue[entity_id] = subscriber
            return []
        subscriber.service_queues += ServiceSubs.of((entity_id,))
        return self._take_service(subscriber, subscriber.service_id)

    def subscribe(
        self, subscriber: Subscriber, entity_id: bytes, service_before: bytes | None
    ) -> list[EndedSubscription]:
        """Subscribe a connection to a queue, which is now associated with its service or none.

        ``service_before`` is the service that the queue was associated with before.
        """
        service_id = subscriber.service_id
        if service_id is None:
            return self._subscribe_by_name(subscriber, entity_id, service_before)
        if service_before == service_id and subscriber.service_queues.count:
            return []
        ended = self._end_by_name(subscriber, entity_id, _END)
        if service_before != service_id:
            ended += self._end_in_service(subscriber, entity_id, service_before, _END)
        subscriber.service_queues += ServiceSubs.of((entity_id,))
        return ended + self._take_service(subscriber, service_id)

    def _subscribe_by_name(
        self, subscriber: Subscriber, entity_id: bytes, service_before: bytes | None
    ) -> list[EndedSubscription]:
        known = entity_id in subscriber.subscribed
        if not known:
            subscriber.subscribed[entity_id] = Subscription()
        elif service_before is None:
            return []
        ended = self._end_by_name(subscriber, entity_id, _END)
        self._by_queue[entity_id] = subscriber
        return ended + self._end_in_service(subscriber, entity_id, service_before, _END)

    def subscribe_service(
        self, subscriber: Subscriber, service_id: bytes, stored: ServiceSubs
    ) -> list[EndedSubscription]:
        """Subscribe the connection of a service to all of its queues.

        This happens once in the life of a connection: one that was displaced stays displaced.
        ``stored`` are the queues that are associated with the service.
        """
        subscriber.asked_for_all = True
        subscriber.service_queues = stored
        return self._take_service(subscriber, service_id)

    def _take_service(self, subscriber: Subscriber, service_id: bytes) -> list[EndedSubscription]:
        before = self._by_service.get(service_id)
        self._by_service[service_id] = subscriber
        if before is None or before is subscriber:
            return []
        lost = before.service_queues
        before.service_queues = ServiceSubs()
        before.subscribed.clear()
        return [EndedSubscription(before, Event(service_id, ENDS(lost.count, lost.ids_hash)))]

    # --- ending -------------------------------------------------------------------------------

    def delete(
        self, requester: Subscriber | None, entity_id: bytes, service_id: bytes | None
    ) -> list[EndedSubscription]:
        """End the subscription to a deleted queue; the requester, who knows of it, is not told."""
        ended = self._end_by_name(requester, entity_id, _DELD)
        if requester is not None:
            requester.subscribed.pop(entity_id, None)
            if service_id is not None and requester.service_id == service_id:
                requester.service_queues -= ServiceSubs.of((entity_id,))
        return ended + self._end_in_service(requester, entity_id, service_id, _DELD)

    def forget(self, subscriber: Subscriber, most: int = FORGOTTEN_TOGETHER) -> bool:
        """End the subscriptions of a connection that is gone, to so many queues at the ``most``.

        Returns whether any are left.
        """
        service_id = subscriber.service_id
        if service_id is not None and self._by_service.get(service_id) is subscriber:
            del self._by_service[service_id]
        subscribed = subscriber.subscribed
        for _ in range(min(len(subscribed), most)):
            entity_id, _ = subscribed.popitem()
            if self._by_queue.get(entity_id) is subscriber:
                del self._by_queue[entity_id]
        return bool(subscribed)

    def _end_by_name(
        self, requester: Subscriber | None, entity_id: bytes, message: Message
    ) -> list[EndedSubscription]:
        before = self._by_queue.pop(entity_id)
        if before is None or before is requester:
            return []
        before.subscribed.pop(entity_id, None)
        return [EndedSubscription(before, Event(entity_id, message))]

    def _end_in_service(
        self,
        requester: Subscriber | None,
        entity_id: bytes,
        service_id: bytes | None,
        message: Message,
    ) -> list[EndedSubscription]:
        before = None if service_id is None else self._by_service.get(service_id)
        if before is None or before is requester:
            return []
        before.subscribed.pop(entity_id, None)
        before.service_queues -= ServiceSubs.of((entity_id,))
        return [EndedSubscription(before, Event(entity_id, message))]
