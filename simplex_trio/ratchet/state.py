"""`Ratchet`: what one side knows between two messages, and how that is stored.

A ratchet never changes; a step makes another one.  Keys of messages that were skipped are kept
apart, in `simplex_trio.ratchet.skipped`.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from operator import attrgetter
from typing import final

from attrs import fields

from simplex_trio.crypto.keys import X448PrivateKey, X448PublicKey
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.ratchet.errors import LaterStateVersion
from simplex_trio.ratchet.kdf import SYMMETRIC_KEY_SIZE
from simplex_trio.ratchet.kem import AcceptedKEM, KEMKeyPair
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, boolean, int64, maybe, short, word16
from simplex_trio.wire.duplex.x3dh_keys import RatchetVersion
from simplex_trio.wire.versions import VersionRange

__all__ = [
    "LAST_MESSAGE_NUMBER",
    "RATCHET_VERSIONS",
    "STATE_VERSION",
    "DHKeyPair",
    "FreshKeys",
    "OwnKEM",
    "Ratchet",
    "ReceivingChain",
    "SendingChain",
    "check_stored_version",
]

RATCHET_VERSIONS = VersionRange(RatchetVersion.KDF, RatchetVersion.KEM)
"""The versions that are spoken here."""

STATE_VERSION = 1
"""Of the bytes in which ratchets, and what belongs to them, are stored; they begin with it."""

LAST_MESSAGE_NUMBER = (1 << 32) - 1
"""The numbers of messages, and the counts of them in headers, have four bytes."""


def check_stored_version(reader: Reader) -> None:
    """Read the version in front of stored bytes; `LaterStateVersion` if it is not known yet."""
    version = reader.byte()
    if version > STATE_VERSION:
        raise LaterStateVersion(
            f"stored in version {version}; this package reads up to {STATE_VERSION}"
        )
    if version != STATE_VERSION:
        raise DecodeError("not a stored ratchet")


@final
@frozen(repr=False)
class DHKeyPair(Redacted):
    """An X448 key with its public half, which takes long to derive and is in every header."""

    private: X448PrivateKey
    public: X448PublicKey

    @classmethod
    def of(cls, private: X448PrivateKey) -> DHKeyPair:
        return cls(private, private.public)

    @classmethod
    def generate(cls) -> DHKeyPair:
        """A fresh pair from the system's source of randomness."""
        return cls.of(X448PrivateKey.generate())

    def encode(self) -> bytes:
        return self.private.raw + self.public.raw

    @classmethod
    def decode(cls, reader: Reader) -> DHKeyPair:
        private = X448PrivateKey(reader.take(X448PrivateKey.SIZE))
        return cls(private, X448PublicKey(reader.take(X448PublicKey.SIZE)))


@final
@frozen(repr=False)
class FreshKeys(Redacted):
    """Key pairs never used before, for a step that may need them."""

    dh: DHKeyPair
    kem: KEMKeyPair | None = None


@final
@frozen(repr=False)
class OwnKEM(Redacted):
    """The KEM key that the other side may encapsulate to, and the one of it that was accepted.

    Without ``accepted`` the key is only proposed.
    """

    pair: KEMKeyPair
    accepted: AcceptedKEM | None

    def encode(self) -> bytes:
        return self.pair.encode() + maybe(self.accepted, AcceptedKEM.encode)

    @classmethod
    def decode(cls, reader: Reader) -> OwnKEM:
        pair = KEMKeyPair.decode(reader)
        return cls(pair, reader.maybe(lambda: AcceptedKEM.decode(reader)))


@final
@frozen(repr=False)
class SendingChain(Redacted):
    """The messages that go out until the other side answers with a new key."""

    peer_key: X448PublicKey
    chain_key: bytes
    header_key: bytes
    count: int
    """How many messages have been sent."""

    def encode(self) -> bytes:
        return self.peer_key.raw + self.chain_key + self.header_key + int64(self.count)

    @classmethod
    def decode(cls, reader: Reader) -> SendingChain:
        peer_key = X448PublicKey(reader.take(X448PublicKey.SIZE))
        return cls(peer_key, _key(reader), _key(reader), _count(reader, LAST_MESSAGE_NUMBER))


