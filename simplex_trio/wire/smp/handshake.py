"""The SMP handshake, versions 6 to 20: a state machine without I/O for each of the two roles.

::

    router -> client   versions, session id, certificate chain and signed session key
    client -> router   version, expected identity, session key, is a proxy, service
    router -> client   service id, or an error            (only to a service)

The X25519 session keys of both sides yield a secret that authorizes commands (together with the
keys of queues) and, from version 11 on, encrypts blocks.  The router proves its key with its TLS
certificate.  From version 7 on the client here rejects a router that does not, although the
reference client would go on.
"""

from __future__ import annotations

from enum import Enum, auto

from attrs import evolve, field

from simplex_trio.crypto.block_keys import agree_chains
from simplex_trio.crypto.certificates import CertificateChain, fingerprint
from simplex_trio.crypto.keys import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
    SigningKey,
    X25519PrivateKey,
    X25519PublicKey,
)
from simplex_trio.errors import (
    CryptoError,
    DecodeError,
    HandshakeFailed,
    IdentityMismatch,
    MalformedHello,
    NoCommonVersion,
    ServiceRefused,
    SessionKeyUnproven,
    SessionMismatch,
)
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, boolean, maybe, short
from simplex_trio.wire.certificates import ProvenKey, decode_proven_key, encode_proven_key
from simplex_trio.wire.errors.values import HandshakeErrorKind, TransportError, TransportErrorKind
from simplex_trio.wire.handshake import (
    BlockChains,
    ClientAgreement,
    PeerService,
    RouterAgreement,
    Service,
    ServiceRole,
    agreed_secret,
    agreed_versions,
    check_choice,
    check_identity,
    encode_choice,
    hello_of,
    read_offer,
    sign_session_key,
    verified_session_key,
)
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.versions import SMP_VERSIONS, SMPVersion, VersionRange

__all__ = [
    "LEGACY_ROUTER_VERSIONS",
    "SMP_BLOCK_SIZE",
    "SMPClientHandshake",
    "SMPRouterHandshake",
    "ServiceClaim",
    "ServiceIdentity",
    "smp_session",
]

SMP_BLOCK_SIZE = 16384

LEGACY_ROUTER_VERSIONS = VersionRange(6, 6)
"""The versions that a router offers when the client negotiated no ALPN protocol."""


@frozen(repr=False)
class ServiceIdentity(Redacted):
    """The service that a client presents: its role, and its certificate, which TLS uses too."""

    role: ServiceRole
    chain: CertificateChain
    signing_key: SigningKey
    session_key: Ed25519PrivateKey
    since: int = field()
    """The first version to present it at; by default the first that supports its role."""

    @since.default
    def _since(self) -> int:
        if self.role is ServiceRole.MESSAGING:
            return SMPVersion.SERVICE_SUBSCRIPTIONS
        return SMPVersion.SERVICES


@frozen(repr=False)
class ServiceClaim(Redacted):
    """A verified service that the router still has to look up by its certificate."""

    role: ServiceRole
    chain: CertificateChain
    certificate_hash: bytes
    session_key: Ed25519PublicKey


def smp_session(version: int, session_id: bytes) -> SessionParameters:
    """Return the parameters of an SMP session at ``version``."""
    return SessionParameters(
        version=version,
        session_id=session_id,
        block_size=SMP_BLOCK_SIZE,
        implies_session_id=version >= SMPVersion.AUTHENTICATORS,
        batches=True,
        has_service_signatures=version >= SMPVersion.SERVICES,
    )


def _encrypts(version: int, *, client_is_proxy: bool) -> bool:
    return version >= SMPVersion.ENCRYPTED_BLOCKS and not client_is_proxy


def _certificate_hash(chain: CertificateChain) -> bytes:
    return fingerprint(chain.identity)


class _State(Enum):
    AWAITS_HELLO = auto()
    AWAITS_SERVICE = auto()
    AGREED = auto()
    FAILED = auto()


