"""Public and private keys of the four curves: raw bytes, and their X.509 and PKCS#8 forms.

SimpleX always encodes a public key as the DER of its SubjectPublicKeyInfo.  For these curves that
is a fixed prefix and the raw key, and no other encoding is valid, so keys need no ASN.1 parser.
Keys hold only raw bytes, because an agent keeps hundreds of thousands of them.
"""

from __future__ import annotations

import hmac
from typing import ClassVar, Self, TypeVar

from attrs import field
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed448, x448
from nacl import bindings as sodium
from nacl import exceptions as nacl

from simplex_trio.errors import CryptoError, DecodeError, SignatureInvalid
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of

__all__ = [
    "AuthPrivateKey",
    "AuthPublicKey",
    "Ed448PrivateKey",
    "Ed448PublicKey",
    "Ed25519PrivateKey",
    "Ed25519PublicKey",
    "PrivateKey",
    "PublicKey",
    "SigningKey",
    "VerifyKey",
    "X448PrivateKey",
    "X448PublicKey",
    "X25519PrivateKey",
    "X25519PublicKey",
    "auth_private_key",
    "auth_public_key",
    "private_key",
    "public_key",
]


@frozen(repr=False)
class PublicKey(Redacted):
    """Base of the public keys; ``raw`` is the curve's own encoding."""

    SIZE: ClassVar[int]
    DER_PREFIX: ClassVar[bytes]

    raw: bytes = field(validator=instance_of(bytes))

    def __attrs_post_init__(self) -> None:
        if len(self.raw) != self.SIZE:
            raise ValueError(f"{type(self).__name__} takes {self.SIZE} bytes")

    @property
    def der(self) -> bytes:
        """The SubjectPublicKeyInfo."""
        return self.DER_PREFIX + self.raw

    @classmethod
    def from_der(cls, der: bytes) -> Self:
        """Decode a SubjectPublicKeyInfo of this curve; raise `DecodeError` for other bytes."""
        prefix = cls.DER_PREFIX
        if len(der) != len(prefix) + cls.SIZE or not der.startswith(prefix):
            raise DecodeError(f"not an {cls.__name__}")
        return cls(der[len(prefix) :])


@frozen(repr=False)
class Ed25519PublicKey(PublicKey):
    SIZE: ClassVar[int] = 32
    DER_PREFIX = bytes.fromhex("302a300506032b6570032100")

    def verify(self, signature: bytes, message: bytes) -> None:
        """Verify a signature over ``message``; raise `SignatureInvalid` if it does not match."""
        if len(signature) != sodium.crypto_sign_BYTES:
            raise SignatureInvalid("the signature has the wrong length")
        try:
            sodium.crypto_sign_open(signature + message, self.raw)
        except nacl.BadSignatureError as exc:
            raise SignatureInvalid("the signature does not match") from exc


# Ed448 keys of order 1, 2 and 4, without the sign byte.  Some signatures verify under them for any
# message, and OpenSSL accepts such keys; libsodium rejects those of Ed25519.
_ED448_PRIME = 2**448 - 2**224 - 1
_DEGENERATE_ED448 = frozenset(y.to_bytes(56, "little") for y in (0, 1, _ED448_PRIME - 1))


@frozen(repr=False)
class Ed448PublicKey(PublicKey):
    SIZE: ClassVar[int] = 57
    DER_PREFIX = bytes.fromhex("3043300506032b6571033a00")

    def verify(self, signature: bytes, message: bytes) -> None:
        """Verify a signature over ``message``; raise `SignatureInvalid` if it does not match."""
        if self.raw[:56] in _DEGENERATE_ED448:
            raise SignatureInvalid("signatures under a degenerate key are never valid")
        try:
            ed448.Ed448PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError) as exc:
            raise SignatureInvalid("the signature does not match") from exc


@frozen(repr=False)
class X25519PublicKey(PublicKey):
    SIZE: ClassVar[int] = 32
    DER_PREFIX = bytes.fromhex("302a300506032b656e032100")


@frozen(repr=False)
class X448PublicKey(PublicKey):
    SIZE: ClassVar[int] = 56
    DER_PREFIX = bytes.fromhex("3042300506032b656f033900")


@frozen(repr=False, eq=False)
class PrivateKey(Redacted):
    """Base of the private keys; comparing two of them takes constant time."""

    SIZE: ClassVar[int]
    DER_PREFIX: ClassVar[bytes]

    raw: bytes = field(validator=instance_of(bytes))

    def __attrs_post_init__(self) -> None:
        if len(self.raw) != self.SIZE:
            raise ValueError(f"{type(self).__name__} takes {self.SIZE} bytes")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return hmac.compare_digest(self.raw, other.raw)

    def __hash__(self) -> int:
        return hash((type(self), self.raw))

    @property
    def der(self) -> bytes:
        """The PKCS#8 PrivateKeyInfo."""
        return self.DER_PREFIX + self.raw

    @classmethod
    def from_der(cls, der: bytes) -> Self:
        """Decode a PKCS#8 PrivateKeyInfo of this curve; raise `DecodeError` for other bytes."""
        prefix = cls.DER_PREFIX
        if len(der) != len(prefix) + cls.SIZE or not der.startswith(prefix):
            raise DecodeError(f"not an {cls.__name__}")
        return cls(der[len(prefix) :])

    @classmethod
    def generate(cls) -> Self:
        """Generate a key from the system's random source."""
        return cls(sodium.randombytes(cls.SIZE))


