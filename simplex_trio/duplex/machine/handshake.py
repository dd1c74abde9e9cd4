"""How two sides become connected, once each knows a queue of the other.

The joiner's confirmation names its queue and carries the keys from which the initiator makes its
ratchet; the initiator's answers it through that queue.  In the *fast* handshake each sender secures
the queue that it sends to, before its confirmation.  Where a queue does not allow that, the
confirmation carries the sender's key instead, the owner of the queue secures it with KEY, and both
sides say HELLO: the *slow* one.  Each of the two queues goes its own way.
"""

from __future__ import annotations

from simplex_trio.crypto.box import BoxKey
from simplex_trio.duplex.events import ConnectionFailed, ConnectionReady, JoinSent, Problem
from simplex_trio.duplex.machine.connection import (
    ConnectionKind,
    ReceivingStatus,
    SendingQueue,
    SendingStatus,
)
from simplex_trio.duplex.machine.messages import Delivery, DeliveryKind
from simplex_trio.duplex.machine.queues import planned_request, reply_queue
from simplex_trio.duplex.machine.rotating import new_queue_secured
from simplex_trio.duplex.machine.sending import drop_deliveries, enqueue_hello, next_numbers
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.ratchet.sending import advance_sending
from simplex_trio.wire.duplex.envelopes import ConfirmationEnvelope, InvitationEnvelope
from simplex_trio.wire.duplex.messages import ConnectionInfo, ConnectionInfoReply
from simplex_trio.wire.duplex.requests import ContactURI, InvitationURI
from simplex_trio.wire.duplex.sizes import check_fits, confirmation_padded_length
from simplex_trio.wire.duplex.versions import AgentVersion
from simplex_trio.wire.smp.envelopes import ClientEnvelope, ClientMessage
from simplex_trio.wire.smp.sizes import E2E_CONFIRMATION_PADDED

__all__ = [
    "can_send",
    "confirm_if_possible",
    "confirmation_arrived",
    "confirmation_sent",
    "fail",
    "has_failed",
    "has_hello_to_say",
    "hello_received",
    "hello_sent",
    "make_ready",
    "queue_is_there",
    "receiver_secured",
    "request_sent",
    "sender_secured",
]

_NONCE_SIZE = 24


def queue_is_there(step: Step, c: OpenConnection) -> None:
    """This side's queue was created, for a connection that it did not offer."""
    if c.row.is_joiner:
        confirm_if_possible(step, c)
    else:
        _make_request(step, c)


def _make_request(step: Step, c: OpenConnection) -> None:
    """Seal the request to a contact address, so that each attempt sends the same bytes."""
    row, moment = c.row, step.moment
    assert row.address is not None
    assert row.info is not None
    address = ContactURI.parse(row.address)
    uri = address.queues[0]
    version = uri.client_versions.intersection(moment.spoken.client)
    assert version is not None  # as `simplex_trio.duplex.machine.joining` has checked
    receiving = c.main_receiving
    assert receiving is not None
    invitation = planned_request(c, receiving, moment)
    assert isinstance(invitation, InvitationURI)
    envelope = InvitationEnvelope(row.agent_version, invitation, row.info)
    once, nonce = moment.x25519_key(), moment.random(_NONCE_SIZE)
    box = BoxKey.agree(once, uri.queue.dh_key)
    sealed = ClientMessage(None, envelope.encode()).seal(box, nonce, E2E_CONFIRMATION_PADDED)
    body = ClientEnvelope(version.highest, once.public, nonce, sealed)
    c.change(request=body.encode())


def sender_secured(step: Step, c: OpenConnection, number: int) -> None:
    """The peer's queue is this side's alone."""
    if number not in c.sending:
        return  # the connection was deleted meanwhile
    c.change_sending(number, status=SendingStatus.SECURED)
    confirm_if_possible(step, c)


def receiver_secured(step: Step, c: OpenConnection, number: int) -> None:
    """KEY has made this side's queue the peer's alone."""
    queue = c.receiving[number]
    if queue.sender_key is None:
        return
    if queue.replaces:
        new_queue_secured(step, c, number)
        return
    is_new = queue.status is ReceivingStatus.CONFIRMED
    c.change_receiving(
        number, status=ReceivingStatus.SECURED if is_new else queue.status, sender_key=None
    )
    if c.row.is_joiner:
        enqueue_hello(step, c)
    else:
        confirm_if_possible(step, c)


def confirm_if_possible(step: Step, c: OpenConnection) -> None:
    """Store this side's confirmation for delivery, as soon as all that it needs is there."""
    sending, receiving = c.main_sending, c.main_receiving
    if sending is None or receiving is None or c.row.info is None:
        return
    # It is delivered once the queue is secured.  Waiting for that here would let receipts, and what
    # else the agents have to say, overtake it.
    if receiving.status is ReceivingStatus.PLANNED or receiving.sender_key is not None:
        return
    _enqueue_confirmation(step, c, sending)


