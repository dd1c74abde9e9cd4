"""Queueing messages: the number, the hash and the step of the ratchet that each one takes.

While the two sides have no ratchet in common, messages are *held back*: they have their ids, and
get the rest when there is a ratchet again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import evolve

from simplex_trio.crypto.padding import can_pad
from simplex_trio.duplex.errors import CannotSend, NotSynchronised
from simplex_trio.duplex.events import DeliveryFailed, Problem
from simplex_trio.duplex.machine.connection import SendingQueue
from simplex_trio.duplex.machine.messages import Delivery, DeliveryKind, SentMessage
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.errors import TooLarge
from simplex_trio.ratchet.sending import Prepared, advance_sending
from simplex_trio.ratchet.state import Ratchet
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.duplex.bodies import EREADY, HELLO, MessageBody, UserMessage, decode_body
from simplex_trio.wire.duplex.messages import AgentMessage, decode_message, message_hash
from simplex_trio.wire.duplex.sizes import message_padded_length
from simplex_trio.wire.duplex.versions import AgentVersion

__all__ = [
    "MAX_COPIES",
    "drop_deliveries",
    "enqueue",
    "enqueue_eready",
    "enqueue_hello",
    "enqueue_message",
    "expire_held",
    "give_up",
    "hold_back",
    "next_numbers",
    "release",
]

_NONCE_SIZE = 24

_HELD = (DeliveryKind.MESSAGE, DeliveryKind.SERVICE, DeliveryKind.ROTATION)

MAX_COPIES = 128
"""While the peer's queue is being moved, so many messages are kept for the new queue that have
reached the old one.  A router keeps as many in a queue, so the peer has had those before.  A peer
that never goes on thus takes up no more room than that."""


def next_numbers(c: OpenConnection, plaintext: bytes) -> int:
    """Count a message to the peer, and return the id that the program knows it by."""
    row = c.row
    message_id = row.last_message_id + 1
    c.change(
        last_message_id=message_id,
        last_sent=row.last_sent + 1,
        sent_hash=message_hash(plaintext),
    )
    return message_id


def enqueue_message(
    step: Step,
    c: OpenConnection,
    body: bytes,
    body_number: int | None,
    *,
    notify: bool,
    pq: bool | None,
) -> int:
    """Queue a message of the program and return its id.

    ``body_number`` is the row of ``body``, if other messages share it.  Raises `TooLarge`,
    `NotSynchronised`, or `CannotSend`, before anything has changed.
    """
    sending = c.main_sending
    if sending is None:
        raise CannotSend("the connection has no queue to send to")
    if not c.row.is_synchronised:
        raise NotSynchronised("the two sides have no ratchet in common")
    return _enqueue(
        step, c, sending, UserMessage(body), DeliveryKind.MESSAGE, notify, pq, body_number
    )


def enqueue(
    step: Step,
    c: OpenConnection,
    body: MessageBody,
    *,
    notify: bool = False,
    kind: DeliveryKind = DeliveryKind.SERVICE,
    only: SendingQueue | None = None,
) -> None:
    """Queue a message of the agents' own, if the connection has a queue to send to.

    It goes to all of the peer's queues, or to ``only`` one.
    """
    sending, row = only or c.main_sending, c.row
    if sending is None or row.ratchet is None:
        return
    if row.info is not None:
        return  # the confirmation is still to be made, and nothing may overtake it
    if not row.is_synchronised:
        _hold(step, c, sending, body, notify, kind, has_copies=only is None)
        return
    if row.ratchet.sending is None:
        return
    _enqueue(step, c, sending, body, kind, notify, None, None, has_copies=only is None)


def enqueue_hello(step: Step, c: OpenConnection) -> None:
    """Queue HELLO, which ends the slow handshake."""
    sending = c.main_sending
    if sending is not None:
        _enqueue(step, c, sending, HELLO(), DeliveryKind.HELLO, True, None, None)


def _enqueue(
    step: Step,
    c: OpenConnection,
    sending: SendingQueue,
    body: MessageBody,
    kind: DeliveryKind,
    notify: bool,
    pq: bool | None,
    body_number: int | None,
    *,
    has_copies: bool = True,
) -> int:
    row, moment = c.row, step.moment
    assert row.ratchet is not None
    plaintext = AgentMessage(row.last_sent + 1, row.sent_hash, body).encode()
    prepared, supports_kem, padded = _prepare(step, c, row.ratchet, pq)
    _check_size(plaintext, body, padded)
    message_id = next_numbers(c, plaintext)
    c.change(ratchet=prepared.ratchet, pq=supports_kem)
    if body_number is not None:
        plaintext = plaintext[: len(plaintext) - _body_size(body)]
    delivery = Delivery(
        connection_id=c.connection_id,
        queue=sending.number,
        message_id=message_id,
        kind=kind,
        notify=notify,
        created_at=moment.seconds,
        nonce=moment.random(_NONCE_SIZE),
        plaintext=plaintext,
        body=body_number,
        sending_key=prepared.key.encode(),
        padded_length=padded,
    )
    _insert(step, c, delivery, has_copies=has_copies)
    if kind is DeliveryKind.MESSAGE:
        step.rows.insert(
            SentMessage(
                connection_id=c.connection_id,
                message_id=message_id,
                sender_message_id=c.row.last_sent,
                message_hash=c.row.sent_hash,
                created_at=moment.seconds,
            )
        )
    return message_id


def _prepare(
    step: Step, c: OpenConnection, ratchet: Ratchet, pq: bool | None
) -> tuple[Prepared, bool, int]:
    """The key of the next message, whether the KEM is supported then, and what it is padded to."""
    wanted = pq
    if wanted and c.row.agent_version < AgentVersion.PQ_RATCHET:
        wanted = None  # the peer would not understand it
    highest = step.moment.spoken.ratchet.highest
    prepared = advance_sending(ratchet, kem=wanted, max_version=highest)
    supports_kem = c.row.pq or bool(wanted) or prepared.ratchet.large_headers
    return prepared, supports_kem, message_padded_length(c.row.agent_version, supports_kem)


def _check_size(plaintext: bytes, body: MessageBody, padded: int) -> None:
    if not can_pad(len(plaintext), padded):
        room = padded - 2 - (len(plaintext) - _body_size(body))
        raise TooLarge(f"a message of {_body_size(body)} bytes, where {room} fit")


def _insert(step: Step, c: OpenConnection, delivery: Delivery, *, has_copies: bool) -> None:
    """Queue a message, and if it ``has_copies``, one for each queue that is to take over."""
    step.rows.insert(delivery)
    for queue in c.sending.values():
        if queue.replaces and has_copies:
            nonce = step.moment.random(_NONCE_SIZE)
            step.rows.insert(evolve(delivery, queue=queue.number, nonce=nonce))
            _limit_copies(step, c, queue)


def _limit_copies(step: Step, c: OpenConnection, queue: SendingQueue) -> None:
    place: dict[str, Any] = {"connection_id": c.connection_id, "queue": queue.number}
    surplus = step.rows.count(Delivery, **place) - MAX_COPIES
    if surplus > 0:
        oldest = step.rows.find(Delivery, limit=surplus + 1, **place)
        is_extra = [
            each for each in oldest if each.is_taken and each.kind is not DeliveryKind.ROTATION
        ]
        drop_deliveries(step, c, is_extra[:surplus])


def _body_size(body: MessageBody) -> int:
    return len(body.body) if isinstance(body, UserMessage) else len(body.encode())


def drop_deliveries(
    step: Step, c: OpenConnection, deliveries: Sequence[Delivery] | None = None
) -> None:
    """Remove messages that will not be sent any more; all of the connection's by default."""
    rows = step.rows
    if deliveries is None:
        deliveries = rows.find(Delivery, connection_id=c.connection_id)
    for delivery in deliveries:
        rows.delete(delivery)
        if delivery.body is not None:
            rows.drop_unused_body(delivery.body)


