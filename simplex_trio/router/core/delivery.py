"""Handing messages over to who is subscribed, at most one at a time for each subscription. Pure."""

from __future__ import annotations

from simplex_trio.router.core.model import Queue, Subscription
from simplex_trio.router.core.replies import Event, MessageDue
from simplex_trio.router.core.state import RouterState

__all__ = ["deliver_waiting", "delivery_failed", "hand_over"]


def hand_over(queue: Queue, subscription: Subscription) -> MessageDue | None:
    """Deliver the first message of a queue, if there is one, again or for the first time."""
    first = queue.first if queue.exists else None
    subscription.delivered = None if first is None else first.message_id
    return None if first is None else MessageDue(queue, first, subscription)


def deliver_waiting(state: RouterState, queue: Queue) -> None:
    """Deliver the first message of a queue to its subscriber, if one waits for it."""
    if queue.first is None or not queue.exists:
        return
    record = queue.record
    receiving = state.recipients.receiving(record.recipient_id, record.service_id)
    if receiving is not None:
        subscriber, subscription = receiving
        due = hand_over(queue, subscription)
        if due is not None:
            subscriber.outlet.tell(Event(record.recipient_id, due))


def delivery_failed(state: RouterState, due: MessageDue) -> None:
    """A message could not be written after all.

    If it is gone, the next one is delivered instead; if it is not, it waits for another occasion.
    """
    subscription = due.subscription
    if subscription.delivered == due.head.message_id and not subscription.acknowledging:
        subscription.delivered = None
        if due.queue.first is not due.head:
            deliver_waiting(state, due.queue)
