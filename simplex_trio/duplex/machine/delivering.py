"""What becomes of a message that is sent: the bytes of each attempt, and what its outcome means."""

from __future__ import annotations

from enum import Enum, auto
from typing import final

from attrs import evolve

from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.duplex.events import DeliveryFailed, DeliveryWarning, MessageSent, Problem
from simplex_trio.duplex.machine.connection import SendingQueue
from simplex_trio.duplex.machine.handshake import confirmation_sent, fail, hello_sent
from simplex_trio.duplex.machine.messages import Delivery, DeliveryKind
from simplex_trio.duplex.machine.resynchronising import eready_delivered, negotiation_failed
from simplex_trio.duplex.machine.rotating import (
    rotation_message_delivered,
    rotation_message_failed,
)
from simplex_trio.duplex.machine.sending import drop_deliveries
from simplex_trio.duplex.machine.step import OpenConnection, Spoken, Step
from simplex_trio.engine.backoff import Backoff
from simplex_trio.frozen import frozen
from simplex_trio.ratchet.sending import SendingKey
from simplex_trio.redaction import Redacted
from simplex_trio.wire.duplex.envelopes import MessageEnvelope
from simplex_trio.wire.smp.envelopes import ClientEnvelope, ClientMessage
from simplex_trio.wire.smp.sizes import E2E_CONFIRMATION_PADDED, E2E_MESSAGE_PADDED

__all__ = [
    "FAST",
    "MESSAGE_TIMEOUT",
    "QUOTA_TIMEOUT",
    "RESUMED_WAIT",
    "SLOW",
    "Outgoing",
    "SendFailure",
    "delivered",
    "not_delivered",
    "outgoing",
    "resume",
]

MESSAGE_TIMEOUT = 2 * 24 * 3600
"""Seconds after which a message is given up if its router cannot be reached."""

QUOTA_TIMEOUT = 7 * 24 * 3600
"""Seconds after which a message is given up if the peer's queue stays full."""

FAST = Backoff(initial=2, increase_after=10, factor=1.5, maximum=120)
"""The waits between attempts while a router cannot be reached."""

SLOW = Backoff(initial=300, increase_after=60, factor=1.5, maximum=6 * 3600)
"""The waits while the peer's queue is full.  The peer says when it has read it."""


RESUMED_WAIT = 1.0
"""The wait after the peer has said that its queue is read, but its router has not noticed yet.

The peer says so before it acknowledges the last message, and only that makes room.
"""


class SendFailure(Enum):
    """Why a router has not taken a message, as far as the next step depends on it."""

    QUOTA = auto()
    GONE = auto()
    """The router does not know the queue, or not this side's key."""
    TEMPORARY = auto()
    """The next attempt may succeed, and most do."""
    UNREACHABLE = auto()
    """So may it here, but the program is told, since it may take long."""
    REFUSED = auto()
    """No attempt will succeed."""

    @property
    def problem(self) -> Problem:
        """The same, as programs are told."""
        return _PROBLEMS[self]


_PROBLEMS = {
    SendFailure.QUOTA: Problem.QUOTA,
    SendFailure.GONE: Problem.QUEUE_GONE,
    SendFailure.TEMPORARY: Problem.NETWORK,
    SendFailure.UNREACHABLE: Problem.NETWORK,
    SendFailure.REFUSED: Problem.REFUSED,
}


@final
@frozen(repr=False)
class Outgoing(Redacted):
    """What SEND takes for one message."""

    body: bytes
    key: Ed25519PrivateKey | None
    notify: bool
    key_if_secured: Ed25519PrivateKey | None = None
    """Signs it if the queue turns out to be secured: the peer does so once an earlier attempt has
    arrived, even if its router's answer has not."""


def outgoing(queue: SendingQueue, delivery: Delivery, body: bytes, spoken: Spoken) -> Outgoing:
    """The bytes of a message, the same at every attempt; ``body`` is what it shares, if anything.

    This encrypts, so it takes a moment.
    """
    version = queue.client_version
    if delivery.kind is DeliveryKind.CONFIRMATION:
        # A confirmation: its envelope shows this side's key, for the peer to agree on the secret.
        secured = queue.is_sender_secured
        inner = ClientMessage(None if secured else queue.auth_key.public, delivery.plaintext)
        sealed = inner.seal(queue.e2e_secret, delivery.nonce, E2E_CONFIRMATION_PADDED)
        outer = ClientEnvelope(version, queue.e2e_key, delivery.nonce, sealed)
        if secured:
            return Outgoing(outer.encode(), queue.auth_key, delivery.notify)
        return Outgoing(outer.encode(), None, delivery.notify, key_if_secured=queue.auth_key)
    if delivery.sending_key is None:
        inner = ClientMessage(None, delivery.plaintext)  # a key for a new ratchet
    else:
        key = SendingKey.decode(delivery.sending_key)
        ciphertext = key.encrypt(delivery.plaintext + body, delivery.padded_length)
        envelope = MessageEnvelope(spoken.agent.highest, ciphertext)
        inner = ClientMessage(None, envelope.encode())
    sealed = inner.seal(queue.e2e_secret, delivery.nonce, E2E_MESSAGE_PADDED)
    outer = ClientEnvelope(version, None, delivery.nonce, sealed)
    return Outgoing(outer.encode(), queue.auth_key, delivery.notify)


