"""What a router forgets by itself: old messages, notifications, and suspended queues. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.deletion import delete_queue
from simplex_trio.router.core.queues import Queue
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.core.transaction import Transaction
from simplex_trio.router.store.records import Suspended

__all__ = ["expire_messages", "expire_notifications", "expire_queues"]


def expire_messages(state: RouterState, transaction: Transaction, queue: Queue, now: int) -> None:
    """Drop the messages at the start of a queue that are too old.

    A quota notice never is: until the recipient has seen it, nothing more is accepted.
    """
    ttl = state.policy.message_ttl
    if ttl is None:
        return
    stored = len(queue.messages) - queue.unstored
    expired = 0
    while expired < stored:
        head = queue.messages[expired]
        if head.is_quota_notice or head.received_at >= now - ttl:
            break
        expired += 1
    if expired:
        state.queues.drop_first(transaction, queue, expired)
        state.counters.add(Count.MESSAGES_EXPIRED, expired)


def expire_queues(
    state: RouterState, recipient_ids: Iterable[bytes], now: int
) -> Callable[[], None] | None:
    ...
