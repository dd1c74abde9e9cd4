"""Sending notifications to notifiers. Pure.

A notification goes at once to a notifier that is subscribed and reads; otherwise it waits in the
store.  Notifications are not acknowledged.  Those that are taken from the store are deleted there
in a transaction of their own, which is left in `RouterState.follow_ups`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from simplex_trio.router.core.counters import Count, service_count
from simplex_trio.router.core.decisions import SubscribeNotifier, SubscribeNotifierService
from simplex_trio.router.core.replies import Event, Reply
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.core.subscriptions import Subscriber
from simplex_trio.router.core.transaction import Transaction
from simplex_trio.router.store.records import NotificationRecord
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.smp.messages import ERR, NMSG, SOK, SOKS

__all__ = [
    "MAX_AT_ONCE",
    "catch_up",
    "send_notification",
    "send_pending",
    "subscribe_notifier",
    "subscribe_notifier_service",
]

MAX_AT_ONCE: Final = 1024
"""About how many notifications a service gets at once when it subscribes; the others follow when
these are written.  It is what may wait to be written in any case."""


def subscribe_notifier(state: RouterState, effect: SubscribeNotifier) -> Reply:
    """Subscribe to a notifier, and send what is pending for it behind the answer."""
    subscriber, notifier_id = effect.subscriber, effect.notifier_id
    if state.queues.for_notifier(notifier_id) is None:
        return Reply(ERR(Code.AUTH))
    state.tell(state.notifiers.subscribe(subscriber, notifier_id, effect.service_before))
    state.counters.add(Count.NOTIFIER_SUBSCRIPTIONS)
    return Reply(SOK(subscriber.service_id), _take_pending(state, notifier_id))


def subscribe_notifier_service(state: RouterState, effect: SubscribeNotifierService) -> Reply:
    """Subscribe a service to all of its notifiers; the first time, send what is pending."""
    subscriber, service_id = effect.subscriber, effect.service_id
    pending: list[Event] = []
    if not subscriber.asked_for_all:
        stored = state.queues.service_queues.of(service_id)
        state.counters.add(service_count(effect.command, stored))
        state.tell(state.notifiers.subscribe_service(subscriber, service_id, stored))
        for notifier_id in _pending_for(state, subscriber):
            if len(pending) >= MAX_AT_ONCE:
                subscriber.missed = True
                break
            pending += _take_pending(state, notifier_id)
    subscribed = subscriber.service_queues
    return Reply(SOKS(subscribed.count, subscribed.ids_hash), tuple(pending))


def send_notification(state: RouterState, record: NotificationRecord) -> None:
    """Send a notification that is not stored, or have it stored if its notifier is gone."""
    subscriber = state.reachable_notifier(record.notifier_id)
    if subscriber is not None:
        subscriber.outlet.tell(_event(state, record))
    elif state.queues.for_notifier(record.notifier_id) is not None:
        transaction = Transaction()
        state.notifications.add(transaction, record)
        state.follow_ups.append(transaction)


def send_pending(state: RouterState, notifier_id: bytes) -> None:
    """Send what is stored for a notifier, if it can take it now."""
    subscriber = state.reachable_notifier(notifier_id)
    if subscriber is not None:
        for event in _take_pending(state, notifier_id):
            subscriber.outlet.tell(event)


def catch_up(state: RouterState, subscriber: Subscriber) -> None:
    """Send what was kept back because a connection read too slowly, while it has room."""
    subscriber.missed = False
    for notifier_id in _pending_for(state, subscriber):
        send_pending(state, notifier_id)
        if subscriber.missed:
            break


def _event(state: RouterState, record: NotificationRecord) -> Event:
    state.counters.add(Count.NOTIFICATIONS_SENT)
    return Event(record.notifier_id, NMSG(record.nonce, record.sealed))


def _take_pending(state: RouterState, notifier_id: bytes) -> tuple[Event, ...]:
    transaction = Transaction()
    taken = state.notifications.take(transaction, notifier_id)
    if transaction:
        state.follow_ups.append(transaction)
    return tuple(_event(state, record) for record in taken)


def _pending_for(state: RouterState, subscriber: Subscriber) -> Iterator[bytes]:
    """The notifiers of a subscriber for which something is pending."""
    waiting = state.notifications.notifier_ids()
    return (each for each in waiting if state.notifier_subscriber(each) is subscriber)