# --- a new ratchet ------------------------------------------------------------------------------


def enqueue_eready(
    step: Step, c: OpenConnection, received: int, *, through_both: bool = False
) -> None:
    """Queue EREADY; ``through_both`` ratchets that the peer may have, as far as they can send.

    ``received`` is the number of the last message that the earlier ratchet has decrypted.
    The peer reads one of them, so all are the same message, with one number.
    """
    sending, row = c.main_sending, c.row
    ratchets = [
        (name, ratchet)
        for name, ratchet in (("other_ratchet", row.other_ratchet), ("ratchet", row.ratchet))
        if ratchet is not None
        and ratchet.sending is not None
        and (through_both or ratchet is row.ratchet)
    ]
    if sending is None or not ratchets:
        return
    body = EREADY(received)
    plaintext = AgentMessage(row.last_sent + 1, row.sent_hash, body).encode()
    message_id = next_numbers(c, plaintext)
    for place, (name, ratchet) in enumerate(ratchets):
        prepared, supports_kem, padded = _prepare(step, c, ratchet, None)
        c.change(**{name: prepared.ratchet}, pq=supports_kem, last_message_id=message_id + place)
        delivery = Delivery(
            connection_id=c.connection_id,
            queue=sending.number,
            message_id=message_id + place,
            kind=DeliveryKind.EREADY,
            notify=True,
            created_at=step.moment.seconds,
            nonce=step.moment.random(_NONCE_SIZE),
            plaintext=plaintext,
            body=None,
            sending_key=prepared.key.encode(),
            padded_length=padded,
        )
        _insert(step, c, delivery, has_copies=True)


