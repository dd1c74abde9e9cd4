"""The public keys from which two agents derive their first ratchet, as they travel.

Each side has two X448 keys and, where the version and both sides allow it, a key of the KEM
sntrup761.  The initiator's keys stand in its invitation as an `X3DHOffer`, which names the range of
ratchet versions it speaks; the joiner answers with `X3DHKeys` in the version it has chosen.  When a
ratchet is renegotiated, both sides send `X3DHKeys`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, final

from attrs import field
from attrs.validators import optional

from simplex_trio.crypto.keys import X448PublicKey
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.buffer import Reader, large, short, word16
from simplex_trio.wire.queries import Query, parse_version_range, version_range_text
from simplex_trio.wire.text import from_base64url, to_base64url
from simplex_trio.wire.versions import VersionRange

__all__ = [
    "KEM_CIPHERTEXT_SIZE",
    "KEM_PUBLIC_KEY_SIZE",
    "KEMAcceptance",
    "KEMParameters",
    "KEMProposal",
    "RatchetVersion",
    "X3DHKeys",
    "X3DHOffer",
    "decode_kem_parameters",
    "encode_kem_parameters",
]

KEM_PUBLIC_KEY_SIZE = 1158
KEM_CIPHERTEXT_SIZE = 1039


class RatchetVersion:
    """What each version of the encryption between agents brought."""

    KDF = 2
    """X3DH goes through HKDF."""
    KEM = 3
    """A post-quantum KEM in keys and headers, and lengths of two bytes."""


_is_bytes = instance_of(bytes)


def _sized(size: int, what: str) -> Callable[[Any, Any, bytes], None]:
    def check(instance: Any, attribute: Any, value: bytes) -> None:
        _is_bytes(instance, attribute, value)
        # The KEM's C code reads as many bytes as it expects, however many there are.
        if len(value) != size:
            raise ValueError(f"a KEM {what} has {size} bytes, not {len(value)}")

    return check


@final
@frozen(repr=False)
class KEMProposal(Redacted):
    """A KEM key that the peer may encapsulate a secret to."""

    public_key: bytes = field(validator=_sized(KEM_PUBLIC_KEY_SIZE, "key"))


@final
@frozen(repr=False)
class KEMAcceptance(Redacted):
    """A secret encapsulated to the peer's key, and a key for the peer's next one."""

    ciphertext: bytes = field(validator=_sized(KEM_CIPHERTEXT_SIZE, "ciphertext"))
    public_key: bytes = field(validator=_sized(KEM_PUBLIC_KEY_SIZE, "key"))


KEMParameters: TypeAlias = KEMProposal | KEMAcceptance


def encode_kem_parameters(kem: KEMParameters) -> bytes:
    """Encode a proposal or an acceptance, as keys and ratchet headers hold them."""
    if isinstance(kem, KEMProposal):
        return b"P" + large(kem.public_key)
    return b"A" + large(kem.ciphertext) + large(kem.public_key)


def _optional(kem: KEMParameters | None) -> bytes:
    # mypy does not solve `maybe` for a union, so its two cases stand here.
    return b"0" if kem is None else b"1" + encode_kem_parameters(kem)


def decode_kem_parameters(reader: Reader) -> KEMParameters:
    """Decode a proposal or an acceptance; raises `DecodeError` for wrong sizes too."""
    tag = reader.take(1)
    try:
        if tag == b"P":
            return KEMProposal(reader.large())
        if tag == b"A":
            return KEMAcceptance(reader.large(), reader.large())
    except ValueError as exc:
        raise DecodeError("KEM parameters of a wrong size") from exc
    raise DecodeError("unknown KEM parameters")


@final
@frozen(repr=False)
class X3DHKeys(Redacted):
    """One side's public keys in one ratchet version."""

    version: int = field(validator=instance_of(int))
    first: X448PublicKey = field(validator=instance_of(X448PublicKey))
    second: X448PublicKey = field(validator=instance_of(X448PublicKey))
    kem: KEMParameters | None = field(
        default=None, validator=optional(instance_of(KEMProposal | KEMAcceptance))
    )
    """Not encoded below version 3."""

    def encode(self) -> bytes:
        encoded = word16(self.version) + short(self.first.der) + short(self.second.der)
        if self.version < RatchetVersion.KEM:
            return encoded
        return encoded + _optional(self.kem)

    @classmethod
    def decode(cls, reader: Reader) -> X3DHKeys:
        version = reader.word16()
        first = X448PublicKey.from_der(reader.short())
        second = X448PublicKey.from_der(reader.short())
        kem = None
        if version >= RatchetVersion.KEM:
            kem = reader.maybe(lambda: decode_kem_parameters(reader))
        return cls(version, first, second, kem)


@final
@frozen(repr=False)
class X3DHOffer(Redacted):
    """The initiator's public keys, with the range of ratchet versions it speaks."""

    versions: VersionRange = field(validator=instance_of(VersionRange))
    first: X448PublicKey = field(validator=instance_of(X448PublicKey))
    second: X448PublicKey = field(validator=instance_of(X448PublicKey))
    kem: KEMProposal | None = field(default=None, validator=optional(instance_of(KEMProposal)))

    def at_version(self, version: int) -> X3DHKeys:
        """The same keys in the version that the joiner has chosen."""
        return X3DHKeys(version, self.first, self.second, self.kem)

    def __str__(self) -> str:
        """The text form, as the links of invitations hold it (there with everything escaped)."""
        keys = f"{to_base64url(self.first.der)},{to_base64url(self.second.der)}"
        text = f"v={version_range_text(self.versions)}&x3dh={keys}"
        if self.kem is None or self.versions.highest < RatchetVersion.KEM:
            return text
        return f"{text}&kem_key={to_base64url(self.kem.public_key)}"

    @classmethod
    def parse(cls, text: str) -> X3DHOffer:
        """Read the text form; anything else raises `DecodeError`."""
        query = Query(text)
        versions = parse_version_range(query.required("v"))
        keys = query.required("x3dh").split(",", 2)
        if len(keys) != 2:
            raise DecodeError("an offer of keys has two of X448")
        first, second = (X448PublicKey.from_der(from_base64url(key)) for key in keys)
        kem_key = query.get("kem_key")
        if kem_key is None or versions.highest < RatchetVersion.KEM:
            return cls(versions, first, second)
        if query.get("kem_ct") is not None:
            raise DecodeError("an offer of keys cannot accept a KEM key")
        try:
            kem = KEMProposal(from_base64url(kem_key))
        except ValueError as exc:
            raise DecodeError("KEM parameters of a wrong size") from exc
        return cls(versions, first, second, kem)

    def encode(self) -> bytes:
        # Unlike `X3DHKeys`, the binary form has the optional KEM key at every version.
        keys = short(self.first.der) + short(self.second.der)
        return self.versions.encode() + keys + _optional(self.kem)

    @classmethod
    def decode(cls, reader: Reader) -> X3DHOffer:
        versions = VersionRange.decode(reader)
        first = X448PublicKey.from_der(reader.short())
        second = X448PublicKey.from_der(reader.short())
        kem = reader.maybe(lambda: decode_kem_parameters(reader))
        if isinstance(kem, KEMAcceptance):
            raise DecodeError("an offer of keys cannot accept a KEM key")
        return cls(versions, first, second, kem)
