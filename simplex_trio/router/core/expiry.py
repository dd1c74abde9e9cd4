"""Expiry of messages, notifications, suspended queues, and services without queues. Pure.

Each function makes its changes in memory, and returns the work to submit.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.decisions import EndQueueSubscriptions, Work
from simplex_trio.router.core.model import Queue
from simplex_trio.router.core.requests import DAY
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.core.transaction import Transaction
from simplex_trio.router.store.records import Suspended

__all__ = ["expire_notifications", "expire_queues", "expire_services"]

_DROPPED_TOGETHER: Final = 256
"""Notifications in one transaction: few enough that a full store can still write it."""


def expire_queues(state: RouterState, recipient_ids: Iterable[bytes], now: int) -> list[Work]:
    """Delete those of the given queues that are abandoned, and old messages in the others."""
    found: list[Work] = []
    for recipient_id in recipient_ids:
        queue = state.queues.for_recipient(recipient_id)
        if queue is None:
            continue
        transaction = Transaction()
        if _is_abandoned(state, queue, now):
            state.delete_queue(transaction, queue)
            state.counters.add(Count.QUEUES_EXPIRED)
            found.append(Work(transaction, effects=(EndQueueSubscriptions(queue),)))
        elif state.expire_messages(transaction, queue, now):
            found.append(Work(transaction))
    return found


def _is_abandoned(state: RouterState, queue: Queue, now: int) -> bool:
    status, ttl = queue.record.status, state.policy.suspended_ttl
    return isinstance(status, Suspended) and ttl is not None and status.since < now - ttl


def expire_services(state: RouterState, service_ids: Iterable[bytes], now: int) -> list[Work]:
    """Delete those of the given services that had no queues for too long."""
    transaction = Transaction()
    for service_id in service_ids:
        queues, ttl = state.queues.service_queues, state.policy.service_ttl
        if state.services.expire(transaction, service_id, queues, now // DAY, ttl):
            state.counters.add(Count.SERVICES_EXPIRED)
    return [Work(transaction)] if transaction else []


def expire_notifications(state: RouterState, now: int) -> list[Work]:
    """Delete the notifications that are too old to be of use."""
    expired = iter(state.notifications.received_before(now - state.policy.notification_ttl))
    found: list[Work] = []
    while chunk := list(islice(expired, _DROPPED_TOGETHER)):
        transaction = Transaction()
        state.notifications.drop(transaction, chunk)
        state.counters.add(Count.NOTIFICATIONS_EXPIRED, len(chunk))
        found.append(Work(transaction))
    return found