def delivered(step: Step, c: OpenConnection, delivery: Delivery, *, proxied: bool) -> None:
    """The router has taken a message."""
    drop_deliveries(step, c, [delivery])
    for copy in _copies(step, c, delivery):
        step.rows.update(copy, evolve(copy, is_taken=True))
    match delivery.kind:
        case DeliveryKind.CONFIRMATION:
            confirmation_sent(step, c, delivery.queue)
        case DeliveryKind.HELLO:
            hello_sent(step, c, delivery.queue)
        case DeliveryKind.MESSAGE if not delivery.is_taken:
            step.tell(MessageSent(c.connection_id, delivery.message_id, proxied))
        case DeliveryKind.EREADY:
            eready_delivered(step, c)
        case DeliveryKind.ROTATION:
            rotation_message_delivered(step, c, delivery)
        case DeliveryKind.MESSAGE | DeliveryKind.SERVICE | DeliveryKind.RATCHET_KEY:
            pass


def _copies(step: Step, c: OpenConnection, delivery: Delivery) -> list[Delivery]:
    """The same message on its way to other queues of the peer."""
    others = [number for number in c.sending if number != delivery.queue]
    found = [
        step.rows.get(Delivery, c.connection_id, number, delivery.message_id) for number in others
    ]
    return [copy for copy in found if copy is not None]


def not_delivered(
    step: Step, c: OpenConnection, delivery: Delivery, failure: SendFailure
) -> float | None:
    """An attempt has failed.  Returns how long to wait before the next, or `None` for none."""
    now = step.moment.now
    is_quota = failure is SendFailure.QUOTA
    in_handshake = delivery.kind in (DeliveryKind.CONFIRMATION, DeliveryKind.HELLO)
    if failure is SendFailure.GONE or failure is SendFailure.REFUSED:
        if in_handshake:
            fail(step, c, failure.problem)
        else:
            _give_up(step, c, [delivery], failure)
        return None
    timeout = QUOTA_TIMEOUT if is_quota else MESSAGE_TIMEOUT
    if now - delivery.created_at >= timeout and delivery.kind is not DeliveryKind.ROTATION:
        if in_handshake:
            fail(step, c, failure.problem)
        else:
            _give_up(step, c, _expired(step, c, delivery, now - timeout), failure)
        return None
    first = now if delivery.first_failure is None else delivery.first_failure
    just_resumed = delivery.wait is not None and delivery.wait < FAST.maximum
    backoff = SLOW if is_quota and not just_resumed else FAST
    wait = backoff.next_wait(delivery.wait, now - first)
    warned = delivery.problem
    if failure is not SendFailure.TEMPORARY and delivery.kind is DeliveryKind.MESSAGE:
        problem = failure.problem
        if warned != problem.value:
            warned = problem.value
            step.tell(DeliveryWarning(c.connection_id, delivery.message_id, problem))
    step.rows.update(delivery, evolve(delivery, first_failure=first, wait=wait, problem=warned))
    return wait


def resume(step: Step, c: OpenConnection, queue: SendingQueue) -> bool:
    """Try the first message of a queue at once, and say whether it has waited for long."""
    waiting = step.rows.find(
        Delivery, limit=1, connection_id=c.connection_id, queue=queue.number, is_held=False
    )
    for delivery in waiting:
        resumed = evolve(delivery, first_failure=step.moment.now, wait=RESUMED_WAIT)
        step.rows.update(delivery, resumed)
        return delivery.wait is not None and delivery.wait > RESUMED_WAIT
    return False


def _expired(step: Step, c: OpenConnection, delivery: Delivery, before: float) -> list[Delivery]:
    """The message that has waited too long, and all others in its queue that have."""
    queued = step.rows.find(Delivery, connection_id=c.connection_id, queue=delivery.queue)
    kept = (DeliveryKind.CONFIRMATION, DeliveryKind.HELLO, DeliveryKind.ROTATION)
    return [
        each
        for each in queued
        if each.created_at <= before and each.kind not in kept and not each.is_held
    ]


def _give_up(
    step: Step, c: OpenConnection, deliveries: list[Delivery], failure: SendFailure
) -> None:
    drop_deliveries(step, c, deliveries)
    ids: set[int] = set()
    failed = False
    for delivery in deliveries:
        copies = _copies(step, c, delivery)
        held_back = [copy for copy in copies if c.sending[copy.queue].is_held_back]
        has_copy = delivery.is_taken or len(held_back) < len(copies)
        if not has_copy:
            # What was given up must not arrive later.
            drop_deliveries(step, c, held_back)
        if delivery.kind is DeliveryKind.ROTATION:
            problem = failure.problem
            rotation_message_failed(step, c, delivery, problem, has_copy=has_copy)
        elif delivery.kind is DeliveryKind.MESSAGE and not has_copy:
            ids.add(delivery.message_id)
        elif delivery.kind in (DeliveryKind.RATCHET_KEY, DeliveryKind.EREADY) and not has_copy:
            failed = True
    if ids:
        step.tell(DeliveryFailed(c.connection_id, tuple(sorted(ids)), failure.problem))
    if failed:
        negotiation_failed(step, c, failure.problem)
        if failure is SendFailure.GONE:
            # What was held back would go the same way.
            queued = step.rows.find(Delivery, connection_id=c.connection_id)
            _give_up(step, c, [each for each in queued if each.is_held], failure)
