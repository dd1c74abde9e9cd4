"""What a router delivers: opened, decrypted, and turned into what it means, in one step.

Nothing is acknowledged to the router before the step is stored.  A message that comes again is told
by the router's id for it, or by its hash; its effects are there already, so it is acknowledged, or
waits for the program as it did before.
"""

from __future__ import annotations

from hashlib import sha256
from typing import final

from attrs import evolve, frozen

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import AuthPublicKey
from simplex_trio.duplex.errors import CannotAccept
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    Integrity,
    PeerInfo,
    PeerMessage,
    Problem,
    ReceiptReceived,
    RequestReceived,
    SendingResumed,
)
from simplex_trio.duplex.machine.accepting import answer
from simplex_trio.duplex.machine.connection import (
    Acknowledgement,
    ConnectionKind,
    Deletion,
    ReceivingQueue,
    ReceivingStatus,
)
from simplex_trio.duplex.machine.delivering import resume
from simplex_trio.duplex.machine.handshake import (
    confirmation_arrived,
    fail,
    hello_received,
    make_ready,
)
from simplex_trio.duplex.machine.messages import (
    MAX_REQUESTS,
    Delivery,
    ReceivedMessage,
    Request,
    SentMessage,
)
from simplex_trio.duplex.machine.sending import enqueue
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.errors import CryptoError, DecodeError, DecryptionFailed, TooLarge
from simplex_trio.ratchet.errors import (
    RatchetError,
    VersionNotSpoken,
)
from simplex_trio.ratchet.receiving import open_header
from simplex_trio.ratchet.starting import initiator_ratchet
from simplex_trio.ratchet.state import FreshKeys
from simplex_trio.redaction import Redacted
from simplex_trio.wire.duplex.bodies import (
    HELLO,
    QCONT,
    QueueLocation,
    Receipts,
    UnknownBody,
    UserMessage,
)
from simplex_trio.wire.duplex.envelopes import (
    AgentEnvelope,
    ConfirmationEnvelope,
    InvitationEnvelope,
    MessageEnvelope,
    UnknownEnvelope,
    decode_envelope,
)
from simplex_trio.wire.duplex.messages import (
    AgentMessage,
    ConnectionInfo,
    ConnectionInfoReply,
    decode_message,
    message_hash,
)
from simplex_trio.wire.duplex.versions import AgentVersion
from simplex_trio.wire.duplex.x3dh_keys import RatchetVersion
from simplex_trio.wire.smp.envelopes import ClientEnvelope, ClientMessage

__all__ = ["Arrival", "quota_notice_received", "receive"]


@final
@frozen(repr=False)
class Arrival(Redacted):
    """A message as a router has delivered it."""

    broker_id: bytes
    timestamp: int
    body: bytes


class _Unusable(Exception):
    """What has come cannot be used; it is reported and acknowledged, and changes nothing else."""

    def __init__(self, problem: Problem, *, known: bool = False) -> None:
        super().__init__(problem)
        self.problem = problem
        self.known = known
        """Whether it was processed before, so that there is nothing to report."""


def receive(step: Step, c: OpenConnection, number: int, arrival: Arrival) -> None:
    """Process a message."""
    queue = c.receiving[number]
    if queue.is_deleted or _came_again(c, queue, arrival.broker_id):
        return
    _take(c, number, arrival.broker_id)
    go_back = c.snapshot()
    try:
        _process(step, c, queue, arrival)
    except _Unusable as exc:
        go_back()
        if not exc.known:
            step.tell_problem(c.connection_id, exc.problem)


def _came_again(c: OpenConnection, queue: ReceivingQueue, broker_id: bytes) -> bool:
    if queue.broker_id != broker_id:
        return False
    if queue.acknowledgement is Acknowledgement.NONE:
        # The router has lost the acknowledgement.
        c.change_receiving(queue.number, acknowledgement=Acknowledgement.DUE)
    return True


