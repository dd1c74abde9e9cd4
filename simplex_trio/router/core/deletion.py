"""Deleting queues and notifiers, and telling those who were subscribed to them. Pure."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.model import Queue
from simplex_trio.router.core.state import Client, RouterState
from simplex_trio.router.core.transaction import Transaction
from simplex_trio.router.store.records import NotifierRecord

__all__ = ["delete_notifier", "delete_queue", "notifier_gone"]


def delete_queue(
    state: RouterState, transaction: Transaction, queue: Queue, requester: Client | None = None
) -> Callable[[], None]:
    """Delete a queue with all that belongs to it; what this returns ends its subscriptions.

    That is to be called when the queue is gone from the store.
    """
    record = queue.record
    notifier = record.notifier
    if notifier is not None:
        state.notifications.take(transaction, notifier.notifier_id)
    state.queues.delete(transaction, queue)

    def finish() -> None:
        state.recent_bodies.forget(queue.messages)
        subscriber = None if requester is None else requester.recipient
        state.tell(state.recipients.delete(subscriber, record.recipient_id, record.service_id))
        if notifier is not None:
            notifier_gone(state, notifier, requester)

    return finish


def delete_notifier(state: RouterState, transaction: Transaction, queue: Queue) -> None:
    """Take a queue's notifier away; `notifier_gone` is to be called when that is stored."""
    notifier = queue.record.notifier
    if notifier is not None:
        state.notifications.take(transaction, notifier.notifier_id)
        state.queues.replace(transaction, queue, evolve(queue.record, notifier=None))


def notifier_gone(
    state: RouterState, notifier: NotifierRecord, requester: Client | None = None
) -> None:
    """End the subscription of a notifier that a queue has no more."""
    subscriber = None if requester is None else requester.notifier
    state.tell(state.notifiers.delete(subscriber, notifier.notifier_id, notifier.service_id))
    state.counters.add(Count.NOTIFIERS_DELETED)
