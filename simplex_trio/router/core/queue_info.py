"""`queue_info`: a queue as QUE describes it. Pure."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime

from simplex_trio.router.core.model import Queue, Subscription
from simplex_trio.router.store.records import MessageHead
from simplex_trio.wire.smp.queue_info import (
    MessageInfo,
    MessageKind,
    QueueInfo,
    QueueSubscription,
    SubscriptionState,
)

__all__ = ["queue_info"]


def queue_info(queue: Queue, subscription: Subscription | None) -> QueueInfo:
    """The queue as it is now, with the subscription of the connection that asks."""
    first = queue.first
    return QueueInfo(
        secured=queue.record.sender_key is not None,
        has_notifier=queue.record.notifier is not None,
        size=len(queue.messages) - queue.unstored,
        subscription=None if subscription is None else _subscription_info(subscription),
        first_message=None if first is None else _message_info(first),
    )


def _subscription_info(subscription: Subscription) -> QueueSubscription:
    state = SubscriptionState.PROHIBITED if subscription.by_get else SubscriptionState.NONE
    delivered = subscription.delivered
    return QueueSubscription(state, None if delivered is None else b64encode(delivered).decode())


def _message_info(head: MessageHead) -> MessageInfo:
    time = datetime.fromtimestamp(head.received_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    kind = MessageKind.QUOTA if head.is_quota_notice else MessageKind.MESSAGE
    return MessageInfo(b64encode(head.message_id).decode(), time, kind)
