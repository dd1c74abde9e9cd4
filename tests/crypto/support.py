"""What the tests of keys, boxes and certificates share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import strategies as st

from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.keys import (
    Ed448PrivateKey,
    Ed448PublicKey,
    Ed25519PrivateKey,
    Ed25519PublicKey,
    PrivateKey,
    PublicKey,
    SigningKey,
    VerifyKey,
    X448PrivateKey,
    X448PublicKey,
    X25519PrivateKey,
    X25519PublicKey,
)
from tests.vectors import Case

PRIVATE: dict[str, type[PrivateKey]] = {
    "ed25519": Ed25519PrivateKey,
    "ed448": Ed448PrivateKey,
    "x25519": X25519PrivateKey,
    "x448": X448PrivateKey,
}
PUBLIC: dict[str, type[PublicKey]] = {
    "ed25519": Ed25519PublicKey,
    "ed448": Ed448PublicKey,
    "x25519": X25519PublicKey,
    "x448": X448PublicKey,
}

NOW = datetime(2030, 6, 1, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def private(key: Case) -> PrivateKey:
    return PRIVATE[key["alg"]](bytes.fromhex(key["private_raw"]))


def public(key: Case) -> PublicKey:
    return PUBLIC[key["alg"]](bytes.fromhex(key["public_raw"]))


def x25519_private(key: Case) -> X25519PrivateKey:
    return X25519PrivateKey(bytes.fromhex(key["private_raw"]))


def x25519_public(key: Case) -> X25519PublicKey:
    return X25519PublicKey(bytes.fromhex(key["public_raw"]))


def signing(key: Case) -> SigningKey:
    found = private(key)
    assert isinstance(found, SigningKey)
    return found


def chain_of(certificates: Iterable[Case]) -> CertificateChain:
    return CertificateChain(tuple(bytes.fromhex(c["der"]) for c in certificates))


def changed(data: bytes, position: int, difference: int) -> bytes:
    """``data`` with some bits of one byte, counted around, turned over."""
    at = position % len(data)
    return data[:at] + bytes([data[at] ^ difference]) + data[at + 1 :]


differences = st.integers(1, 255)
positions = st.integers(0, 1 << 16)


def named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def backend(key: SigningKey) -> ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey:
    if isinstance(key, Ed448PrivateKey):
        return ed448.Ed448PrivateKey.from_private_bytes(key.raw)
    return ed25519.Ed25519PrivateKey.from_private_bytes(key.raw)


def certificate(
    subject: str,
    key: VerifyKey,
    issuer: str,
    issuer_key: SigningKey,
    *extensions: tuple[x509.ExtensionType, bool],
    start: datetime = NOW - DAY,
    end: datetime = NOW + DAY,
) -> bytes:
    """A certificate with everything of it open to choice; extensions are (value, critical)."""
    public_key = (
        ed448.Ed448PublicKey.from_public_bytes(key.raw)
        if isinstance(key, Ed448PublicKey)
        else ed25519.Ed25519PublicKey.from_public_bytes(key.raw)
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named(issuer))
        .public_key(public_key)
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(end)
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return builder.sign(backend(issuer_key), None).public_bytes(Encoding.DER)


AUTHORITY = (x509.BasicConstraints(ca=True, path_length=None), True)