@frozen(repr=False, eq=False)
class Ed25519PrivateKey(PrivateKey):
    SIZE: ClassVar[int] = 32
    DER_PREFIX = bytes.fromhex("302e020100300506032b657004220420")

    # libsodium signs with seed and public key together; deriving the latter costs as much as
    # signing.
    _expanded: bytes | None = field(default=None, init=False, repr=False)

    def _expand(self) -> bytes:
        if self._expanded is None:
            _, expanded = sodium.crypto_sign_seed_keypair(self.raw)
            object.__setattr__(self, "_expanded", expanded)
            return expanded
        return self._expanded

    @property
    def public(self) -> Ed25519PublicKey:
        return Ed25519PublicKey(self._expand()[32:])

    def sign(self, message: bytes) -> bytes:
        return sodium.crypto_sign(message, self._expand())[: sodium.crypto_sign_BYTES]


@frozen(repr=False, eq=False)
class Ed448PrivateKey(PrivateKey):
    SIZE: ClassVar[int] = 57
    DER_PREFIX = bytes.fromhex("3047020100300506032b6571043b0439")

    @property
    def public(self) -> Ed448PublicKey:
        return Ed448PublicKey(self._backend().public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        return self._backend().sign(message)

    def _backend(self) -> ed448.Ed448PrivateKey:
        return ed448.Ed448PrivateKey.from_private_bytes(self.raw)


@frozen(repr=False, eq=False)
class X25519PrivateKey(PrivateKey):
    SIZE: ClassVar[int] = 32
    DER_PREFIX = bytes.fromhex("302e020100300506032b656e04220420")

    @property
    def public(self) -> X25519PublicKey:
        return X25519PublicKey(sodium.crypto_scalarmult_base(self.raw))

    def exchange(self, peer: X25519PublicKey) -> bytes:
        """Return the 32-byte Diffie-Hellman secret; raise `CryptoError` for a degenerate key."""
        try:
            return sodium.crypto_scalarmult(self.raw, peer.raw)
        except nacl.RuntimeError as exc:
            raise CryptoError("the peer's key is degenerate") from exc


@frozen(repr=False, eq=False)
class X448PrivateKey(PrivateKey):
    SIZE: ClassVar[int] = 56
    DER_PREFIX = bytes.fromhex("3046020100300506032b656f043a0438")

    @property
    def public(self) -> X448PublicKey:
        return X448PublicKey(self._backend().public_key().public_bytes_raw())

    def exchange(self, peer: X448PublicKey) -> bytes:
        """Return the 56-byte Diffie-Hellman secret; raise `CryptoError` for a degenerate key."""
        try:
            return self._backend().exchange(x448.X448PublicKey.from_public_bytes(peer.raw))
        except ValueError as exc:
            raise CryptoError("the peer's key is degenerate") from exc

    def _backend(self) -> x448.X448PrivateKey:
        return x448.X448PrivateKey.from_private_bytes(self.raw)


VerifyKey = Ed25519PublicKey | Ed448PublicKey
"""A public key that verifies signatures."""

SigningKey = Ed25519PrivateKey | Ed448PrivateKey
"""A private key that makes signatures."""

AuthPublicKey = Ed25519PublicKey | Ed448PublicKey | X25519PublicKey
"""A public key that can authorize commands, by signature or by authenticator."""

AuthPrivateKey = Ed25519PrivateKey | Ed448PrivateKey | X25519PrivateKey
"""A private key that can authorize commands."""

_PublicT = TypeVar("_PublicT", bound=PublicKey)
_PrivateT = TypeVar("_PrivateT", bound=PrivateKey)


def _first_public(der: bytes, *kinds: type[_PublicT]) -> _PublicT:
    for kind in kinds:
        if der.startswith(kind.DER_PREFIX):
            return kind.from_der(der)
    raise DecodeError("a key of this kind is not allowed here")


def public_key(der: bytes) -> PublicKey:
    """Decode a SubjectPublicKeyInfo of any of the four curves."""
    return _first_public(der, Ed25519PublicKey, X25519PublicKey, Ed448PublicKey, X448PublicKey)


def auth_public_key(der: bytes) -> AuthPublicKey:
    """Decode a SubjectPublicKeyInfo of a key that can authorize commands."""
    key = public_key(der)
    if not isinstance(key, AuthPublicKey):
        raise DecodeError("a key of this kind is not allowed here")
    return key


def private_key(der: bytes) -> PrivateKey:
    """Decode a PKCS#8 PrivateKeyInfo of any of the four curves."""
    for kind in (Ed25519PrivateKey, X25519PrivateKey, Ed448PrivateKey, X448PrivateKey):
        if der.startswith(kind.DER_PREFIX):
            return kind.from_der(der)
    raise DecodeError("not a private key of a known curve")


def auth_private_key(der: bytes) -> AuthPrivateKey:
    """Decode a PKCS#8 PrivateKeyInfo of a key that can authorize commands."""
    key = private_key(der)
    if not isinstance(key, AuthPrivateKey):
        raise DecodeError("a key of this kind cannot authorize commands")
    return key
