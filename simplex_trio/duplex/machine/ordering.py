"""The order of messages that come through two queues, while the peer leaves one for the other.

What is missing before a message may be in the other queue.  So it waits there for its turn: it is
stored as it came, and its router delivers nothing further of its queue.  It waits until nothing is
missing, or nothing can come any more from the other queue; or for some time, if that is silent.
"""

from __future__ import annotations

from attrs import evolve

from simplex_trio.duplex.machine.connection import (
    Acknowledgement,
    ReceivingQueue,
    ReceivingStatus,
)
from simplex_trio.duplex.machine.messages import EarlyArrival
from simplex_trio.duplex.machine.opening import Arrival
from simplex_trio.duplex.machine.step import OpenConnection, Step

__all__ = [
    "WAIT_FOR_NEW_QUEUE",
    "WAIT_FOR_OLD_QUEUE",
    "TooEarly",
    "check_key_turn",
    "check_turn",
    "comes_late",
    "is_early",
    "keep_for_later",
    "key_has_come",
    "other_queue_spoke",
    "seconds_to_wait",
    "take",
    "take_next",
]

WAIT_FOR_OLD_QUEUE = 600
"""So many seconds a message waits for the old queue, if its router cannot be reached.  What comes
later from there comes out of order, which its integrity says."""

WAIT_FOR_NEW_QUEUE = 60
"""So many it waits for the new queue, which is as long as its router may take to start again.  What
is missing can only be the message that tests it, so `Integrity.SKIPPED` would be a false alarm."""

_USED = (ReceivingStatus.SECURED, ReceivingStatus.ACTIVE)

_KEY = 2**62
"""In place of the number of a key for a new ratchet, which says none: behind all messages."""


class TooEarly(Exception):
    """A message that may be missing comes first."""

    def __init__(self, sender_message_id: int) -> None:
        super().__init__()
        self.sender_message_id = sender_message_id


def is_early(queue: ReceivingQueue) -> bool:
    """Whether the message that a router has delivered last waits for its turn."""
    return queue.acknowledgement is Acknowledgement.EARLY


def check_turn(c: OpenConnection, queue: ReceivingQueue, sender_message_id: int) -> None:
    """Raise `TooEarly` if something is missing before a message that another queue may bring."""
    if sender_message_id > c.row.last_received + 1 and _others(c, queue.number):
        raise TooEarly(sender_message_id)


def check_key_turn(c: OpenConnection, queue: ReceivingQueue) -> None:
    """Raise `TooEarly` for a key in the new queue while the old one is read.

    The peer has sent it through both, behind what it has sent before.  If it overtook that, the
    peer would count as lost what is on its way.
    """
    if queue.replaces and _others(c, queue.number):
        raise TooEarly(_KEY)


def key_has_come(step: Step, c: OpenConnection) -> None:
    """A key was taken, so that what waits is the same one, or comes behind it."""
    for early in _waiting(step, c):
        if early.sender_message_id == _KEY:
            step.rows.update(early, evolve(early, sender_message_id=0))


def comes_late(c: OpenConnection, queue: ReceivingQueue, sender_message_id: int) -> bool:
    """Whether others that were sent after a message came before it, through another queue.

    Then the next message is the one after those.
    """
    is_alone = all(other.is_deleted or other is queue for other in c.receiving.values())
    return sender_message_id <= c.row.last_received and not is_alone


def _others(c: OpenConnection, number: int) -> list[ReceivingQueue]:
    """The other queues through which something may come."""
    return [
        other
        for other in c.receiving.values()
        if other.number != number
        and not (other.is_deleted or is_early(other))
        and (other.status in _USED or not other.replaces)
    ]


def keep_for_later(
    step: Step, c: OpenConnection, number: int, arrival: Arrival, sender_message_id: int
) -> None:
    """Store a message that is too early."""
    c.change_receiving(number, acknowledgement=Acknowledgement.EARLY)
    step.rows.insert(
        EarlyArrival(
            connection_id=c.connection_id,
            queue=number,
            broker_id=arrival.broker_id,
            timestamp=arrival.timestamp,
            body=arrival.body,
            sender_message_id=sender_message_id,
            waits_since=step.moment.seconds,
        )
    )


def _waiting(step: Step, c: OpenConnection) -> list[EarlyArrival]:
    if not any(map(is_early, c.receiving.values())):
        return []
    found = step.rows.find(EarlyArrival, connection_id=c.connection_id)
    return sorted(found, key=lambda early: early.sender_message_id)


def take_next(step: Step, c: OpenConnection) -> EarlyArrival | None:
    """The next message whose turn has come; it is for the caller to process."""
    for early in _waiting(step, c):
        is_next = early.sender_message_id <= c.row.last_received + 1
        if is_next or not _others(c, early.queue):
            take(step, c, early)
            return early
    return None


def take(step: Step, c: OpenConnection, early: EarlyArrival) -> None:
    """A message waits no more; the caller processes it."""
    step.rows.delete(early)
    c.change_receiving(early.queue, acknowledgement=Acknowledgement.DUE)


def other_queue_spoke(step: Step, c: OpenConnection, number: int) -> None:
    """Something has come through a queue, so what waits for it goes on waiting."""
    for early in _waiting(step, c):
        if early.queue != number and early.waits_since != step.moment.seconds:
            step.rows.update(early, evolve(early, waits_since=step.moment.seconds))


def seconds_to_wait(step: Step, c: OpenConnection, number: int) -> float | None:
    """How long a message still waits for others; `None` if not at all."""
    for early in _waiting(step, c):
        if early.queue == number:
            others = _others(c, number)
            if any(other.acknowledgement is Acknowledgement.HELD for other in others):
                return WAIT_FOR_NEW_QUEUE  # the program has to go on first
            is_old = any(other.replaces for other in others)
            limit = WAIT_FOR_NEW_QUEUE if is_old else WAIT_FOR_OLD_QUEUE
            left = early.waits_since + limit - step.moment.now
            return left if left > 0 else None
    return None
