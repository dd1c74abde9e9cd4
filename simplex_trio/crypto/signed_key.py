"""A public key signed by the key of a certificate.

With it routers and services prove that the session key of a handshake is theirs.  It has the form
of a certificate that contains only the key: SEQUENCE { SEQUENCE { SubjectPublicKeyInfo },
AlgorithmIdentifier, BIT STRING }.  The signature covers the inner SEQUENCE, not the bare
SubjectPublicKeyInfo.  It has no dates, so it is only valid on the connection that it came from.
"""

from __future__ import annotations

from typing import NamedTuple, Self

from attrs import field

from simplex_trio.crypto.der import Tag, element, only, take
from simplex_trio.crypto.keys import (
    Ed448PublicKey,
    Ed25519PublicKey,
    PublicKey,
    SigningKey,
    VerifyKey,
    public_key,
)
from simplex_trio.errors import DecodeError, SignatureInvalid
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of

__all__ = ["SignedKey"]

_NO_UNUSED_BITS = b"\0"


def _algorithm(key: type[PublicKey]) -> bytes:
    """Return the AlgorithmIdentifier of a kind of key, which also names its signatures."""
    spki = only(key.DER_PREFIX + bytes(key.SIZE), Tag.SEQUENCE)
    algorithm, _ = take(spki, Tag.SEQUENCE)
    return element(Tag.SEQUENCE, algorithm)


_ALGORITHMS: dict[type[PublicKey], bytes] = {
    kind: _algorithm(kind) for kind in (Ed25519PublicKey, Ed448PublicKey)
}


class _Parts(NamedTuple):
    key: PublicKey
    signed: bytes
    algorithm: bytes
    signature: bytes

    @classmethod
    def of(cls, der: bytes) -> Self:
        whole = only(der, Tag.SEQUENCE)
        wrapped, rest = take(whole, Tag.SEQUENCE)
        signed = whole[: len(whole) - len(rest)]
        algorithm, bits = take(rest, Tag.SEQUENCE)
        signature = only(bits, Tag.BIT_STRING)
        if not signature.startswith(_NO_UNUSED_BITS):
            raise DecodeError("a signature is not a whole number of bytes")
        return cls(public_key(wrapped), signed, element(Tag.SEQUENCE, algorithm), signature[1:])


@frozen(repr=False)
class SignedKey(Redacted):
    """A public key that must be verified before it can be used."""

    der: bytes = field(validator=instance_of(bytes))
    _parts: _Parts = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_parts", _Parts.of(self.der))

    @classmethod
    def sign(cls, key: SigningKey, public: PublicKey) -> Self:
        """Sign ``public`` with ``key``."""
        signed = element(Tag.SEQUENCE, public.der)
        signature = element(Tag.BIT_STRING, _NO_UNUSED_BITS + key.sign(signed))
        return cls(element(Tag.SEQUENCE, signed + _ALGORITHMS[type(key.public)] + signature))

    @classmethod
    def from_der(cls, der: bytes) -> Self:
        """Decode a signed key without verifying it; raise `DecodeError` for other bytes."""
        return cls(der)

    def verify(self, by: VerifyKey) -> PublicKey:
        """Return the key if ``by`` signed it; otherwise raise `SignatureInvalid`."""
        parts = self._parts
        if parts.algorithm != _ALGORITHMS[type(by)]:
            raise SignatureInvalid("the signature and the key have different algorithms")
        by.verify(parts.signature, parts.signed)
        return parts.key
