"""What a router forgets by itself: old messages, notifications, and suspended queues. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.deletion import delete_queue
from simplex_trio.router.core.model import Queue
from simplex_trio.router.core.state import DAY, RouterState
from simplex_trio.router.core.transaction import Transaction
from simplex_trio.router.store.records import Suspended

__all__ = ["expire_messages", "expire_notifications", "expire_queues", "expire_services"]

_DROPPED_TOGETHER: Final = 256
"""Notifications in one transaction, which a store without room can still write."""


def expire_messages(state: RouterState, transaction: Transaction, queue: Queue, now: int) -> bool:
    """Drop the messages at the start of a queue that are too old; whether there were any.

    A quota notice never is: until the recipient has seen it, nothing more is accepted.
    """
    ttl = state.policy.message_ttl
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
        state.recent_bodies.forget(queue.messages[:expired])
        state.queues.drop_first(transaction, queue, expired)
        state.counters.add(Count.MESSAGES_EXPIRED, expired)
    return expired > 0


def expire_queues(state: RouterState, recipient_ids: Iterable[bytes], now: int) -> None:
    """Go through some queues, dropping what is too old in them, or them."""
    for recipient_id in recipient_ids:
        queue = state.queues.for_recipient(recipient_id)
        if queue is None:
            continue
        transaction = Transaction()
        if _is_abandoned(state, queue, now):
            finish = delete_queue(state, transaction, queue)
            state.counters.add(Count.QUEUES_EXPIRED)
            state.submit(transaction, finish)
        elif expire_messages(state, transaction, queue, now):
            state.submit(transaction, None)


def _is_abandoned(state: RouterState, queue: Queue, now: int) -> bool:
    status, ttl = queue.record.status, state.policy.suspended_ttl
    return isinstance(status, Suspended) and ttl is not None and status.since < now - ttl


def expire_services(state: RouterState, service_ids: Iterable[bytes], now: int) -> None:
    """Go through some services: forget those that are of no use, note which ones are."""
    transaction = Transaction()
    for service_id in service_ids:
        queues, ttl = state.queues.service_queues, state.policy.service_ttl
        if state.services.expire(transaction, service_id, queues, now // DAY, ttl):
            state.counters.add(Count.SERVICES_EXPIRED)
    if transaction:
        state.submit(transaction, None)


def expire_notifications(state: RouterState, now: int) -> None:
    """Drop the notifications that are too old to be of use."""
    expired = iter(state.notifications.received_before(now - state.policy.notification_ttl))
    while chunk := list(islice(expired, _DROPPED_TOGETHER)):
        transaction = Transaction()
        state.notifications.drop(transaction, chunk)
        state.counters.add(Count.NOTIFICATIONS_EXPIRED, len(chunk))
        state.submit(transaction, None)