def _take(c: OpenConnection, number: int, broker_id: bytes) -> None:
    """Acknowledge a message, unless it turns out that something has to happen first."""
    c.change_receiving(
        number,
        broker_id=broker_id,
        acknowledgement=Acknowledgement.DUE,
        held_message_id=0,
    )


def quota_notice_received(step: Step, c: OpenConnection, number: int, broker_id: bytes) -> None:
    """The queue was full and is read to its end: the peer may go on."""
    queue = c.receiving[number]
    if queue.is_deleted or _came_again(c, queue, broker_id):
        return
    _take(c, number, broker_id)
    if queue.server is not None:
        enqueue(step, c, QCONT(QueueLocation(queue.server, queue.sender_id)))


def _process(step: Step, c: OpenConnection, queue: ReceivingQueue, arrival: Arrival) -> None:
    spoken = step.moment.spoken.client
    try:
        outer = ClientEnvelope.decode(arrival.body)
    except DecodeError as exc:
        raise _Unusable(Problem.MALFORMED) from exc
    if outer.version not in spoken and outer.version > queue.client_version:
        raise _Unusable(Problem.VERSION)
    if queue.e2e_secret is not None:
        if outer.dh_key is not None:
            _check_repeated_confirmation(queue, outer)
        _, envelope = _open(queue.e2e_secret, outer)
        if isinstance(envelope, MessageEnvelope):
            _process_message(step, c, queue, envelope, arrival)
            return
        problem = (
            Problem.UNKNOWN_KIND if isinstance(envelope, UnknownEnvelope) else Problem.UNEXPECTED
        )
        raise _Unusable(problem)
    if outer.dh_key is None:
        raise _Unusable(Problem.UNEXPECTED)
    try:
        secret = BoxKey.agree(queue.e2e_key, outer.dh_key)
    except CryptoError as exc:
        raise _Unusable(Problem.MALFORMED) from exc
    inner, envelope = _open(secret, outer)
    match envelope:
        case InvitationEnvelope() if c.row.kind is ConnectionKind.ADDRESS:
            _process_request(step, c, queue, envelope)
        case ConfirmationEnvelope() if c.row.kind is ConnectionKind.DUPLEX:
            _process_confirmation(step, c, queue, envelope, secret, outer.version, inner.sender_key)
        case UnknownEnvelope():
            raise _Unusable(Problem.UNKNOWN_KIND)
        case _:
            raise _Unusable(Problem.UNEXPECTED)


def _open(secret: BoxKey, outer: ClientEnvelope) -> tuple[ClientMessage, AgentEnvelope]:
    try:
        inner = ClientMessage.open(secret, outer.nonce, outer.sealed)
        return inner, decode_envelope(inner.body)
    except DecryptionFailed as exc:
        raise _Unusable(Problem.DECRYPTION) from exc
    except DecodeError as exc:
        raise _Unusable(Problem.MALFORMED) from exc


def _check_repeated_confirmation(queue: ReceivingQueue, outer: ClientEnvelope) -> None:
    """A confirmation that comes again is opened by the same secret; another one is not."""
    assert queue.e2e_secret is not None
    _, envelope = _open(queue.e2e_secret, outer)
    raise _Unusable(Problem.UNEXPECTED, known=isinstance(envelope, ConfirmationEnvelope))


# --- requests to a contact address --------------------------------------------------------------


def _process_request(
    step: Step, c: OpenConnection, queue: ReceivingQueue, envelope: InvitationEnvelope
) -> None:
    encoded_hash = sha256(envelope.encode()).digest()
    if step.rows.has_seen(c.connection_id, encoded_hash):
        return
    moment, invitation = step.moment, envelope.request
    step.rows.add_seen(c.connection_id, encoded_hash, moment.seconds)
    request = Request(
        request_id=moment.new_id(),
        address_id=c.connection_id,
        invitation=str(invitation),
        info=envelope.info,
        envelope_hash=encoded_hash,
        created_at=moment.seconds,
    )
    step.rows.insert(request)
    if step.rows.count(Request, address_id=c.connection_id) > MAX_REQUESTS:
        c.change_receiving(queue.number, acknowledgement=Acknowledgement.HELD)
    versions = invitation.agent_versions.intersection(moment.spoken.agent)
    ratchets = invitation.x3dh_offer.versions.intersection(moment.spoken.ratchet)
    can_use_kem = (
        versions is not None
        and ratchets is not None
        and versions.highest >= AgentVersion.PQ_RATCHET
        and ratchets.highest >= RatchetVersion.KEM
    )
    servers = tuple(uri.queue.server for uri in invitation.queues)
    step.tell(
        RequestReceived(c.connection_id, request.request_id, envelope.info, can_use_kem, servers)
    )


