"""Delivering messages to recipients, at most one at a time for each subscription. Pure.

There are three occasions: a message arrives while a subscriber waits for it, a recipient asks with
SUB, SUBS or GET, and a recipient acknowledges the message before.
"""

from __future__ import annotations

from simplex_trio.router.core.counters import Count, service_count
from simplex_trio.router.core.decisions import DeliverNext, GetMessage, Subscribe, SubscribeService
from simplex_trio.router.core.model import Queue, Subscription
from simplex_trio.router.core.replies import DeferredMessage, Event, Reply
from simplex_trio.router.core.state import RouterState
from simplex_trio.wire.errors.values import Blocked, Cmd, Code, CommandErrorKind
from simplex_trio.wire.smp.messages import ALLS, ERR, OK, SOK, SOKS

__all__ = [
    "deliver_next",
    "deliver_waiting",
    "delivery_failed",
    "get_message",
    "subscribe",
    "subscribe_service",
    "tell_blocked",
]

_PROHIBITED = ERR(Cmd(CommandErrorKind.PROHIBITED))


def _deliver_first(queue: Queue, subscription: Subscription) -> DeferredMessage | None:
    """Deliver the first message of a queue, if there is one, again or for the first time."""
    first = queue.first if queue.exists else None
    subscription.delivered = None if first is None else first.message_id
    return None if first is None else DeferredMessage(queue, first, subscription)


def deliver_waiting(state: RouterState, queue: Queue) -> None:
    """Deliver the first message of a queue to its subscriber, if one waits for it."""
    if queue.first is None or not queue.exists:
        return
    record = queue.record
    receiving = state.recipients.receiving(record.recipient_id, record.service_id)
    if receiving is not None:
        subscriber, subscription = receiving
        message = _deliver_first(queue, subscription)
        if message is not None:
            subscriber.outlet.tell(Event(record.recipient_id, message))


def tell_blocked(state: RouterState, queue: Queue) -> None:
    """Tell the subscriber of a blocked queue why it is, as it would learn from its next command."""
    record = queue.record
    subscriber = state.recipients.subscriber(record.recipient_id, record.service_id)
    if subscriber is not None and queue.exists and isinstance(record.status, Blocked):
        subscriber.outlet.tell(Event(record.recipient_id, ERR(record.status)))


def delivery_failed(state: RouterState, message: DeferredMessage) -> None:
    """Note that a delivered message could not be written after all.

    If it is gone, the next one is delivered instead; if it is not, it waits for another occasion.
    """
    subscription = message.subscription
    if subscription.delivered == message.head.message_id and not subscription.acknowledging:
        subscription.delivered = None
        if message.queue.first is not message.head:
            deliver_waiting(state, message.queue)


def subscribe(state: RouterState, effect: Subscribe) -> Reply:
    """Subscribe to a queue, and deliver its first message behind the answer."""
    subscriber, queue = effect.subscriber, effect.queue
    if not queue.exists:
        return Reply(ERR(Code.AUTH))
    recipient_id = queue.record.recipient_id
    subscription = subscriber.subscribed.get(recipient_id)
    if subscription is not None and subscription.by_get:
        state.counters.add(Count.SUBSCRIPTIONS_REFUSED)
        return Reply(_PROHIBITED)
    if subscription is None:
        state.tell(state.recipients.subscribe(subscriber, recipient_id, effect.service_before))
        state.counters.add(Count.SUBSCRIPTIONS_MADE)
        subscription = subscriber.subscribed.get(recipient_id)
    else:
        state.counters.add(Count.SUBSCRIPTIONS_REPEATED)
    answer = SOK(subscriber.service_id)
    if subscription is None:  # through the service; only what is delivered is noted
        if queue.first is None:
            return Reply(answer)
        subscription = subscriber.subscribed[recipient_id] = Subscription()
    message = _deliver_first(queue, subscription)
    return Reply(answer, () if message is None else (Event(recipient_id, message),))


def subscribe_service(state: RouterState, effect: SubscribeService) -> Reply:
    """Subscribe a service; the first time, deliver the first message of each of its queues."""
    subscriber, service_id = effect.subscriber, effect.service_id
    following: list[Event] = []
    if not subscriber.asked_for_all:
        stored = state.queues.service_queues.of(service_id)
        state.counters.add(service_count(effect.command, stored))
        state.tell(state.recipients.subscribe_service(subscriber, service_id, stored))
        for recipient_id in sorted(state.queues.service_queues.ids(service_id)):
            queue = state.queues.for_recipient(recipient_id)
            if queue is None or queue.first is None or recipient_id in subscriber.subscribed:
                continue
            subscription = subscriber.subscribed[recipient_id] = Subscription()
            message = _deliver_first(queue, subscription)
            if message is not None:
                following.append(Event(recipient_id, message))
        if effect.has_end_marker:
            following.append(Event(b"", ALLS()))
    subscribed = subscriber.service_queues
    return Reply(SOKS(subscribed.count, subscribed.ids_hash), tuple(following))


def get_message(state: RouterState, effect: GetMessage) -> Reply:
    """Deliver the first message to a connection that is not subscribed."""
    subscribed, queue = effect.subscriber.subscribed, effect.queue
    recipient_id = queue.record.recipient_id
    subscription = subscribed.get(recipient_id)
    if subscription is None:
        subscription = subscribed[recipient_id] = Subscription(by_get=True)
    elif not subscription.by_get:
        return Reply(_PROHIBITED)
    message = _deliver_first(queue, subscription)
    if message is None:
        return Reply(OK())
    state.counters.add(Count.MESSAGES_GOT)
    return Reply(message)


def deliver_next(effect: DeliverNext) -> Reply:
    """Answer an acknowledgement with the next message, on a subscription that still stands."""
    subscriber, queue, subscription = effect.subscriber, effect.queue, effect.subscription
    if subscription.by_get:
        subscription.delivered = None
        return Reply(OK())
    if subscriber.subscribed.get(queue.record.recipient_id) is not subscription:
        return Reply(OK())  # another connection has subscribed meanwhile
    message = _deliver_first(queue, subscription)
    return Reply(OK() if message is None else message)
