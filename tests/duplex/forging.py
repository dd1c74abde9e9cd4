"""Messages that no honest peer sends, or not at this moment."""

from __future__ import annotations

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import (
    AuthPublicKey,
    X448PrivateKey,
    X25519PrivateKey,
)
from simplex_trio.duplex.machine.connection import ReceivingQueue
from simplex_trio.duplex.machine.delivering import outgoing
from simplex_trio.duplex.machine.sending import enqueue
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.ratchet.sending import advance_sending
from simplex_trio.ratchet.starting import joiner_ratchet
from simplex_trio.ratchet.state import DHKeyPair
from simplex_trio.ratchet.x3dh import X3DHPrivateKeys
from simplex_trio.wire.duplex.bodies import MessageBody
from simplex_trio.wire.duplex.envelopes import (
    AgentEnvelope,
    ConfirmationEnvelope,
    InvitationEnvelope,
    MessageEnvelope,
)
from simplex_trio.wire.duplex.links import parse_link
from simplex_trio.wire.duplex.messages import ConnectionInfoReply
from simplex_trio.wire.duplex.requests import InvitationURI
from simplex_trio.wire.duplex.sizes import MESSAGE_PADDED, confirmation_padded_length
from simplex_trio.wire.duplex.x3dh_keys import X3DHKeys
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.queue_uris import QueueAddress, VersionedQueue
from simplex_trio.wire.smp.envelopes import ClientEnvelope, ClientMessage
from simplex_trio.wire.smp.sizes import E2E_CONFIRMATION_PADDED, E2E_MESSAGE_PADDED
from tests.duplex.machines import Machine
from tests.duplex.worlds import SERVERS

__all__ = [
    "answer_from_peer",
    "confirmation_envelope",
    "from_peer",
    "invitation",
    "plaintext_from_peer",
    "reply",
    "sealed",
    "x3dh_keys",
]


def sealed(
    queue: ReceivingQueue,
    inner: bytes | AgentEnvelope,
    *,
    version: int = 4,
    sender_key: AuthPublicKey | None = None,
    with_key: bool | None = None,
    secret: BoxKey | None = None,
) -> bytes:
    """What SEND takes: as the first message of a sender, or as a later one."""
    once = X25519PrivateKey.generate()
    is_first = queue.e2e_secret is None if with_key is None else with_key
    if secret is None:
        known = queue.e2e_secret
        is_new = known is None or is_first
        secret = BoxKey.agree(queue.e2e_key, once.public) if is_new or known is None else known
    body = inner if isinstance(inner, bytes) else inner.encode()
    padded = E2E_CONFIRMATION_PADDED if is_first else E2E_MESSAGE_PADDED
    nonce = bytes(24)
    box = ClientMessage(sender_key, body).seal(secret, nonce, padded)
    return ClientEnvelope(version, once.public if is_first else None, nonce, box).encode()


def x3dh_keys() -> X3DHPrivateKeys:
    return X3DHPrivateKeys(
        DHKeyPair.of(X448PrivateKey.generate()), DHKeyPair.of(X448PrivateKey.generate()), None
    )


def reply(version: int = 4) -> VersionedQueue:
    key = X25519PrivateKey.generate().public
    return VersionedQueue(version, QueueAddress(SERVERS[1], b"s" * 24, key, QueueMode.MESSAGING))


def confirmation_envelope(
    link: str,
    plaintext: bytes | None = None,
    *,
    agent_version: int = 7,
    ratchet_version: int = 3,
    with_keys: bool = True,
) -> ConfirmationEnvelope:
    """A confirmation as a joiner of this link makes it."""
    request = parse_link(link)
    assert isinstance(request, InvitationURI)
    keys = x3dh_keys()
    offer = request.x3dh_offer.at_version(3)
    ratchet = joiner_ratchet(keys, offer, DHKeyPair.of(X448PrivateKey.generate()))
    prepared = advance_sending(ratchet)
    body = ConnectionInfoReply((reply(),), b"B").encode() if plaintext is None else plaintext
    ciphertext = prepared.key.encrypt(body, confirmation_padded_length(7, pq_support=False))
    public: X3DHKeys | None = keys.public(ratchet_version) if with_keys else None
    return ConfirmationEnvelope(agent_version, public, ciphertext)


def from_peer(peer: Machine, connection_id: str, body: MessageBody) -> bytes:
    """What the peer would send with this in it, under its ratchet; the peer counts it."""
    peer.on(connection_id, lambda step, c: enqueue(step, c, body))
    delivery = peer.deliveries(connection_id)[-1]
    queue = next(iter(peer.connection(connection_id).sending.values()))

    def forget(step: Step, c: OpenConnection) -> None:
        step.rows.delete(delivery)

    peer.on(connection_id, forget)
    return outgoing(queue, delivery, b"", peer.spoken).body


def plaintext_from_peer(
    peer: Machine, connection_id: str, queue: ReceivingQueue, plaintext: bytes
) -> bytes:
    """Whatever the peer's ratchet can encrypt, which the peer's machine does not count."""

    def advance(step: Step, c: OpenConnection) -> bytes:
        assert c.row.ratchet is not None
        prepared = advance_sending(c.row.ratchet)
        c.change(ratchet=prepared.ratchet)
        return prepared.key.encrypt(plaintext, MESSAGE_PADDED)

    return sealed(queue, MessageEnvelope(7, peer.on(connection_id, advance)))


def answer_from_peer(
    peer: Machine, connection_id: str, queue: ReceivingQueue, plaintext: bytes
) -> bytes:
    """The same in the place of the initiator's confirmation."""
    padded = confirmation_padded_length(7, pq_support=False)

    def advance(step: Step, c: OpenConnection) -> bytes:
        assert c.row.ratchet is not None
        prepared = advance_sending(c.row.ratchet)
        c.change(ratchet=prepared.ratchet)
        return prepared.key.encrypt(plaintext, padded)

    return sealed(queue, ConfirmationEnvelope(7, None, peer.on(connection_id, advance)))


def invitation(link: str, info: bytes = b"B") -> InvitationEnvelope:
    """A request with this invitation in it."""
    request = parse_link(link)
    assert isinstance(request, InvitationURI)
    return InvitationEnvelope(7, request, info)
