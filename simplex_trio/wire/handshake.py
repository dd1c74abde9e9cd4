"""What the handshakes of all protocols share: their interface, steps and results.

A handshake is a state machine without I/O.  The owner of the connection passes the content of each
received block to `ClientHandshake.receive` and sends what that returns, until
`ClientHandshake.agreement` is set.  The router's side speaks first, and may have to look up a
service in between.  Both sides ignore trailing bytes, so that later versions can add fields.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Protocol

from attrs import field

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
from simplex_trio.frozen import frozen
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
    """The role of a service with a long-term certificate."""

    MESSAGING = b"M"
    NOTIFIER = b"N"
    PROXY = b"P"


@frozen(repr=False)
class Service(Redacted):
    """The service that this connection authenticated as, with the id from the router.

    The session key signs commands on behalf of the service; the hash of its certificate becomes
    part of what each queue's key signs.
    """

    id: bytes
    role: ServiceRole
    certificate_hash: bytes
    session_key: Ed25519PrivateKey


@frozen(repr=False)
class PeerService(Redacted):
    """The service that a router's peer authenticated as."""

    id: bytes
    role: ServiceRole
    certificate_hash: bytes
    session_key: Ed25519PublicKey


@frozen(repr=False)
class BlockChains(Redacted):
    """The two key chains of block encryption, from one side's point of view."""

    sending: KeyChain = field(repr=False)
    receiving: KeyChain = field(repr=False)


def block_codec(block_size: int, chains: BlockChains | None) -> BlockCodec:
    """Return the codec for the blocks after the handshake."""
    if chains is None:
        return PaddedBlocks(block_size)
    return EncryptedBlocks(block_size, sending=chains.sending, receiving=chains.receiving)


@frozen(repr=False)
class ClientAgreement(Redacted):
    """The result of a client's handshake.

    ``router_key`` and the key of a queue authorize commands together; ``router_proof`` proves to
    third parties that it belongs to the router.  ``shared_secret`` is set if the client sent a key.
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
    """The result of a router's handshake with a client."""

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
    """The client's side of a handshake, driven by the owner of the connection."""

    def receive(self, content: bytes) -> bytes | None:
        """Process the content of a block; return the content to send in answer, if any.

        Raises a `HandshakeFailed` if the two sides cannot agree; the caller must then close the
        connection.
        """
        ...

    @property
    def agreement(self) -> ClientAgreement | None:
        """The result, once the handshake is complete."""
        ...


def agreed_versions(ours: VersionRange, theirs: VersionRange) -> VersionRange:
    """Return the versions that both sides speak; raise `NoCommonVersion` if there is none."""
    both = ours.intersection(theirs)
    if both is None:
        raise NoCommonVersion("there is no protocol version that both sides speak")
    return both


@contextmanager
def hello_of(who: str) -> Iterator[None]:
    """Turn a `DecodeError` in the block into a `MalformedHello` that names the sender."""
    try:
        yield
    except DecodeError as exc:
        raise MalformedHello(f"the {who}'s hello is malformed") from exc


def read_offer(reader: Reader, session_id: bytes) -> VersionRange:
    """Read the version range at the start of a router's hello.

    Raises `MalformedHello`, or `SessionMismatch` if the hello names another TLS session.
    """
    with hello_of("router"):
        offered, theirs = VersionRange.decode(reader), reader.short()
    if theirs != session_id:
        raise SessionMismatch("the router's hello names another TLS session")
    return offered


def encode_choice(version: int, identity: bytes) -> bytes:
    """Encode the start of a client's hello: its version, and the identity that it expects."""
    return word16(version) + short(identity)


def check_choice(
    version: int, identity: bytes, offered: VersionRange, chain: CertificateChain
) -> VersionRange:
    """Check the start of a client's hello, and return the versions that the client may speak.

    Raises `IdentityMismatch` for a client that expects another router, and `NoCommonVersion` for a
    version that is not in ``offered``.
    """
    if not hmac.compare_digest(identity, fingerprint(chain.identity)):
        raise IdentityMismatch("the client expects another router")
    versions = offered.capped(version)
    if versions is None:
        raise NoCommonVersion("the client chose a version that was not offered")
    return versions


def agreed_secret(ours: X25519PrivateKey, theirs: X25519PublicKey) -> bytes:
    """Return the shared secret of two session keys.

    Raises `SessionKeyUnproven` for a degenerate key, whose secret would be public.
    """
    try:
        return ours.exchange(theirs)
    except CryptoError as exc:
        raise SessionKeyUnproven("the other side's session key is degenerate") from exc


def check_identity(chain: CertificateChain, identity: bytes) -> None:
    """Raise `SessionKeyUnproven` unless the identity of ``chain`` has this SHA-256 digest."""
    shown = fingerprint(chain.identity)
    if len(chain.certificates) < 2 or not hmac.compare_digest(shown, identity):
        raise SessionKeyUnproven("the certificates belong to another identity")


def verified_session_key(signed: SignedKey, tls_chain: CertificateChain) -> X25519PublicKey:
    """Return the router's session key, signed by the leaf certificate of its TLS connection.

    Raises `SessionKeyUnproven` if the signature is invalid or the key is not an X25519 key.
    """
    try:
        key = signed.verify(tls_chain.leaf_key())
    except (CryptoError, DecodeError) as exc:
        raise SessionKeyUnproven("the router's session key is not signed by its TLS key") from exc
    if not isinstance(key, X25519PublicKey):
        raise SessionKeyUnproven("the router's session key is not an X25519 key")
    return key


def sign_session_key(
    key: X25519PublicKey | Ed25519PublicKey, chain: CertificateChain, signing_key: SigningKey
) -> ProvenKey:
    """Sign a session key with the key of a certificate."""
    return ProvenKey(chain, SignedKey.sign(signing_key, key))