# --- confirmations ------------------------------------------------------------------------------


def _process_confirmation(
    step: Step,
    c: OpenConnection,
    queue: ReceivingQueue,
    envelope: ConfirmationEnvelope,
    secret: BoxKey,
    client_version: int,
    sender_key: AuthPublicKey | None,
) -> None:
    spoken, agreed = step.moment.spoken, c.row.agent_version
    version = envelope.agent_version
    if version not in spoken.agent and version > agreed:
        raise _Unusable(Problem.VERSION)
    if queue.status is not ReceivingStatus.NEW:
        raise _Unusable(Problem.UNEXPECTED)
    if c.row.is_joiner:
        info = _decrypt_answer(step, c, envelope)
    else:
        confirmation = _decrypt_confirmation(step, c, envelope)
        info = confirmation.info
    c.change_receiving(
        queue.number,
        status=ReceivingStatus.CONFIRMED,
        e2e_secret=secret,
        client_version=min(queue.client_version, client_version),
        sender_key=sender_key,
    )
    row = c.row
    if row.is_joiner:
        assert row.ratchet is not None
        confirmation_arrived(step, c)
        step.tell(PeerInfo(c.connection_id, info, row.ratchet.kem_receiving))
        if sender_key is None:
            c.change_receiving(queue.number, status=ReceivingStatus.ACTIVE)
            make_ready(step, c)
        return
    confirmation_id = step.moment.new_id()
    c.change(confirmation_id=confirmation_id, reply_queue=confirmation.queues[0])
    if row.accepts_by_itself:
        step.tell(PeerInfo(c.connection_id, info, row.pq))
        try:
            answer(step, c)
        except CannotAccept:
            fail(step, c, Problem.MALFORMED)
        except TooLarge:
            fail(step, c, Problem.TOO_LARGE)
        return
    # What the peer sends behind it comes once it is accepted, since receipts need a queue to go to.
    c.change_receiving(queue.number, acknowledgement=Acknowledgement.HELD, held_message_id=0)
    servers = tuple(reply.queue.server for reply in confirmation.queues)
    step.tell(ConfirmationReceived(c.connection_id, confirmation_id, info, row.pq, servers))


def _decrypt_confirmation(
    step: Step, c: OpenConnection, envelope: ConfirmationEnvelope
) -> ConnectionInfoReply:
    """What the joiner says; the ratchet begins with it."""
    moment, own, peer = step.moment, c.row.x3dh, envelope.x3dh_keys
    if own is None or peer is None:
        raise _Unusable(Problem.UNEXPECTED)
    if peer.version not in moment.spoken.ratchet:
        raise _Unusable(Problem.VERSION)
    pq = (
        c.row.pq
        and envelope.agent_version >= AgentVersion.PQ_RATCHET
        and peer.version >= RatchetVersion.KEM
    )
    try:
        ratchet = initiator_ratchet(
            own,
            peer,
            moment.kem,
            kem_supported=pq,
            max_version=moment.spoken.ratchet.highest,
        )
    except VersionNotSpoken as exc:
        raise _Unusable(Problem.VERSION) from exc
    except RatchetError as exc:
        raise _Unusable(Problem.DECRYPTION) from exc
    c.change(ratchet=ratchet, pq=pq, agent_version=envelope.agent_version)
    plaintext = _decrypt(step, c, envelope.ciphertext)
    message = _decoded(plaintext)
    if not isinstance(message, ConnectionInfoReply):
        raise _Unusable(Problem.UNEXPECTED)
    c.change(x3dh=None, last_received=1, received_hash=message_hash(plaintext))
    return message


