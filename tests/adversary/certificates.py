"""Certificates that a client should not have, and the proof of a key in TLS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from tests.adversary.tls13 import CERTIFICATE_VERIFY, message, sized

__all__ = ["Key", "broken_certificates", "certificate", "signed_verify"]

Key = Ed25519PrivateKey | Ed448PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_DAY = timedelta(days=1)


def certificate(
    key: Key,
    *,
    by: Key | None = None,
    subject: str = "client",
    issuer: str = "client",
    days: tuple[int, int] = (-1, 30),
    extensions: list[tuple[Any, bool]] | None = None,
) -> bytes:
    """A certificate in DER; it signs itself unless ``by`` is another key."""
    now = datetime.now(UTC)
    signer = by or key
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + days[0] * _DAY)
        .not_valid_after(now + days[1] * _DAY)
    )
    for extension, critical in extensions or []:
        builder = builder.add_extension(extension, critical=critical)
    is_edwards = isinstance(signer, Ed25519PrivateKey | Ed448PrivateKey)
    made = builder.sign(signer, None if is_edwards else hashes.SHA256())
    return made.public_bytes(Encoding.DER)


def signed_verify(transcript: bytes, key: Key) -> bytes:
    """The message that proves a client's key."""
    context = b" " * 64 + b"TLS 1.3, client CertificateVerify\0"
    signed = context + sha256(transcript).digest()
    match key:
        case Ed25519PrivateKey():
            scheme, signature = 0x0807, key.sign(signed)
        case Ed448PrivateKey():
            scheme, signature = 0x0808, key.sign(signed)
        case rsa.RSAPrivateKey():
            salted = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
            scheme, signature = 0x0804, key.sign(signed, salted, hashes.SHA256())
        case ec.EllipticCurvePrivateKey():
            scheme, signature = 0x0403, key.sign(signed, ec.ECDSA(hashes.SHA256()))
    return message(CERTIFICATE_VERIFY, scheme.to_bytes(2, "big") + sized(2, signature))


def _chain(length: int) -> tuple[list[bytes], Key]:
    """A chain in order, each certificate signed by the one after it."""
    keys = [Ed25519PrivateKey.generate() for _ in range(length)]
    names = [f"number {number}" for number in range(length)]
    authority = [(x509.BasicConstraints(ca=True, path_length=None), True)]
    made = []
    for at, key in enumerate(keys):
        above = min(at + 1, length - 1)
        made.append(
            certificate(
                key,
                by=keys[above],
                subject=names[at],
                issuer=names[above],
                extensions=authority if at else [],
            )
        )
    return made, keys[0]


@cache
def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def broken_certificates() -> Iterator[tuple[list[bytes], Key]]:
    """Chains as clients show them, and the keys of their leaves.

    The first is nothing worse than unknown.
    """
    key = Ed25519PrivateKey.generate()
    good = certificate(key)
    yield [good], key
    yield [certificate(key, days=(-30, -1))], key
    yield [certificate(key, days=(1, 30))], key
    yield [certificate(key, days=(-365 * 70, 365 * 5000))], key
    yield [certificate(_rsa())], _rsa()
    curve = ec.generate_private_key(ec.SECP256R1())
    yield [certificate(curve)], curve
    yield [certificate(key, by=Ed25519PrivateKey.generate())], key
    yield [certificate(key, issuer="another")], key
    yield [good[:-1] + bytes([good[-1] ^ 1])], key
    yield [good + b"more"], key
    yield [good[:-20]], key
    yield [good] * 2, key
    yield [good] * 50, key
    yield [certificate(key, subject="a\0b\x1b[2J" * 5, issuer="a\0b\x1b[2J" * 5)], key
    yield [certificate(key, subject="x" * 64, issuer="x" * 64)], key
    unknown = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\xff" * 100)
    yield [certificate(key, extensions=[(unknown, True)])], key
    names = x509.SubjectAlternativeName([x509.DNSName(f"{n}.example") for n in range(5000)])
    yield [certificate(key, extensions=[(names, False)])], key
    server_only = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    yield [certificate(key, extensions=[(server_only, True)])], key
    for length in (2, 4, 5, 10, 100):
        yield _chain(length)
    chain, leaf_key = _chain(4)
    yield chain[::-1], leaf_key
    yield [chain[0], chain[2]], leaf_key
    yield [chain[0], chain[1], chain[0], chain[1]], leaf_key
    other, _ = _chain(3)
    yield [chain[0], *other[1:]], leaf_key
    edwards = Ed448PrivateKey.generate()
    yield [certificate(edwards)], edwards
    yield [certificate(edwards)], key
