"""What SMP tells the engine, and what a client is to a router."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from attrs import define, evolve

from simplex_trio.client.smp.queue_parts import QueueParts
from simplex_trio.client.smp.queues import (
    MessageReceived,
    QuotaReached,
    SealedMessage,
    delivered,
)
from simplex_trio.client.spec import SMALL_EVENT, ProtocolSpec, TransmissionCodec
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.keys import Ed25519PrivateKey, SigningKey, X25519PrivateKey
from simplex_trio.engine.events import Notice
from simplex_trio.errors import CryptoError, DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.transport.tls import TlsCredentials, TlsSession
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.errors.values import RouterErrorValue
from simplex_trio.wire.handshake import ClientAgreement, ServiceRole
from simplex_trio.wire.smp.bodies import open_delivered
from simplex_trio.wire.smp.commands import PING, Command
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE, ServiceIdentity, SMPClientHandshake
from simplex_trio.wire.smp.messages import ERR, IDS, MSG, NMSG, Message, decode_message
from simplex_trio.wire.versions import SMP_VERSIONS, VersionRange

__all__ = ["SMP", "SMPCodec", "SMPSessionConfig", "ServiceCertificate", "smp_spec"]


@frozen(repr=False)
class ServiceCertificate(Redacted):
    """The long-term certificate of a service, and the role in which it comes."""

    role: ServiceRole
    chain: CertificateChain
    signing_key: SigningKey

    def tls_credentials(self) -> TlsCredentials:
        """What the service shows in TLS, which must be the same as in the handshake."""
        return TlsCredentials.of(self.chain, self.signing_key)


@frozen(repr=False)
class SMPSessionConfig(Redacted):
    """What a client is to the router that it connects to.

    A proxy agrees a secret, as every client does, but says that it is one, so that blocks are not
    encrypted a second time.
    """

    versions: VersionRange = SMP_VERSIONS
    is_proxy: bool = False
    service: ServiceCertificate | None = None
    agree_secret: bool = True
    """Whether to send a session key; only clients of version 6 did not."""


def _handshake(
    config: SMPSessionConfig, address: ServerAddress, tls: TlsSession
) -> SMPClientHandshake:
    assert tls.peer_chain is not None  # TLS fails for a server without a certificate
    identity = None
    if config.service is not None:
        identity = ServiceIdentity(
            role=config.service.role,
            chain=config.service.chain,
            signing_key=config.service.signing_key,
            session_key=Ed25519PrivateKey.generate(),
        )
    return SMPClientHandshake(
        session_id=tls.session_id,
        identity=address.key_hash,
        tls_chain=tls.peer_chain,
        session_key=X25519PrivateKey.generate() if config.agree_secret else None,
        versions=config.versions,
        is_proxy=config.is_proxy,
        service=identity,
        certificate_sent=tls.certificate_sent,
    )


@define(repr=False, eq=False)
class ExpectedQueue(Redacted):
    """A queue that is being created; ``delivery_key`` is there when the router has answered."""

    dh_key: X25519PrivateKey
    delivery_key: BoxKey | None = None


class SMPCodec(TransmissionCodec[Command, Message]):
    """SMP in one session; opens the messages of queues whose delivery keys it knows."""

    def __init__(self, agreement: ClientAgreement) -> None:
        super().__init__(agreement)
        self.delivery_keys: QueueParts = QueueParts()
        """Raw keys by recipient id; raw, because there may be very many."""
        self._new_queues: dict[bytes, ExpectedQueue] = {}

    def expect_queue(self, correlation_id: bytes, dh_key: X25519PrivateKey) -> ExpectedQueue:
        """Open the messages of a queue from the moment that this command creates it."""
        expected = self._new_queues[correlation_id] = ExpectedQueue(dh_key)
        return expected

    def forget_expected(self, correlation_id: bytes, expected: ExpectedQueue) -> None:
        """Stop expecting the queue of a command that has completed or failed."""
        if self._new_queues.get(correlation_id) is expected:
            del self._new_queues[correlation_id]

    def ping(self) -> Command:
        return PING()

    def decode_message(self, encoded: bytes, version: int) -> Message:
        return decode_message(encoded, version)

    def error_of(self, message: Message) -> RouterErrorValue | None:
        return message.error if isinstance(message, ERR) else None

    def uses_service_signature(self, command: Command) -> bool:
        return command.USES_SERVICE_SIGNATURE

    def observe(self, correlation_id: bytes, message: Message) -> None:
        if isinstance(message, IDS):
            expected = self._new_queues.pop(correlation_id, None)
            if expected is not None:
                with suppress(CryptoError):  # a degenerate key; `create_queue` raises for it
                    agreed = BoxKey.agree(expected.dh_key, message.dh_key)
                    expected.delivery_key = agreed
                    self.delivery_keys.put(message.recipient_id, agreed.subkey)

    def is_event_too(self, result: object) -> bool:
        return isinstance(result, MSG)

    def folds_by(self, event: object) -> object | None:
        # Only the latest notification of a queue matters.
        if isinstance(event, Notice) and isinstance(event.message, NMSG):
            return event.entity_id
        return None

    def event(self, entity_id: bytes, message: object) -> object:
        if not isinstance(message, MSG):
            return Notice(entity_id, message)
        subkey = self.delivery_keys.get(entity_id)
        if subkey is not None:
            try:
                found = open_delivered(BoxKey(subkey), message.message_id, message.sealed)
            except (CryptoError, DecodeError):
                pass  # a wrong key; the reader of the sealed message may have the right one
            else:
                return delivered(entity_id, message.message_id, found)
        return SealedMessage(entity_id, message.message_id, message.sealed)

    def weight(self, event: object) -> int:
        match event:
            case MessageReceived(body=body):
                return SMALL_EVENT + len(body)
            case SealedMessage(sealed=sealed):
                return SMALL_EVENT + len(sealed)
            case QuotaReached():
                return SMALL_EVENT
            case _:
                return super().weight(event)


SMP = ProtocolSpec[Command, Message](
    name="SMP",
    protocol=ServerProtocol.SMP,
    alpn=("smp/1",),
    block_size=SMP_BLOCK_SIZE,
    handshake=partial(_handshake, SMPSessionConfig()),
    codec=SMPCodec,
)
"""SMP for the engine, for a client that is neither a proxy nor a service."""


def smp_spec(config: SMPSessionConfig) -> ProtocolSpec[Command, Message]:
    """SMP for a client in the role that ``config`` gives it."""
    return evolve(SMP, handshake=partial(_handshake, config))