@final
@frozen(repr=False)
class ReceivingChain(Redacted):
    """The messages that come in under the other side's present key."""

    chain_key: bytes
    header_key: bytes
    count: int
    """The number of the next message."""

    def encode(self) -> bytes:
        return self.chain_key + self.header_key + int64(self.count)

    @classmethod
    def decode(cls, reader: Reader) -> ReceivingChain:
        return cls(_key(reader), _key(reader), _count(reader, LAST_MESSAGE_NUMBER + 1))


@final
@frozen(repr=False, eq=False)
class Ratchet(Redacted):
    """One side of an encrypted conversation; comparing two of them takes constant time."""

    version: int
    """In which messages are sent."""
    max_version: int
    """The highest that this side has announced."""
    associated_data: bytes
    dh: DHKeyPair
    kem: OwnKEM | None
    kem_supported: bool
    """Whether headers have room for a KEM; once they have it, they keep it."""
    kem_enabled: bool
    """Whether the next step uses the KEM, as far as it depends on this side."""
    kem_sending: bool
    """Whether what is sent now is encrypted with a secret of the KEM too."""
    kem_receiving: bool
    """Whether what is received now is."""
    root_key: bytes
    next_sending_header_key: bytes
    next_receiving_header_key: bytes
    previous_count: int
    """How many messages the sending chain before the present one had."""
    sending: SendingChain | None
    receiving: ReceivingChain | None

    @property
    def security_hash(self) -> bytes:
        """The same 32 bytes on both sides, unless keys were replaced on the way.

        `security_code` shows them to people.
        """
        return sha256(self.associated_data).digest()

    @property
    def large_headers(self) -> bool:
        """Whether the header of the message that was sent last, or comes next, has room for a KEM.

        Bodies have to be padded to less then, so that the whole fits.
        """
        return self.kem_supported and self.version >= RatchetVersion.KEM

    def with_sending(self, chain: SendingChain) -> Ratchet:
        """The same with another sending chain, many times as fast as `attrs.evolve`."""
        values = (*_all_but_chains(self), chain, self.receiving)
        return Ratchet(*values)

    def with_receiving(self, chain: ReceivingChain) -> Ratchet:
        """The same with another receiving chain."""
        values = (*_all_but_chains(self), self.sending, chain)
        return Ratchet(*values)

    def encode(self) -> bytes:
        """The bytes to store; `decode` reads them."""
        return b"".join(
            (
                bytes((STATE_VERSION,)),
                word16(self.version),
                word16(self.max_version),
                short(self.associated_data),
                self.dh.encode(),
                maybe(self.kem, OwnKEM.encode),
                boolean(self.kem_supported),
                boolean(self.kem_enabled),
                boolean(self.kem_sending),
                boolean(self.kem_receiving),
                self.root_key,
                self.next_sending_header_key,
                self.next_receiving_header_key,
                int64(self.previous_count),
                maybe(self.sending, SendingChain.encode),
                maybe(self.receiving, ReceivingChain.encode),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> Ratchet:
        """Read stored bytes.

        Raises `DecodeError`, and `LaterStateVersion` where they were stored by a later version of
        this package.
        """
        reader = Reader(data)
        check_stored_version(reader)
        ratchet = cls(
            version=reader.word16(),
            max_version=reader.word16(),
            associated_data=reader.short(),
            dh=DHKeyPair.decode(reader),
            kem=reader.maybe(lambda: OwnKEM.decode(reader)),
            kem_supported=reader.boolean(),
            kem_enabled=reader.boolean(),
            kem_sending=reader.boolean(),
            kem_receiving=reader.boolean(),
            root_key=_key(reader),
            next_sending_header_key=_key(reader),
            next_receiving_header_key=_key(reader),
            previous_count=_count(reader, LAST_MESSAGE_NUMBER),
            sending=reader.maybe(lambda: SendingChain.decode(reader)),
            receiving=reader.maybe(lambda: ReceivingChain.decode(reader)),
        )
        reader.end()
        return ratchet

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ratchet):
            return NotImplemented
        return hmac.compare_digest(self.encode(), other.encode())

    def __hash__(self) -> int:
        return hash(self.encode())


_all_but_chains = attrgetter(*(field.name for field in fields(Ratchet)[:-2]))


def _key(reader: Reader) -> bytes:
    return reader.take(SYMMETRIC_KEY_SIZE)


def _count(reader: Reader, most: int) -> int:
    count = reader.int64()
    if not 0 <= count <= most:
        raise DecodeError("more messages than a chain can have")
    return count
