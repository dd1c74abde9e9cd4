"""Messages of a peer after its first: decrypted, counted, and what each kind means."""

from __future__ import annotations

from hashlib import sha256

from attrs import evolve

from simplex_trio.duplex.events import (
    Integrity,
    PeerMessage,
    Problem,
    ReceiptReceived,
    SendingResumed,
)
from simplex_trio.duplex.machine.connection import (
    Acknowledgement,
    Connection,
    Deletion,
    ReceivingQueue,
    ReceivingStatus,
    Synchrony,
)
from simplex_trio.duplex.machine.delivering import resume
from simplex_trio.duplex.machine.handshake import hello_received
from simplex_trio.duplex.machine.messages import ReceivedMessage, SentMessage
from simplex_trio.duplex.machine.opening import (
    Arrival,
    Unusable,
    decoded,
    decrypt,
    raise_version,
)
from simplex_trio.duplex.machine.ordering import check_turn, comes_late
from simplex_trio.duplex.machine.resynchronising import (
    Decryption,
    earlier_key_used,
    message_decrypted,
)
from simplex_trio.duplex.machine.rotating import qadd_received, qkey_received, quse_received
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.wire.duplex.bodies import (
    EREADY,
    HELLO,
    QADD,
    QCONT,
    QKEY,
    QTEST,
    QUSE,
    QueueLocation,
    Receipts,
    UnknownBody,
    UserMessage,
)
from simplex_trio.wire.duplex.envelopes import MessageEnvelope
from simplex_trio.wire.duplex.messages import AgentMessage, UnknownMessage, message_hash

__all__ = ["message_received"]


def message_received(
    step: Step,
    c: OpenConnection,
    queue: ReceivingQueue,
    envelope: MessageEnvelope,
    arrival: Arrival,
    *,
    may_wait: bool,
) -> None:
    """A message that the ratchet has encrypted.

    Raises `TooEarly`, if it ``may_wait``, and another message has to come first.
    """
    encrypted_hash = sha256(envelope.ciphertext).digest()
    if step.rows.has_seen(c.connection_id, encrypted_hash):
        raise Unusable(Problem.DECRYPTION, known=True)
    before = c.row
    try:
        plaintext = decrypt(step, c, envelope.ciphertext)
    except Unusable as exc:
        if exc.lost is not None:
            # It says nothing more if it comes again.
            step.rows.add_seen(c.connection_id, encrypted_hash, step.moment.seconds)
        raise
    message = decoded(plaintext)
    if isinstance(message, UnknownMessage):
        raise Unusable(Problem.UNKNOWN_KIND)
    if not isinstance(message, AgentMessage):
        raise Unusable(Problem.UNEXPECTED)
    if may_wait and (queue.replaces or c.row.synchrony is not Synchrony.AGREED):
        # Keys for a new ratchet have numbers too.  So in the old queue they are no gap, though what
        # comes through the new one still waits for what the old one has left.
        check_turn(c, queue, message.sender_message_id)
    now = step.moment.seconds
    step.rows.add_seen(c.connection_id, encrypted_hash, now)
    raise_version(step, c, envelope.agent_version)
    # In the slow handshake it is HELLO that ends it; other messages may come before.
    is_fast = queue.status is ReceivingStatus.CONFIRMED and not c.row.is_joiner
    if not queue.replaces and (is_fast or isinstance(message.body, HELLO)):
        c.change_receiving(queue.number, status=ReceivingStatus.ACTIVE)
    integrity, skipped = _integrity(c, message)
    row = c.row
    message_id = row.last_message_id + 1
    hashed = message_hash(plaintext)
    c.change(last_message_id=message_id)
    if not comes_late(c, queue, message.sender_message_id):
        c.change(last_received=message.sender_message_id, received_hash=hashed)
    if row.synchrony is not Synchrony.OK or row.own_keys is not None:
        _show_synchrony(step, c, before, message)
    elif row.old_ratchet is before.old_ratchet is not None:
        c.change(old_ratchet=None)  # the peer goes on with the new one
    problem = None
    match message.body:
        case UserMessage() if row.deletion is not Deletion.NO:
            pass  # the program knows the connection no more
        case UserMessage(body):
            assert row.ratchet is not None
            step.rows.insert(
                ReceivedMessage(
                    connection_id=c.connection_id,
                    message_id=message_id,
                    queue=queue.number,
                    sender_message_id=message.sender_message_id,
                    message_hash=hashed,
                )
            )
            c.change_receiving(
                queue.number,
                acknowledgement=Acknowledgement.HELD,
                held_message_id=message_id,
            )
            step.tell(
                PeerMessage(
                    connection_id=c.connection_id,
                    message_id=message_id,
                    body=body,
                    integrity=integrity,
                    skipped=skipped,
                    pq=row.ratchet.kem_receiving,
                    sender_message_id=message.sender_message_id,
                    broker_timestamp=arrival.timestamp,
                    received_at=now,
                ),
                message_id,
            )
        case HELLO():
            problem = hello_received(step, c)
        case Receipts() as receipts:
            _process_receipts(step, c, receipts)
        case QCONT(location):
            _resume_sending(step, c, location)
        case EREADY():
            pass
        case QADD() as added:
            problem = qadd_received(step, c, added)
        case QKEY() as key:
            problem = qkey_received(step, c, key)
        case QUSE() as use:
            problem = quse_received(step, c, use)
        case QTEST():
            pass  # any message shows that the new queue is used
        case UnknownBody():
            problem = Problem.UNKNOWN_KIND
        case _:
            problem = Problem.UNEXPECTED
    if problem is not None:
        step.tell_problem(c.connection_id, problem)


