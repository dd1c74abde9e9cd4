"""Chains of certificates: who the other side is, and whether it may say so.

A router is known by the fingerprint of one certificate, its identity, which the operator can keep
offline; what it shows in TLS is a leaf that the identity signed, and possibly the certificates of
an operator behind it.  A service may also show a single certificate that signed itself.

`validate` takes a chain in its order: each certificate must be signed by the one right after it.
An identity that merely stands somewhere in a chain vouches for nothing, so it is never enough that
the leaf leads to the root by some way and that the expected identity is among the others.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import TypeVar

from attrs import field, frozen
from attrs.validators import deep_iterable
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519

from simplex_trio.crypto.der import Tag, only, take
from simplex_trio.crypto.keys import Ed448PublicKey, Ed25519PublicKey, VerifyKey
from simplex_trio.errors import CertificateExpired, CertificateInvalid, ChainTooLong, DecodeError
from simplex_trio.redaction import Redacted, instance_of

__all__ = [
    "MAX_CERTIFICATES",
    "MAX_CERTIFICATE_SIZE",
    "CertificateChain",
    "fingerprint",
    "validate",
]

MAX_CERTIFICATES = 4
"""Leaf, identity, operator, network: the protocol has no use for more."""

MAX_CERTIFICATE_SIZE = 16384
"""The size of a block, in which a handshake has to carry the whole chain."""

T = TypeVar("T")

# Extensions that may be marked critical: the first two are obeyed, the others limit for what names
# and purposes a certificate is good, and here nothing but its fingerprint says that.
_UNDERSTOOD = frozenset(
    {
        x509.BasicConstraints.oid,
        x509.KeyUsage.oid,
        x509.ExtendedKeyUsage.oid,
        x509.SubjectAlternativeName.oid,
    }
)


def fingerprint(der: bytes) -> bytes:
    """The SHA-256 digest of a certificate: what addresses of routers pin."""
    return sha256(der).digest()


def _parse(der: bytes) -> x509.Certificate:
    if len(der) > MAX_CERTIFICATE_SIZE:
        raise DecodeError(f"a certificate of {len(der)} bytes")
    _check_serial(der)
    try:
        return x509.load_der_x509_certificate(der)
    except Exception as exc:  # mostly ValueError, but the library does not promise it
        raise DecodeError("not a certificate") from exc


def _check_serial(der: bytes) -> None:
    """Refuse a serial number that is not positive, which the library would warn of in the log."""
    certificate, _ = take(only(der, Tag.SEQUENCE), Tag.SEQUENCE)
    if certificate[:1] == bytes([Tag.VERSION]):
        _, certificate = take(certificate, Tag.VERSION)
    serial, _ = take(certificate, Tag.INTEGER)
    if int.from_bytes(serial, "big", signed=True) <= 0:
        raise DecodeError("the serial number of a certificate is not positive")


@frozen(repr=False)
class CertificateChain(Redacted):
    """One to four certificates in DER, the leaf first, each to be signed by the one after it.

    Making one raises `DecodeError` if there is none or something that is not a certificate, and
    `ChainTooLong` if there are more; whether the chain is valid only `validate` tells.
    """

    certificates: tuple[bytes, ...] = field(
        validator=deep_iterable(instance_of(bytes), instance_of(tuple))
    )
    _parsed: tuple[x509.Certificate, ...] = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if not self.certificates:
            raise DecodeError("a chain without certificates")
        if len(self.certificates) > MAX_CERTIFICATES:
            raise ChainTooLong(f"a chain of {len(self.certificates)} certificates")
        object.__setattr__(self, "_parsed", tuple(map(_parse, self.certificates)))

    @property
    def leaf(self) -> bytes:
        """The certificate whose key the other side holds."""
        return self.certificates[0]

    @property
    def identity(self) -> bytes:
        """The certificate that the owner of the chain is known by.

        It is the second one, also of three and four, and the only one of a service's that signed
        itself.
        """
        return self.certificates[min(1, len(self.certificates) - 1)]

    @property
    def identity_fingerprint(self) -> bytes:
        """The SHA-256 digest of `identity`."""
        return fingerprint(self.identity)

    @property
    def root(self) -> bytes:
        """The last certificate, with which validation ends."""
        return self.certificates[-1]

    def leaf_key(self) -> VerifyKey:
        """The key of the leaf; `DecodeError` if it is not one that makes signatures here."""
        key = _verify_key(self._parsed[0])
        if key is None:
            raise DecodeError("the key of a certificate is neither Ed25519 nor Ed448")
        return key


def validate(chain: CertificateChain, *, at: datetime) -> None:
    """Check a chain as X.509 says, with its last certificate as the root to trust.

    Whether the identity is the expected one is the caller's to compare: a chain that is valid only
    shows that the identity vouches for the leaf.  Each certificate but the last must be issued and
    signed, with Ed25519 or Ed448, by the next; a single one by itself.  Those in between must be
    authorities.  The root is trusted for what it is, not for what it says, except that it must be
    within its dates like the others.  Raises `CertificateExpired` for a date, `CertificateInvalid`
    for anything else.  ``at`` must be aware of its time zone.
    """
    parsed = chain._parsed
    if parsed[0].version is not x509.Version.v3:
        raise CertificateInvalid("the leaf is not a certificate of version 3")
    for certificate in parsed:
        _check_dates(certificate, at)
        _check_extensions(certificate)
    for below, authority in enumerate(parsed[1:-1]):
        _check_authority(authority, below)
    for certificate, issuer in zip(parsed, parsed[1:] or parsed, strict=False):
        _check_signature(certificate, issuer)


def _contained(read: Callable[[], T]) -> T:
    """What ``read`` takes out of a certificate; any error of the library means an invalid one."""
    try:
        return read()
    except Exception as exc:
        raise CertificateInvalid("a part of a certificate cannot be read") from exc


def _verify_key(certificate: x509.Certificate) -> VerifyKey | None:
    try:
        key = certificate.public_key()
    except Exception:  # unknown algorithms, points that are on no curve, and more
        return None
    match key:
        case ed25519.Ed25519PublicKey():
            return Ed25519PublicKey(key.public_bytes_raw())
        case ed448.Ed448PublicKey():
            return Ed448PublicKey(key.public_bytes_raw())
        case _:
            return None


def _check_dates(certificate: x509.Certificate, at: datetime) -> None:
    if at.tzinfo is None:
        raise ValueError("a time without a time zone")
    if at < _contained(lambda: certificate.not_valid_before_utc):
        raise CertificateExpired("a certificate is not valid yet")
    if at > _contained(lambda: certificate.not_valid_after_utc):
        raise CertificateExpired("a certificate is not valid any more")


def _check_extensions(certificate: x509.Certificate) -> None:
    for extension in _contained(lambda: certificate.extensions):
        if extension.critical and extension.oid not in _UNDERSTOOD:
            raise CertificateInvalid("a certificate demands what is not understood here")


def _check_authority(certificate: x509.Certificate, below: int) -> None:
    """Check that a certificate may sign others, with ``below`` authorities under it."""
    extensions = _contained(lambda: certificate.extensions)
    try:
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound as exc:
        raise CertificateInvalid("a certificate that signs is not an authority") from exc
    if not constraints.ca:
        raise CertificateInvalid("a certificate that signs is not an authority")
    if constraints.path_length is not None and constraints.path_length < below:
        raise CertificateInvalid("an authority has more authorities under it than it may")
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.key_cert_sign:
        raise CertificateInvalid("the key of an authority may not sign certificates")


def _check_signature(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    if _verify_key(issuer) is None:
        raise CertificateInvalid("a certificate is signed neither with Ed25519 nor with Ed448")
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception as exc:  # names, algorithms and signatures have an exception each
        raise CertificateInvalid("a certificate is not signed by the next in its chain") from exc