_BY_WIRE_ERROR: dict[TransportErrorKind | HandshakeErrorKind, type[HandshakeFailed]] = {
    TransportErrorKind.VERSION: NoCommonVersion,
    TransportErrorKind.SESSION: SessionMismatch,
    TransportErrorKind.NO_AUTH: SessionKeyUnproven,
    HandshakeErrorKind.IDENTITY: IdentityMismatch,
    HandshakeErrorKind.BAD_AUTH: SessionKeyUnproven,
    HandshakeErrorKind.BAD_SERVICE: ServiceRefused,
}


class SMPClientHandshake:
    """The client's side.

    ``identity`` is the hash in the router's address, ``tls_chain`` the chain that the router sent
    in TLS.  Only leave out ``session_key`` to behave like very old clients.  A service is presented
    only if the agreed version supports its role and TLS has sent its certificate.
    """

    def __init__(
        self,
        *,
        session_id: bytes,
        identity: bytes,
        tls_chain: CertificateChain,
        session_key: X25519PrivateKey | None,
        versions: VersionRange = SMP_VERSIONS,
        is_proxy: bool = False,
        service: ServiceIdentity | None = None,
        certificate_sent: bool = False,
    ) -> None:
        self._session_id = session_id
        self._identity = identity
        self._tls_chain = tls_chain
        self._session_key = session_key
        self._versions = versions
        self._is_proxy = is_proxy
        self._service = service if certificate_sent else None
        self._state = _State.AWAITS_HELLO
        self._pending: ClientAgreement | None = None

    @property
    def agreement(self) -> ClientAgreement | None:
        """The result, once the handshake is complete."""
        return self._pending if self._state is _State.AGREED else None

    def receive(self, content: bytes) -> bytes | None:
        """Process the content of a block; return the content to send in answer, if any.

        Raises a `HandshakeFailed` if the two sides cannot agree.
        """
        state, self._state = self._state, _State.FAILED  # until this step has succeeded
        match state:
            case _State.AWAITS_HELLO:
                return self._answer_hello(content)
            case _State.AWAITS_SERVICE:
                self._receive_service(content)
                return None
            case _:
                raise RuntimeError("the handshake has ended")

    def _answer_hello(self, content: bytes) -> bytes:
        reader = Reader(content)
        offered = read_offer(reader, self._session_id)
        versions = agreed_versions(self._versions_facing(offered), offered)
        version = versions.highest
        proof = self._read_proof(reader, offered, version)
        router_key = None if proof is None else self._verified(proof)
        secret = None
        if router_key is not None and self._session_key is not None:
            secret = agreed_secret(self._session_key, router_key)
        chains = None
        if secret is not None and _encrypts(version, client_is_proxy=self._is_proxy):
            to_client, to_router = agree_chains(self._session_id, secret)
            chains = BlockChains(sending=to_router, receiving=to_client)
        service = self._service
        if service is not None and version < service.since:
            service = None
        self._service = service
        self._pending = ClientAgreement(
            session=smp_session(version, self._session_id),
            versions=versions,
            router_key=router_key,
            router_proof=proof,
            shared_secret=secret,
            chains=chains,
            service=None,
        )
        self._state = _State.AGREED if service is None else _State.AWAITS_SERVICE
        return self._hello(version, service)

    def _versions_facing(self, offered: VersionRange) -> VersionRange:
        """Return our versions; a proxy lowers them for a relay that does not know the proxy flag.

        Such a relay would encrypt blocks, which leaves too little space for the proxied messages of
        older senders.
        """
        ours = self._versions
        if self._is_proxy and offered.highest < SMPVersion.PROXY_FLAG:
            return VersionRange(ours.lowest, max(ours.lowest, SMPVersion.DELETED_EVENT))
        return ours

    def _read_proof(self, reader: Reader, offered: VersionRange, version: int) -> ProvenKey | None:
        if offered.highest < SMPVersion.AUTHENTICATORS:
            return None
        try:
            return decode_proven_key(reader)
        except DecodeError as exc:
            if version < SMPVersion.AUTHENTICATORS:
                return None
            raise SessionKeyUnproven("the router's session key is missing or malformed") from exc

    def _verified(self, proof: ProvenKey) -> X25519PublicKey:
        check_identity(proof.chain, self._identity)
        return verified_session_key(proof.signed_key, self._tls_chain)

    def _hello(self, version: int, service: ServiceIdentity | None) -> bytes:
        parts = [encode_choice(version, self._identity)]
        if version >= SMPVersion.AUTHENTICATORS and self._session_key is not None:
            parts.append(short(self._session_key.public.der))
        if version >= SMPVersion.PROXY_FLAG:
            parts.append(boolean(self._is_proxy))
        if version >= SMPVersion.SERVICES:
            parts.append(maybe(service, _encode_service))
        return b"".join(parts)

    def _receive_service(self, content: bytes) -> None:
        assert self._service is not None
        assert self._pending is not None
        reader = Reader(content)
        try:
            kind = reader.take(1)
            if kind == b"E":
                raise self._refusal(TransportError.decode(reader))
            if kind != b"R":
                raise DecodeError("not a service id or an error")
            service_id = reader.short()
        except DecodeError as exc:
            raise MalformedHello("the router's answer to the service is malformed") from exc
        self._pending = evolve(
            self._pending,
            service=Service(
                id=service_id,
                role=self._service.role,
                certificate_hash=_certificate_hash(self._service.chain),
                session_key=self._service.session_key,
            ),
        )
        self._state = _State.AGREED

    @staticmethod
    def _refusal(error: TransportError) -> HandshakeFailed:
        kind = error.kind if error.handshake is None else error.handshake
        failed = _BY_WIRE_ERROR.get(kind, HandshakeFailed)
        return failed(f"the router answered with {error}")


