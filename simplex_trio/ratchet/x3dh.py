"""X3DH: three agreements between the keys of both sides, and a KEM secret where there is one.

The *initiator* makes the invitation, or has the lower keys when a ratchet is renegotiated; the
*joiner* answers.  Either may propose a KEM key.  A secret of the KEM goes in if the initiator has
proposed one and the joiner has accepted it.
"""

from __future__ import annotations

from hashlib import sha256
from typing import final

from attrs import evolve

from simplex_trio.crypto.keys import X448PublicKey
from simplex_trio.errors import CryptoError, DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.ratchet.errors import KEMMismatch, MalformedMessage
from simplex_trio.ratchet.kdf import x3dh_secrets
from simplex_trio.ratchet.kem import KEM, AcceptedKEM, Encapsulation, KEMKeyPair
from simplex_trio.ratchet.state import STATE_VERSION, DHKeyPair, check_stored_version
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, maybe
from simplex_trio.wire.duplex.x3dh_keys import (
    KEMAcceptance,
    KEMParameters,
    KEMProposal,
    RatchetVersion,
    X3DHKeys,
    X3DHOffer,
)
from simplex_trio.wire.versions import VersionRange

__all__ = [
    "SECURITY_CODE_GROUP",
    "X3DHPrivateKeys",
    "X3DHSecrets",
    "agree_as_initiator",
    "agree_as_joiner",
    "keys_hash",
    "security_code",
]

SECURITY_CODE_GROUP = 5
"""How many digits of a security code stand together."""


@final
@frozen(repr=False)
class X3DHPrivateKeys(Redacted):
    """One side's keys, kept until the other side's have come; the joiner's until it is answered."""

    first: DHKeyPair
    second: DHKeyPair
    kem: KEMKeyPair | None = None
    encapsulation: Encapsulation | None = None
    """A joiner's, if it accepts the initiator's KEM key."""

    def offer(self, versions: VersionRange) -> X3DHOffer:
        """The public keys for an invitation."""
        kem = None if self.kem is None else KEMProposal(self.kem.public_key)
        return X3DHOffer(versions, self.first.public, self.second.public, kem)

    def public(self, version: int) -> X3DHKeys:
        """The public keys in the version that both sides speak."""
        return X3DHKeys(version, self.first.public, self.second.public, self._kem_parameters())

    def accepting(self, peer: X3DHKeys, kem: KEM) -> X3DHPrivateKeys:
        """The keys with which a joiner accepts the KEM key of an initiator.

        They are the same if either side has none, and then `public` proposes what there is.
        """
        if self.kem is None or peer.version < RatchetVersion.KEM:
            return self
        if not isinstance(peer.kem, KEMProposal):
            return self
        return evolve(self, encapsulation=kem.encapsulate(peer.kem.public_key))

    def _kem_parameters(self) -> KEMParameters | None:
        if self.kem is None:
            return None
        if self.encapsulation is None:
            return KEMProposal(self.kem.public_key)
        return KEMAcceptance(self.encapsulation.ciphertext, self.kem.public_key)

    def encode(self) -> bytes:
        """The bytes to store; `decode` reads them."""
        return b"".join(
            (
                bytes((STATE_VERSION,)),
                self.first.encode(),
                self.second.encode(),
                maybe(self.kem, KEMKeyPair.encode),
                maybe(self.encapsulation, Encapsulation.encode),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> X3DHPrivateKeys:
        """Read stored bytes.

        Raises `DecodeError`, and `LaterStateVersion` where they were stored by a later version of
        this package.
        """
        reader = Reader(data)
        check_stored_version(reader)
        keys = cls(
            DHKeyPair.decode(reader),
            DHKeyPair.decode(reader),
            reader.maybe(lambda: KEMKeyPair.decode(reader)),
            reader.maybe(lambda: Encapsulation.decode(reader)),
        )
        reader.end()
        if keys.encapsulation is not None and keys.kem is None:
            raise DecodeError("a KEM key was accepted without one to go on with")
        return keys


@final
@frozen(repr=False)
class X3DHSecrets(Redacted):
    """What both sides have in common before the first message."""

    associated_data: bytes
    header_key: bytes
    """Of the joiner's first messages."""
    next_header_key: bytes
    """Of the initiator's."""
    root_key: bytes
    accepted: AcceptedKEM | None
    """The KEM secret that went in, with the key of the other side."""


def _exchange(own: DHKeyPair, peer: X448PublicKey) -> bytes:
    try:
        return own.private.exchange(peer)
    except CryptoError as exc:
        raise MalformedMessage("the other side's key is degenerate") from exc


def _secrets(
    associated_data: bytes, agreements: tuple[bytes, bytes, bytes], accepted: AcceptedKEM | None
) -> X3DHSecrets:
    kem = b"" if accepted is None else accepted.shared_secret
    header_key, next_header_key, root_key = x3dh_secrets(b"".join(agreements) + kem)
    return X3DHSecrets(associated_data, header_key, next_header_key, root_key, accepted)


def agree_as_joiner(own: X3DHPrivateKeys, peer: X3DHKeys) -> X3DHSecrets:
    """The secrets on the side that answers.

    Raises `KEMMismatch` if a KEM key was accepted that the peer has not proposed, and
    `MalformedMessage` for degenerate keys.
    """
    accepted = None
    if own.encapsulation is not None and peer.version >= RatchetVersion.KEM:
        if not isinstance(peer.kem, KEMProposal):
            raise KEMMismatch("there is no proposed KEM key to accept")
        accepted = AcceptedKEM(peer.kem.public_key, own.encapsulation)
    agreements = (
        _exchange(own.second, peer.first),
        _exchange(own.first, peer.second),
        _exchange(own.second, peer.second),
    )
    return _secrets(own.first.public.raw + peer.first.raw, agreements, accepted)


def agree_as_initiator(own: X3DHPrivateKeys, peer: X3DHKeys, kem: KEM | None) -> X3DHSecrets:
    """The secrets on the side that made the invitation; ``kem`` may be `None` below version 3.

    Raises `KEMMismatch` if the peer accepts a KEM key that was not proposed, and `MalformedMessage`
    for degenerate keys.
    """
    accepted = None
    if isinstance(peer.kem, KEMAcceptance) and peer.version >= RatchetVersion.KEM:
        if own.kem is None or kem is None:
            raise KEMMismatch("the other side accepts a KEM key that was not proposed")
        shared_secret = kem.decapsulate(own.kem, peer.kem.ciphertext)
        encapsulation = Encapsulation(peer.kem.ciphertext, shared_secret)
        accepted = AcceptedKEM(peer.kem.public_key, encapsulation)
    agreements = (
        _exchange(own.first, peer.second),
        _exchange(own.second, peer.first),
        _exchange(own.second, peer.second),
    )
    return _secrets(peer.first.raw + own.first.public.raw, agreements, accepted)


def keys_hash(keys: X3DHKeys) -> bytes:
    """What two sides that renegotiate compare: the lower one is the initiator's.

    It also tells whether the same keys were received before.
    """
    return sha256(keys.first.raw + keys.second.raw).digest()


def security_code(security_hash: bytes) -> str:
    """The hash of a ratchet's associated data as apps show it for people to compare.

    That is one number, in groups of five digits of which the last may be shorter.
    """
    digits = str(int.from_bytes(security_hash, "big"))
    size = SECURITY_CODE_GROUP
    return " ".join(digits[start : start + size] for start in range(0, len(digits), size))
