"""The first message of a peer: a confirmation, or the answer to one."""

from __future__ import annotations

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import AuthPublicKey
from simplex_trio.duplex.errors import CannotAccept
from simplex_trio.duplex.events import ConfirmationReceived, PeerInfo, Problem
from simplex_trio.duplex.machine.accepting import answer
from simplex_trio.duplex.machine.connection import Acknowledgement, ReceivingQueue, ReceivingStatus
from simplex_trio.duplex.machine.handshake import confirmation_arrived, fail, make_ready
from simplex_trio.duplex.machine.opening import Unusable, decoded, decrypt, version_problem
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.errors import TooLarge
from simplex_trio.ratchet.errors import RatchetError, VersionNotSpoken
from simplex_trio.ratchet.starting import initiator_ratchet
from simplex_trio.wire.duplex.envelopes import ConfirmationEnvelope
from simplex_trio.wire.duplex.messages import ConnectionInfo, ConnectionInfoReply, message_hash
from simplex_trio.wire.duplex.versions import AgentVersion
from simplex_trio.wire.duplex.x3dh_keys import RatchetVersion

__all__ = ["confirmation_received"]


def confirmation_received(
    step: Step,
    c: OpenConnection,
    queue: ReceivingQueue,
    envelope: ConfirmationEnvelope,
    secret: BoxKey,
    client_version: int,
    sender_key: AuthPublicKey | None,
) -> None:
    """The first message on a queue; ``secret`` is what has opened it."""
    spoken, agreed = step.moment.spoken, c.row.agent_version
    version = envelope.agent_version
    if version not in spoken.agent and version > agreed:
        raise Unusable(version_problem(version, spoken.agent))
    if queue.status is not ReceivingStatus.NEW:
        raise Unusable(Problem.UNEXPECTED)
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
    if row.is_requester and not row.decides:
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
        raise Unusable(Problem.UNEXPECTED)
    if peer.version not in moment.spoken.ratchet:
        raise Unusable(version_problem(peer.version, moment.spoken.ratchet))
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
        raise Unusable(Problem.VERSION) from exc
    except RatchetError as exc:
        raise Unusable(Problem.DECRYPTION) from exc
    c.change(ratchet=ratchet, pq=pq, agent_version=envelope.agent_version)
    plaintext = decrypt(step, c, envelope.ciphertext)
    message = decoded(plaintext)
    if not isinstance(message, ConnectionInfoReply):
        raise Unusable(Problem.UNEXPECTED)
    c.change(x3dh=None, last_received=1, received_hash=message_hash(plaintext))
    return message


def _decrypt_answer(step: Step, c: OpenConnection, envelope: ConfirmationEnvelope) -> bytes:
    """What the initiator says."""
    if envelope.x3dh_keys is not None:
        raise Unusable(Problem.UNEXPECTED)
    plaintext = decrypt(step, c, envelope.ciphertext)
    message = decoded(plaintext)
    if not isinstance(message, ConnectionInfo):
        raise Unusable(Problem.UNEXPECTED)
    if c.row.last_received == 0:
        c.change(last_received=1, received_hash=message_hash(plaintext))
    return message.info
