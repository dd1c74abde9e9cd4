"""A public key signed by the key of a certificate.

Routers and services prove with it that the session key of a handshake is theirs.  Its form is that
of a certificate with nothing inside but the key: SEQUENCE { SEQUENCE { SubjectPublicKeyInfo },
AlgorithmIdentifier, BIT STRING }.  The signature covers the inner SEQUENCE, not the bare
SubjectPublicKeyInfo, and says nothing of dates: it is worth as much as the connection it came by.
"""

from __future__ import annotations

from typing import NamedTuple, Self

from attrs import field, frozen

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
from simplex_trio.redaction import Redacted, instance_of

__all__ = ["SignedKey"]

_NO_UNUSED_BITS = b"\0"


def _algorithm(key: type[PublicKey]) -> bytes:
    """The AlgorithmIdentifier of a key, which names its signatures as well."""
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
    """A public key that cannot be used before its signature has been checked."""

    der: bytes = field(validator=instance_of(bytes))
    _parts: _Parts = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_parts", _Parts.of(self.der))

    @classmethod
    def sign(cls, key: SigningKey, public: PublicKey) -> Self:
        """``public``, signed by ``key``."""
        signed = element(Tag.SEQUENCE, public.der)
        signature = element(Tag.BIT_STRING, _NO_UNUSED_BITS + key.sign(signed))
        return cls(element(Tag.SEQUENCE, signed + _ALGORITHMS[type(key.public)] + signature))

    @classmethod
    def from_der(cls, der: bytes) -> Self:
        """Read a signed key without checking its signature; `DecodeError` for anything else."""
        return cls(der)

    def verify(self, by: VerifyKey) -> PublicKey:
        """The key, if ``by`` signed it; otherwise `SignatureInvalid`."""
        parts = self._parts
        if parts.algorithm != _ALGORITHMS[type(by)]:
            raise SignatureInvalid("the signature is of another algorithm than the key")
        by.verify(parts.signature, parts.signed)
        return parts.key