def _encode_service(service: ServiceIdentity) -> bytes:
    proof = sign_session_key(service.session_key.public, service.chain, service.signing_key)
    return service.role.value + encode_proven_key(proof)


class SMPRouterHandshake:
    """The router's side: send `hello`, then pass the client's hello to `receive`.

    If the client presents a service, `receive` returns `None` and sets `service_claim`.  Look that
    up, and send the last block, from `accept_service` or `refuse_service`.
    """

    def __init__(
        self,
        *,
        session_id: bytes,
        chain: CertificateChain,
        signing_key: SigningKey,
        session_key: X25519PrivateKey,
        alpn: str | None,
        client_chain: CertificateChain | None = None,
        versions: VersionRange = SMP_VERSIONS,
    ) -> None:
        self._session_id = session_id
        self._chain = chain
        self._signing_key = signing_key
        self._session_key = session_key
        self._client_chain = client_chain
        self._versions = LEGACY_ROUTER_VERSIONS if alpn is None else versions
        self._state = _State.AWAITS_HELLO
        self._claim: ServiceClaim | None = None
        self._pending: RouterAgreement | None = None

    @property
    def agreement(self) -> RouterAgreement | None:
        """The result, once the handshake is complete."""
        return self._pending if self._state is _State.AGREED else None

    @property
    def service_claim(self) -> ServiceClaim | None:
        """The verified service that has to be accepted or refused."""
        return self._claim if self._state is _State.AWAITS_SERVICE else None

    def hello(self) -> bytes:
        """Return the first block of the connection."""
        hello = self._versions.encode() + short(self._session_id)
        if self._versions.highest >= SMPVersion.AUTHENTICATORS:
            proof = sign_session_key(self._session_key.public, self._chain, self._signing_key)
            hello += encode_proven_key(proof)
        return hello

    def receive(self, content: bytes) -> bytes | None:
        """Process the client's hello; return an error block to send before closing, or `None`.

        Raises a `HandshakeFailed` if the connection must be closed without an answer.  An invalid
        proof of a service gets an answer: the result is the error block, and `agreement` and
        `service_claim` stay `None`.
        """
        if self._state is not _State.AWAITS_HELLO:
            raise RuntimeError("the handshake has ended")
        self._state = _State.FAILED  # until this step has succeeded
        reader = Reader(content)
        with hello_of("client"):
            version, identity = reader.word16(), reader.short()
            client_key = self._read_client_key(reader, version)
            is_proxy = version >= SMPVersion.PROXY_FLAG and reader.boolean()
            presented = None
            if version >= SMPVersion.SERVICES:
                presented = reader.maybe(lambda: (_read_role(reader), decode_proven_key(reader)))
        versions = check_choice(version, identity, self._versions, self._chain)
        secret = None if client_key is None else agreed_secret(self._session_key, client_key)
        chains = None
        if secret is not None and _encrypts(version, client_is_proxy=is_proxy):
            to_client, to_router = agree_chains(self._session_id, secret)
            chains = BlockChains(sending=to_client, receiving=to_router)
        self._pending = RouterAgreement(
            session=smp_session(version, self._session_id),
            versions=versions,
            session_key=self._session_key,
            shared_secret=secret,
            chains=chains,
            service=None,
            client_is_proxy=is_proxy,
        )
        if presented is None:
            self._state = _State.AGREED
            return None
        try:
            self._claim = self._verified_claim(*presented)
        except SessionKeyUnproven:
            return self._service_error(HandshakeErrorKind.BAD_AUTH)
        self._state = _State.AWAITS_SERVICE
        return None

    def accept_service(self, service_id: bytes) -> bytes:
        """Accept the service, known as ``service_id``; return the block to send."""
        claim = self.service_claim
        if claim is None or self._pending is None:
            raise RuntimeError("there is no service to accept")
        self._pending = evolve(
            self._pending,
            service=PeerService(
                id=service_id,
                role=claim.role,
                certificate_hash=claim.certificate_hash,
                session_key=claim.session_key,
            ),
        )
        self._state = _State.AGREED
        return b"R" + short(service_id)

    def refuse_service(self) -> bytes:
        """Refuse the service in this role; return the block to send before closing."""
        if self.service_claim is None:
            raise RuntimeError("there is no service to refuse")
        return self._service_error(HandshakeErrorKind.BAD_SERVICE)

    def _service_error(self, kind: HandshakeErrorKind) -> bytes:
        self._state = _State.FAILED
        return b"E" + TransportError.of_handshake(kind).encode()

    @staticmethod
    def _read_client_key(reader: Reader, version: int) -> X25519PublicKey | None:
        """Read the client's session key; anything else is left for the next field."""
        if version < SMPVersion.AUTHENTICATORS:
            return None
        start = reader.position
        try:
            return X25519PublicKey.from_der(reader.short())
        except DecodeError:
            reader.rewind(start)
            return None

    def _verified_claim(self, role: ServiceRole, proof: ProvenKey) -> ServiceClaim:
        if self._client_chain != proof.chain:
            raise SessionKeyUnproven("the service's certificate is not the one used in TLS")
        try:
            session_key = proof.signed_key.verify(proof.chain.leaf_key())
        except (CryptoError, DecodeError) as exc:
            raise SessionKeyUnproven("the service's session key is not properly signed") from exc
        if not isinstance(session_key, Ed25519PublicKey):
            raise SessionKeyUnproven("the service's session key is not an Ed25519 key")
        return ServiceClaim(role, proof.chain, _certificate_hash(proof.chain), session_key)


def _read_role(reader: Reader) -> ServiceRole:
    try:
        return ServiceRole(reader.take(1))
    except ValueError as exc:
        raise DecodeError("not a service role") from exc