def _decrypt_answer(step: Step, c: OpenConnection, envelope: ConfirmationEnvelope) -> bytes:
    """What the initiator says."""
    if envelope.x3dh_keys is not None:
        raise _Unusable(Problem.UNEXPECTED)
    plaintext = _decrypt(step, c, envelope.ciphertext)
    message = _decoded(plaintext)
    if not isinstance(message, ConnectionInfo):
        raise _Unusable(Problem.UNEXPECTED)
    if c.row.last_received == 0:
        c.change(last_received=1, received_hash=message_hash(plaintext))
    return message.info


# --- messages -----------------------------------------------------------------------------------


def _process_message(
    step: Step,
    c: OpenConnection,
    queue: ReceivingQueue,
    envelope: MessageEnvelope,
    arrival: Arrival,
) -> None:
    encrypted_hash = sha256(envelope.ciphertext).digest()
    if step.rows.has_seen(c.connection_id, encrypted_hash):
        raise _Unusable(Problem.DECRYPTION, known=True)
    plaintext = _decrypt(step, c, envelope.ciphertext)
    message = _decoded(plaintext)
    if not isinstance(message, AgentMessage):
        raise _Unusable(Problem.UNEXPECTED)
    now = step.moment.seconds
    step.rows.add_seen(c.connection_id, encrypted_hash, now)
    _raise_version(step, c, envelope.agent_version)
    # In the slow handshake it is HELLO that ends it; other messages may come before.
    is_fast = queue.status is ReceivingStatus.CONFIRMED and not c.row.is_joiner
    if is_fast or isinstance(message.body, HELLO):
        c.change_receiving(queue.number, status=ReceivingStatus.ACTIVE)
    integrity, skipped = _integrity(c, message)
    row = c.row
    message_id = row.last_message_id + 1
    c.change(
        last_message_id=message_id,
        last_received=message.sender_message_id,
        received_hash=message_hash(plaintext),
    )
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
                    message_hash=c.row.received_hash,
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
        case UnknownBody():
            problem = Problem.UNKNOWN_KIND
        case _:
            problem = Problem.UNEXPECTED
    if problem is not None:
        step.tell_problem(c.connection_id, problem)


def _decrypt(step: Step, c: OpenConnection, ciphertext: bytes) -> bytes:
    """Decrypt a message; the connection has the next state of the ratchet then."""
    moment, ratchet = step.moment, c.row.ratchet
    if ratchet is None:
        raise _Unusable(Problem.UNEXPECTED)
    try:
        opened = open_header(ratchet, c.skipped, ciphertext, now=moment.seconds)
        fresh = None
        if opened.needs_dh_pair:
            pair = moment.fresh_kem_pair() if opened.needs_kem_pair else None
            fresh = FreshKeys(moment.dh_pair(), pair)
        decrypted = opened.decrypt(fresh, moment.kem)
    except RatchetError as exc:
        raise _Unusable(Problem.DECRYPTION) from exc
    if decrypted.skipped is not c.skipped:
        c.skipped = decrypted.skipped
    c.change(ratchet=decrypted.ratchet)
    return decrypted.plaintext


def _decoded(plaintext: bytes) -> object:
    try:
        return decode_message(plaintext)
    except DecodeError as exc:
        raise _Unusable(Problem.MALFORMED) from exc


def _raise_version(step: Step, c: OpenConnection, version: int) -> None:
    """A message's version raises that of the connection, and never lowers it."""
    version = min(version, step.moment.spoken.agent.highest)
    if version > c.row.agent_version:
        c.change(agent_version=version)


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
        if queue.sender_id != location.sender_id:
            continue
        waiting = step.rows.find(
            Delivery, limit=1, connection_id=c.connection_id, queue=queue.number
        )
        for delivery in waiting:
            resume(step, delivery)
            step.tell(SendingResumed(c.connection_id))
