"""Queueing messages: the number, the hash and the step of the ratchet that each one takes."""

from __future__ import annotations

from collections.abc import Sequence

from simplex_trio.crypto.padding import can_pad
from simplex_trio.duplex.errors import CannotSend
from simplex_trio.duplex.machine.connection import SendingQueue
from simplex_trio.duplex.machine.messages import Delivery, DeliveryKind, SentMessage
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.errors import TooLarge
from simplex_trio.ratchet.sending import advance_sending
from simplex_trio.wire.duplex.bodies import HELLO, MessageBody, UserMessage
from simplex_trio.wire.duplex.messages import AgentMessage, message_hash
from simplex_trio.wire.duplex.sizes import message_padded_length
from simplex_trio.wire.duplex.versions import AgentVersion

__all__ = [
    "drop_deliveries",
    "enqueue",
    "enqueue_hello",
    "enqueue_message",
    "next_numbers",
]

_NONCE_SIZE = 24


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

    ``body_number`` is the row of ``body``, if other messages share it.  Raises `TooLarge`, or
    `CannotSend`, before anything has changed.
    """
    sending = c.main_sending
    if sending is None:
        raise CannotSend("the connection has no queue to send to")
    return _enqueue(
        step, c, sending, UserMessage(body), DeliveryKind.MESSAGE, notify, pq, body_number
    )


def enqueue(step: Step, c: OpenConnection, body: MessageBody, *, notify: bool = False) -> None:
    """Queue a message of the agents' own, if the connection has a queue to send to."""
    sending, row = c.main_sending, c.row
    if sending is None or row.ratchet is None or row.ratchet.sending is None:
        return
    if row.info is not None:
        return  # the confirmation is still to be made, and nothing may overtake it
    _enqueue(step, c, sending, body, DeliveryKind.SERVICE, notify, None, None)


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
) -> int:
    row, moment = c.row, step.moment
    assert row.ratchet is not None
    message = AgentMessage(row.last_sent + 1, row.sent_hash, body)
    plaintext = message.encode()
    wanted = pq
    if wanted and row.agent_version < AgentVersion.PQ_RATCHET:
        wanted = None  # the peer would not understand it
    prepared = advance_sending(row.ratchet, kem=wanted, max_version=moment.spoken.ratchet.highest)
    supports_kem = row.pq or bool(wanted) or prepared.ratchet.large_headers
    padded = message_padded_length(row.agent_version, supports_kem)
    if not can_pad(len(plaintext), padded):
        room = padded - 2 - (len(plaintext) - _body_size(body))
        raise TooLarge(f"a message of {_body_size(body)} bytes, where {room} fit")
    message_id = next_numbers(c, plaintext)
    c.change(ratchet=prepared.ratchet, pq=supports_kem)
    if body_number is not None:
        plaintext = plaintext[: len(plaintext) - _body_size(body)]
    step.rows.insert(
        Delivery(
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
    )
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
