"""What the operator of a router does with a queue: looks at it, blocks it, suspends it. Pure.

Complaints name a queue by the id of its sender or of its link, so any of its ids is taken.  Each
function makes its changes in memory, and returns the work to submit, as those of `expiry` do.
"""

from __future__ import annotations

from enum import Enum

from attrs import evolve

from simplex_trio.frozen import frozen
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.decisions import EndQueueSubscriptions, Increment, TellBlocked, Work
from simplex_trio.router.core.model import Queue
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.core.transaction import Transaction
from simplex_trio.router.store.records import Suspended
from simplex_trio.wire.errors.values import Blocked

__all__ = ["QueueState", "QueueStatus", "block", "delete", "describe", "find", "resume", "suspend"]


class QueueState(Enum):
    """What may be done with a queue."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    """By its owner or the router's operator: what is in it can be received, and nothing sent."""
    BLOCKED = "blocked"
    """By the router's operator: it can only be suspended or deleted by its owner."""


@frozen
class QueueStatus:
    """A queue as its router's operator sees it; days and seconds since 1970."""

    state: QueueState
    blocked: Blocked | None
    """Why, if it is."""
    suspended_at: int | None
    created_day: int
    used_day: int
    messages: int
    oldest_message_at: int | None
    is_for_contact: bool
    """Whether anyone may send to it who has its link, such as a contact address."""
    is_secured: bool
    """Whether it has its one sender."""
    has_link: bool
    has_notifier: bool
    is_subscribed: bool


def find(state: RouterState, queue_id: bytes) -> Queue | None:
    """The queue with this id, which may be that of its sender, link, recipient or notifier."""
    queues = state.queues
    return (
        queues.for_sender(queue_id)
        or queues.for_link(queue_id)
        or queues.for_recipient(queue_id)
        or queues.for_notifier(queue_id)
    )


def describe(state: RouterState, queue: Queue) -> QueueStatus:
    """What is known of a queue without opening anything."""
    record = queue.record
    status = record.status
    queue_state = QueueState.ACTIVE
    if isinstance(status, Blocked):
        queue_state = QueueState.BLOCKED
    elif status is not None:
        queue_state = QueueState.SUSPENDED
    subscriber = state.recipients.subscriber(record.recipient_id, record.service_id)
    return QueueStatus(
        state=queue_state,
        blocked=status if isinstance(status, Blocked) else None,
        suspended_at=status.since if isinstance(status, Suspended) else None,
        created_day=record.created_day,
        used_day=record.updated_day,
        messages=len(queue.messages),
        oldest_message_at=queue.messages[0].received_at if queue.messages else None,
        is_for_contact=queue.is_for_contact,
        is_secured=record.sender_key is not None,
        has_link=record.link is not None,
        has_notifier=record.notifier is not None,
        is_subscribed=subscriber is not None,
    )


def block(state: RouterState, queue: Queue, reason: Blocked) -> Work:
    """Refuse everything but suspending and deleting it, and tell its subscriber why."""
    if queue.record.status == reason:
        return Work()
    work = _with_status(state, queue, reason)
    work.effects = (TellBlocked(queue), Increment(Count.QUEUES_BLOCKED))
    return work


def suspend(state: RouterState, queue: Queue, now: int) -> Work:
    """Have it take no more messages, as its owner can; one that is suspended stays as it is."""
    if isinstance(queue.record.status, Suspended):
        return Work()
    work = _with_status(state, queue, Suspended(now))
    work.effects = (Increment(Count.QUEUES_SUSPENDED),)
    return work


def resume(state: RouterState, queue: Queue) -> Work:
    """Have it work again, also if its owner has suspended it."""
    return Work() if queue.record.status is None else _with_status(state, queue, None)


def delete(state: RouterState, queue: Queue) -> Work:
    """Delete it with its messages, and tell its subscribers."""
    transaction = Transaction()
    state.delete_queue(transaction, queue)
    effects = (EndQueueSubscriptions(queue), Increment(Count.QUEUES_DELETED))
    return Work(transaction, effects=effects)


def _with_status(state: RouterState, queue: Queue, status: Suspended | Blocked | None) -> Work:
    transaction = Transaction()
    state.queues.replace(transaction, queue, evolve(queue.record, status=status))
    return Work(transaction)
