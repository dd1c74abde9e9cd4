"""What the handshakes of the protocols share: how they are driven, and what they end in.

A handshake is a plain object.  Whoever owns the connection sends what `ClientHandshake.receive`
returns and feeds it the content of each block that arrives, until `ClientHandshake.agreement` is
there.  The router's side starts by speaking, and may have to look a service up in between.  Both
ignore bytes after what they understand, so that later versions can say more.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Protocol

from attrs import field, frozen

from simplex_trio.crypto.block_keys import KeyChain
from simplex_trio.crypto.certificates import CertificateChain, fingerprint
from simplex_trio.crypto.keys import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
    SigningKey,
    X25519PrivateKey,
    X25519PublicKey,
)
from simplex_trio.crypto.signed_key import SignedKey
from simplex_trio.errors import (
    CryptoError,
    DecodeError,
    IdentityMismatch,
    MalformedHello,
    NoCommonVersion,
    SessionKeyUnproven,
    SessionMismatch,
)
from simplex_trio.redaction import Redacted
from simplex_trio.wire.blocks import BlockCodec, EncryptedBlocks, PaddedBlocks
from simplex_trio.wire.buffer import Reader, short, word16
from simplex_trio.wire.certificates import ProvenKey
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.versions import VersionRange

__all__ = [
    "BlockChains",
    "ClientAgreement",
    "ClientHandshake",
    "PeerService",
    "RouterAgreement",
    "Service",
    "ServiceRole",
]


class ServiceRole(Enum):
    """What a service with a long-term certificate does on a router."""

    MESSAGING = b"M"
    NOTIFIER = b"N"
    PROXY = b"P"


@frozen(repr=False)
class Service(Redacted):
    """This connection's own service, as the router knows it.

    The service's session key signs what the service may do as a whole; its certificate's hash goes
    into what the key of each queue signs.
    """

    id: bytes
    role: ServiceRole
    certificate_hash: bytes
    session_key: Ed25519PrivateKey


@frozen(repr=False)
class PeerService(Redacted):
    """The service at the other end of a router's connection."""

    id: bytes
    role: ServiceRole
    certificate_hash: bytes
    session_key: Ed25519PublicKey


@frozen(repr=False)
class BlockChains(Redacted):
    """The two key chains of block encryption, as one side sees them."""

    sending: KeyChain = field(repr=False)
    receiving: KeyChain = field(repr=False)


def block_codec(block_size: int, chains: BlockChains | None) -> BlockCodec:
    """The codec for the blocks that follow a handshake."""
    if chains is None:
        return PaddedBlocks(block_size)
    return EncryptedBlocks(block_size, sending=chains.sending, receiving=chains.receiving)


@frozen(repr=False)
class ClientAgreement(Redacted):
    """What a client has when its handshake is over.

    ``router_key`` authorizes commands together with the keys of queues; ``router_proof`` shows a
    third party that it is the router's.  ``shared_secret`` exists where the client sent a key.
    """

    session: SessionParameters
    versions: VersionRange
    router_key: X25519PublicKey | None
    router_proof: ProvenKey | None
    shared_secret: bytes | None
    chains: BlockChains | None
    service: Service | None

    def block_codec(self) -> BlockCodec:
        return block_codec(self.session.block_size, self.chains)


@frozen(repr=False)
class RouterAgreement(Redacted):
    """What a router has when a client's handshake is over."""

    session: SessionParameters
    versions: VersionRange
    session_key: X25519PrivateKey
    shared_secret: bytes | None
    chains: BlockChains | None
    service: PeerService | None
    client_is_proxy: bool

    def block_codec(self) -> BlockCodec:
        return block_codec(self.session.block_size, self.chains)


class ClientHandshake(Protocol):
    """The client's side of a handshake, driven by whoever owns the connection."""

    def receive(self, content: bytes) -> bytes | None:
        """Take the content of a block; the content to send in answer, if there is one.

        Raises a `HandshakeFailed` when the two sides cannot agree; the connection must then be
        closed.
        """
        ...

    @property
    def agreement(self) -> ClientAgreement | None:
        """What was agreed, once it is."""
        ...


def agreed_versions(ours: VersionRange, theirs: VersionRange) -> VersionRange:
    """The versions both sides speak, or `NoCommonVersion`."""
    both = ours.intersection(theirs)
    if both is None:
        raise NoCommonVersion("no protocol version is spoken by both sides")
    return both


@contextmanager
def hello_of(who: str) -> Iterator[None]:
    """Say of a block that cannot be read whose hello it was to be."""
    try:
        yield
    except DecodeError as exc:
        raise MalformedHello(f"the {who}'s hello cannot be read") from exc


def read_offer(reader: Reader, session_id: bytes) -> VersionRange:
    """The versions that a router's hello begins with.

    Raises `MalformedHello`, or `SessionMismatch` if the router is not in this TLS session.
    """
    with hello_of("router"):
        offered, theirs = VersionRange.decode(reader), reader.short()
    if theirs != session_id:
        raise SessionMismatch("the router is in another TLS session")
    return offered


def encode_choice(version: int, identity: bytes) -> bytes:
    """What a client's hello begins with: the version, and the identity that it looks for."""
    return word16(version) + short(identity)


def check_choice(
    version: int, identity: bytes, offered: VersionRange, chain: CertificateChain
) -> VersionRange:
    """The versions that a client can speak, by the choice that its hello begins with.

    Refuses a client that looks for another router, or chose what was not ``offered``.
    """
    if not hmac.compare_digest(identity, fingerprint(chain.identity)):
        raise IdentityMismatch("the client looks for another router")
    versions = offered.capped(version)
    if versions is None:
        raise NoCommonVersion("the client chose a version that was not offered")
    return versions


def agreed_secret(ours: X25519PrivateKey, theirs: X25519PublicKey) -> bytes:
    """The secret of the two session keys; a degenerate key, whose secret is public, is refused."""
    try:
        return ours.exchange(theirs)
    except CryptoError as exc:
        raise SessionKeyUnproven("the other side's session key is degenerate") from exc


def check_identity(chain: CertificateChain, identity: bytes) -> None:
    """Refuse a chain that is not of the router whose identity has this SHA-256 digest."""
    shown = fingerprint(chain.identity)
    if len(chain.certificates) < 2 or not hmac.compare_digest(shown, identity):
        raise SessionKeyUnproven("the certificates are those of another identity")


def verified_session_key(signed: SignedKey, tls_chain: CertificateChain) -> X25519PublicKey:
    """The router's session key, if the leaf certificate of its TLS connection signed it."""
    try:
        key = signed.verify(tls_chain.leaf_key())
    except (CryptoError, DecodeError) as exc:
        raise SessionKeyUnproven("the router's session key is not signed by its TLS key") from exc
    if not isinstance(key, X25519PublicKey):
        raise SessionKeyUnproven("the router's session key is of another kind")
    return key


def sign_session_key(
    key: X25519PublicKey | Ed25519PublicKey, chain: CertificateChain, signing_key: SigningKey
) -> ProvenKey:
    """Put a session key under a certificate."""
    return ProvenKey(chain, SignedKey.sign(signing_key, key))