def _enqueue_confirmation(step: Step, c: OpenConnection, sending: SendingQueue) -> None:
    row, receiving = c.row, c.main_receiving
    assert row.ratchet is not None
    assert row.info is not None
    assert receiving is not None
    keys = None
    message: ConnectionInfo | ConnectionInfoReply
    if row.is_joiner:
        assert row.x3dh is not None
        keys = row.x3dh.public(row.ratchet.version)
        message = ConnectionInfoReply((reply_queue(receiving),), row.info)
    else:
        message = ConnectionInfo(row.info)
    check_fits(message, row.agent_version, row.pq)
    prepared = advance_sending(
        row.ratchet, kem=row.pq, max_version=step.moment.spoken.ratchet.highest
    )
    plaintext = message.encode()
    padded = confirmation_padded_length(row.agent_version, row.pq)
    envelope = ConfirmationEnvelope(
        row.agent_version, keys, prepared.key.encrypt(plaintext, padded)
    )
    message_id = next_numbers(c, plaintext)
    c.change(ratchet=prepared.ratchet, info=None, x3dh=None)
    step.rows.insert(
        Delivery(
            connection_id=c.connection_id,
            queue=sending.number,
            message_id=message_id,
            kind=DeliveryKind.CONFIRMATION,
            notify=True,
            created_at=step.moment.seconds,
            nonce=step.moment.random(_NONCE_SIZE),
            plaintext=envelope.encode(),
            body=None,
            sending_key=None,
            padded_length=0,
        )
    )


def confirmation_sent(step: Step, c: OpenConnection, number: int) -> None:
    """The peer's router has taken this side's confirmation."""
    sending = c.sending[number]
    if not c.row.is_joiner and sending.is_sender_secured:
        c.change_sending(number, status=SendingStatus.ACTIVE)
        make_ready(step, c)
        return
    if sending.status is not SendingStatus.ACTIVE:
        c.change_sending(number, status=SendingStatus.CONFIRMED)
    if c.row.is_joiner:
        step.tell(JoinSent(c.connection_id, can_send(c)))


def confirmation_arrived(step: Step, c: OpenConnection) -> None:
    """The peer answers this side's confirmation, so it has arrived, whatever its router has said.

    It must not be sent again: the peer may have secured the queue since.
    """
    for delivery in step.rows.find(Delivery, connection_id=c.connection_id):
        if delivery.kind is DeliveryKind.CONFIRMATION:
            drop_deliveries(step, c, [delivery])
            confirmation_sent(step, c, delivery.queue)


def hello_received(step: Step, c: OpenConnection) -> Problem | None:
    """The peer has said HELLO, which shows that this side's queue works.

    The joiner says it first.
    """
    sending, row = c.main_sending, c.row
    if sending is None or row.ready:
        return Problem.UNEXPECTED
    if row.is_joiner:
        if sending.status is SendingStatus.ACTIVE:
            make_ready(step, c)
        return None
    if sending.is_sender_secured or row.info is not None:
        return Problem.UNEXPECTED
    confirmation_arrived(step, c)
    if not has_hello_to_say(step, c):
        enqueue_hello(step, c)
    return None


def has_hello_to_say(step: Step, c: OpenConnection) -> bool:
    """Whether HELLO waits to be delivered, or for the router's word that it was."""
    queued = step.rows.find(Delivery, connection_id=c.connection_id)
    return any(delivery.kind is DeliveryKind.HELLO for delivery in queued)


def hello_sent(step: Step, c: OpenConnection, number: int) -> None:
    """The peer's router has taken this side's HELLO."""
    c.change_sending(number, status=SendingStatus.ACTIVE)
    receiving = c.main_receiving
    if receiving is not None and receiving.status is ReceivingStatus.ACTIVE:
        make_ready(step, c)


def make_ready(step: Step, c: OpenConnection) -> None:
    """The handshake is over; told once."""
    if c.row.ready:
        return
    c.change(ready=True)
    ratchet = c.row.ratchet
    step.tell(ConnectionReady(c.connection_id, ratchet is not None and ratchet.kem_sending))


def can_send(c: OpenConnection) -> bool:
    """Whether messages of the program may be queued."""
    sending, row = c.main_sending, c.row
    if sending is None or row.ratchet is None or row.ratchet.sending is None:
        return False
    if not row.is_synchronised:
        return False
    if row.ready:
        return True
    if row.info is not None or not sending.is_sender_secured:
        return False
    return not row.is_joiner or row.agent_version >= AgentVersion.RATCHET_ON_CONFIRMATION


def request_sent(step: Step, c: OpenConnection) -> None:
    """The router of a contact address has taken the request."""
    if c.row.request is None:
        return
    c.change(address=None, request=None)
    step.tell(JoinSent(c.connection_id, can_send=False))


def has_failed(c: OpenConnection) -> bool:
    """Whether `fail` was called: nothing is left from which a connection could be made."""
    row = c.row
    if row.kind is ConnectionKind.ADDRESS:
        return not c.receiving
    return row.link is None and row.x3dh is None and row.ratchet is None


def fail(step: Step, c: OpenConnection, problem: Problem) -> None:
    """The handshake cannot go on; what it still had to do is dropped.

    So are the keys: whatever the peer still sends is of no use.  The link counts as one that was
    not joined, so that joining it again says what is wrong with it.
    """
    if has_failed(c):
        return
    c.change(
        info=None,
        link=None,
        link_hash=None,
        link_key=None,
        address=None,
        request=None,
        reply_queue=None,
        confirmation_id=None,
        x3dh=None,
        ratchet=None,
    )
    for number, queue in list(c.receiving.items()):
        if queue.status is ReceivingStatus.PLANNED:
            del c.receiving[number]
        else:
            c.change_receiving(number, sender_key=None)
    drop_deliveries(step, c)
    c.sending.clear()
    step.tell(ConnectionFailed(c.connection_id, problem))