def _hold(
    step: Step,
    c: OpenConnection,
    sending: SendingQueue,
    body: MessageBody,
    notify: bool,
    kind: DeliveryKind,
    *,
    has_copies: bool,
) -> None:
    message_id = c.row.last_message_id + 1
    c.change(last_message_id=message_id)
    delivery = Delivery(
        connection_id=c.connection_id,
        queue=sending.number,
        message_id=message_id,
        kind=kind,
        notify=notify,
        created_at=step.moment.seconds,
        nonce=step.moment.random(_NONCE_SIZE),
        plaintext=body.encode(),
        body=None,
        sending_key=None,
        padded_length=0,
        is_held=True,
    )
    _insert(step, c, delivery, has_copies=has_copies)


def hold_back(step: Step, c: OpenConnection) -> None:
    """Take back what no router can have yet, to be encrypted by another ratchet.

    The first message of a queue may have been sent, although its router's answer has not come; it
    goes on as it is, and so does what was queued before the agent was opened, as the answers may
    have been lost, what an older store may have sent, and what makes new ratchets.
    """
    queued = step.rows.find(Delivery, connection_id=c.connection_id)
    # A copy of what another queue has is of no use without the ratchet.
    drop_deliveries(step, c, [each for each in queued if each.is_taken])
    queued = [each for each in queued if not each.is_taken]
    first: dict[int, int] = {}
    for delivery in queued:
        queue = c.sending.get(delivery.queue)
        # Nothing is sent to a queue before the peer has said that it may be used.
        if not delivery.is_held and not (queue is not None and queue.is_held_back):
            first.setdefault(delivery.queue, delivery.message_id)
    for delivery in queued:
        is_sent = (
            delivery.message_id in first.values()
            or delivery.first_failure is not None
            or delivery.created_at <= step.moment.opened_at
        )
        if delivery.kind in _HELD and not (delivery.is_held or is_sent):
            _take_back(step, delivery)


def _take_back(step: Step, delivery: Delivery) -> None:
    rows = step.rows
    shared = b"" if delivery.body is None else rows.body(delivery.body)
    message = decode_message(delivery.plaintext + shared)
    assert isinstance(message, AgentMessage)
    body = message.body.encode()
    rows.update(
        delivery,
        evolve(
            delivery,
            plaintext=body[: len(body) - len(shared)],
            sending_key=None,
            padded_length=0,
            is_held=True,
        ),
    )
    sent = rows.get(SentMessage, delivery.connection_id, message.sender_message_id)
    if sent is not None:
        rows.delete(sent)


def release(step: Step, c: OpenConnection) -> None:
    """Queue what was held back; there is a ratchet for it."""
    held = [
        delivery
        for delivery in step.rows.find(Delivery, connection_id=c.connection_id)
        if delivery.is_held
    ]
    copies: dict[int, list[Delivery]] = {}
    for delivery in held:
        copies.setdefault(delivery.message_id, []).append(delivery)
    for message_id in sorted(copies):
        _release(step, c, copies[message_id])


def _release(step: Step, c: OpenConnection, copies: list[Delivery]) -> None:
    """Queue one message, on one queue or several."""
    row, delivery = c.row, copies[0]
    assert row.ratchet is not None
    shared = b"" if delivery.body is None else step.rows.body(delivery.body)
    body = decode_body(Reader(delivery.plaintext + shared))
    plaintext = AgentMessage(row.last_sent + 1, row.sent_hash, body).encode()
    prepared, supports_kem, padded = _prepare(step, c, row.ratchet, None)
    if not can_pad(len(plaintext), padded):
        # The new ratchet has the KEM, and less room.
        give_up(step, c, copies, Problem.TOO_LARGE)
        return
    c.change(
        ratchet=prepared.ratchet,
        pq=supports_kem,
        last_sent=row.last_sent + 1,
        sent_hash=message_hash(plaintext),
    )
    for each in copies:
        step.rows.update(
            each,
            evolve(
                each,
                plaintext=plaintext[: len(plaintext) - len(shared)],
                sending_key=prepared.key.encode(),
                padded_length=padded,
                is_held=False,
            ),
        )
    if delivery.kind is DeliveryKind.MESSAGE:
        step.rows.insert(
            SentMessage(
                connection_id=c.connection_id,
                message_id=delivery.message_id,
                sender_message_id=c.row.last_sent,
                message_hash=c.row.sent_hash,
                created_at=delivery.created_at,
            )
        )


def expire_held(step: Step, c: OpenConnection, before: float) -> None:
    """Give up what has been held back for too long; what moves a queue is never too old."""
    expired = [
        each
        for each in step.rows.find(Delivery, connection_id=c.connection_id)
        if each.is_held and each.created_at < before and each.kind is not DeliveryKind.ROTATION
    ]
    if expired:
        give_up(step, c, expired, Problem.DECRYPTION)


def give_up(
    step: Step, c: OpenConnection, deliveries: Sequence[Delivery], problem: Problem
) -> None:
    """Remove messages that will not be sent, and tell of the program's."""
    drop_deliveries(step, c, deliveries)
    of_program = (each for each in deliveries if each.kind is DeliveryKind.MESSAGE)
    ids = sorted({delivery.message_id for delivery in of_program})
    if ids:
        step.tell(DeliveryFailed(c.connection_id, tuple(ids), problem))
