"""Telling notifiers that there are messages: NSUB, NSUBS, and notifications themselves. Pure.

A notification goes at once to a notifier that is subscribed and reads; otherwise it waits in the
store.  Nobody acknowledges it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from attrs import evolve

from simplex_trio.crypto.box import NONCE_SIZE, BoxKey
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.model import Queue
from simplex_trio.router.core.receiving import count_drift
from simplex_trio.router.core.replies import Event, Reply
from simplex_trio.router.core.state import Answered, Client, Decision, Request, RouterState
from simplex_trio.router.core.subscriptions import Subscriber
from simplex_trio.router.core.transaction import Transaction
from simplex_trio.router.store.records import MessageHead, NotificationRecord, NotifierRecord
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.smp.bodies import NotificationMeta
from simplex_trio.wire.smp.messages import ERR, NMSG, SOK, SOKS

__all__ = [
    "MAX_AT_ONCE",
    "announce",
    "catch_up",
    "subscribe_notifier",
    "subscribe_notifier_service",
]

MAX_AT_ONCE: Final = 1024
"""About how many notifications a service gets at once when it comes; the others follow when these
are written.  It is what may wait to be written in any case."""


# --- NSUB and NSUBS -----------------------------------------------------------------------------


def subscribe_notifier(state: RouterState, request: Request, queue: Queue) -> Answered:
    """NSUB: the queue's notifier becomes associated with the client's service, or with none."""
    client = request.client
    notifier = queue.record.notifier
    assert notifier is not None, "the queue was found by its notifier"
    service_before = notifier.service_id
    moves = service_before != client.service_id
    if moves:
        if not state.keep_service(request):
            return ERR(Code.SERVICE)
        moved = evolve(notifier, service_id=client.service_id)
        state.queues.replace(request.transaction, queue, evolve(queue.record, notifier=moved))
    return Decision(
        lambda: _notifier_subscribed(state, client, request.entity_id, service_before),
        needs_store=moves,
    )


def _notifier_subscribed(
    state: RouterState, client: Client, notifier_id: bytes, service_before: bytes | None
) -> Reply:
    if state.queues.for_notifier(notifier_id) is None:
        return Reply(ERR(Code.AUTH))
    state.tell(state.notifiers.subscribe(client.notifier, notifier_id, service_before))
    state.counters.add(Count.NOTIFIER_SUBSCRIPTIONS)
    return Reply(SOK(client.service_id), _take_pending(state, notifier_id))


def subscribe_notifier_service(state: RouterState, request: Request) -> Answered:
    """NSUBS: subscribe a service to all notifications at once."""
    return Decision(lambda: _notifier_service_subscribed(state, request))


def _notifier_service_subscribed(state: RouterState, request: Request) -> Reply:
    subscriber = request.client.notifier
    service_id = request.entity_id
    pending: list[Event] = []
    if not subscriber.asked_for_all:
        stored = state.queues.service_queues.of(service_id)
        count_drift(state, request, stored)
        state.tell(state.notifiers.subscribe_service(subscriber, service_id, stored))
        for notifier_id in _pending_for(state, subscriber):
            if len(pending) >= MAX_AT_ONCE:
                subscriber.missed = True
                break
            pending += _take_pending(state, notifier_id)
    subscribed = subscriber.service_queues
    return Reply(SOKS(subscribed.count, subscribed.ids_hash), tuple(pending))


# --- notifications ------------------------------------------------------------------------------


def announce(
    state: RouterState, transaction: Transaction, notifier: NotifierRecord, head: MessageHead
) -> Callable[[], None]:
    """Tell a notifier of a message; what this returns is to be called when the message is stored.

    Where nobody could be told now, the notification is stored together with the message.
    """
    record = _sealed(state, notifier, head)
    if _reachable(state, notifier.notifier_id) is not None:
        return lambda: _notify(state, record)
    state.notifications.add(transaction, record)
    return lambda: _send_pending(state, record.notifier_id)


def _sealed(state: RouterState, notifier: NotifierRecord, head: MessageHead) -> NotificationRecord:
    nonce = state.random(NONCE_SIZE)
    meta = NotificationMeta(head.message_id, head.received_at)
    sealed = meta.seal(BoxKey(notifier.dh_secret), nonce)
    return NotificationRecord(
        state.new_sequence(), notifier.notifier_id, head.received_at, nonce, sealed
    )


def _subscriber(state: RouterState, notifier_id: bytes) -> Subscriber | None:
    queue = state.queues.for_notifier(notifier_id)
    notifier = None if queue is None else queue.record.notifier
    if notifier is None:
        return None
    return state.notifiers.subscriber(notifier_id, notifier.service_id)


def _reachable(state: RouterState, notifier_id: bytes) -> Subscriber | None:
    subscriber = _subscriber(state, notifier_id)
    if subscriber is None or subscriber.outlet.has_room:
        return subscriber
    subscriber.missed = True
    return None


def _event(state: RouterState, record: NotificationRecord) -> Event:
    state.counters.add(Count.NOTIFICATIONS_SENT)
    return Event(record.notifier_id, NMSG(record.nonce, record.sealed))


def _notify(state: RouterState, record: NotificationRecord) -> None:
    subscriber = _reachable(state, record.notifier_id)
    if subscriber is not None:
        subscriber.outlet.tell(_event(state, record))
    elif state.queues.for_notifier(record.notifier_id) is not None:
        transaction = Transaction()
        state.notifications.add(transaction, record)
        state.submit(transaction, None)


def _send_pending(state: RouterState, notifier_id: bytes) -> None:
    subscriber = _reachable(state, notifier_id)
    if subscriber is not None:
        for event in _take_pending(state, notifier_id):
            subscriber.outlet.tell(event)


def _take_pending(state: RouterState, notifier_id: bytes) -> tuple[Event, ...]:
    transaction = Transaction()
    taken = state.notifications.take(transaction, notifier_id)
    events = tuple(_event(state, record) for record in taken)
    if transaction:
        state.submit(transaction, None)
    return events


def _pending_for(state: RouterState, subscriber: Subscriber) -> Iterator[bytes]:
    """The notifiers of a subscriber for which something waits."""
    waiting = state.notifications.notifier_ids()
    return (each for each in waiting if _subscriber(state, each) is subscriber)


def catch_up(state: RouterState, subscriber: Subscriber) -> None:
    """Send what had to wait because the notifier read too slowly, while it has room."""
    subscriber.missed = False
    for notifier_id in _pending_for(state, subscriber):
        _send_pending(state, notifier_id)
        if subscriber.missed:
            break