def _show_synchrony(
    step: Step, c: OpenConnection, before: Connection, message: AgentMessage
) -> None:
    """A message has come although the two sides may have lost each other."""
    is_old = c.row.old_ratchet is not before.old_ratchet
    is_other = c.row.other_ratchet is not before.other_ratchet
    used = before.other_ratchet if is_other else before.ratchet
    assert used is not None
    body = message.body
    shown = Decryption(
        could_send=used.sending is not None,
        is_other=is_other,
        received=before.last_received,
        peer_received=body.last_sender_message_id if isinstance(body, EREADY) else None,
    )
    if not is_old:
        message_decrypted(step, c, shown)
    elif isinstance(body, EREADY):
        earlier_key_used(step, c, shown)
    # Anything else was sent before the peer went on.


def _integrity(c: OpenConnection, message: AgentMessage) -> tuple[Integrity, int]:
    number, last = message.sender_message_id, c.row.last_received
    if number == last + 1:
        same = message.previous_hash == c.row.received_hash
        return (Integrity.OK if same else Integrity.BAD_HASH), 0
    if number < last:
        return Integrity.BAD_ID, 0
    if number == last:
        return Integrity.DUPLICATE, 0
    return Integrity.SKIPPED, number - last - 1


def _process_receipts(step: Step, c: OpenConnection, receipts: Receipts) -> None:
    rows = step.rows
    for receipt in receipts.receipts:
        found = rows.find(
            SentMessage,
            connection_id=c.connection_id,
            sender_message_id=receipt.sender_message_id,
        )
        for sent in found:
            intact = sent.message_hash == receipt.message_hash
            if intact:
                rows.delete(sent)
            elif sent.is_disputed:
                continue
            else:
                rows.update(sent, evolve(sent, is_disputed=True))
            step.tell(ReceiptReceived(c.connection_id, sent.message_id, intact, receipt.info))


def _resume_sending(step: Step, c: OpenConnection, location: QueueLocation) -> None:
    for queue in c.sending.values():
        # The peer may say so as often as it likes, which is news only to what has waited.
        if queue.sender_id == location.sender_id and resume(step, c, queue):
            step.tell(SendingResumed(c.connection_id))
