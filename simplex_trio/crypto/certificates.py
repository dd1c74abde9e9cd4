"""Certificate chains: the identity of a peer, and the proof that its key belongs to it.

A router's identity is the fingerprint of one certificate, which the operator can keep offline.  In
TLS the router shows a leaf that the identity signed, and possibly certificates of the operator that
signed the identity.  A service may also show a single self-signed certificate.

`validate` checks a chain in its order: each certificate must be signed by the next one.  A valid
path from the leaf to the root is not enough if the expected identity merely occurs in the chain, as
it might have signed nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import TypeVar

from attrs import field
from attrs.validators import deep_iterable
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519

from simplex_trio.crypto.der import Tag, only, take
from simplex_trio.crypto.keys import Ed448PublicKey, Ed25519PublicKey, VerifyKey
from simplex_trio.errors import CertificateExpired, CertificateInvalid, ChainTooLong, DecodeError
from simplex_trio.frozen import frozen
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
"""The size of a block, because a handshake carries the whole chain in one."""

T = TypeVar("T")

# Extensions that may be critical.  `validate` enforces the first two; the others limit the names
# and purposes of a certificate, and here only its fingerprint decides about these.
_UNDERSTOOD = frozenset(
    {
        x509.BasicConstraints.oid,
        x509.KeyUsage.oid,
        x509.ExtendedKeyUsage.oid,
        x509.SubjectAlternativeName.oid,
    }
)


def fingerprint(der: bytes) -> bytes:
    """Return the SHA-256 digest of a certificate, which router addresses pin."""
    return sha256(der).digest()


def _parse(der: bytes) -> x509.Certificate:
    if len(der) > MAX_CERTIFICATE_SIZE:
        raise DecodeError(f"a certificate has {len(der)} bytes")
    _check_serial(der)
    try:
        return x509.load_der_x509_certificate(der)
    except Exception as exc:  # mostly ValueError, but the library does not document it
        raise DecodeError("not a certificate") from exc


def _check_serial(der: bytes) -> None:
    """Reject a serial number that is not positive, which makes the library log a warning."""
    certificate, _ = take(only(der, Tag.SEQUENCE), Tag.SEQUENCE)
    if certificate[:1] == bytes([Tag.VERSION]):
        _, certificate = take(certificate, Tag.VERSION)
    serial, _ = take(certificate, Tag.INTEGER)
    if int.from_bytes(serial, "big", signed=True) <= 0:
        raise DecodeError("the serial number of a certificate is not positive")


@frozen(repr=False)
class CertificateChain(Redacted):
    """One to four DER certificates, leaf first, each signed by the next one.

    Creating a chain raises `DecodeError` if it is empty or has an invalid certificate, and
    `ChainTooLong` if it has more than four.  Call `validate` to check signatures and dates.
    """

    certificates: tuple[bytes, ...] = field(
        validator=deep_iterable(instance_of(bytes), instance_of(tuple))
    )
    _parsed: tuple[x509.Certificate, ...] = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if not self.certificates:
            raise DecodeError("the chain has no certificates")
        if len(self.certificates) > MAX_CERTIFICATES:
            raise ChainTooLong(f"the chain has {len(self.certificates)} certificates")
        object.__setattr__(self, "_parsed", tuple(map(_parse, self.certificates)))

    @property
    def leaf(self) -> bytes:
        """The certificate whose private key the peer holds."""
        return self.certificates[0]

    @property
    def identity(self) -> bytes:
        """The certificate that identifies the owner of the chain.

        It is always the second one, except for the single, self-signed certificate of a service.
        """
        return self.certificates[min(1, len(self.certificates) - 1)]

    @property
    def identity_fingerprint(self) -> bytes:
        """The SHA-256 digest of `identity`."""
        return fingerprint(self.identity)

    @property
    def root(self) -> bytes:
        """The last certificate, where validation ends."""
        return self.certificates[-1]

    def leaf_key(self) -> VerifyKey:
        """Return the key of the leaf; raise `DecodeError` if it is not Ed25519 or Ed448."""
        key = _verify_key(self._parsed[0])
        if key is None:
            raise DecodeError("the key of a certificate is not Ed25519 or Ed448")
        return key


def validate(chain: CertificateChain, *, at: datetime) -> None:
    """Validate a chain as X.509 requires, with its last certificate as the trusted root.

    The caller must compare the identity with the expected one: a valid chain only proves that the
    identity vouches for the leaf.  Each certificate but the last must be issued and signed, with
    Ed25519 or Ed448, by the next; a single one must sign itself.  Those in between must be
    authorities. Of the root only the dates are checked.  ``at`` must have a time zone.

    Errors: raises `CertificateExpired` if ``at`` is outside the dates of a certificate, and
    `CertificateInvalid` for any other reason.
    """
    parsed = chain._parsed
    if parsed[0].version is not x509.Version.v3:
        raise CertificateInvalid("the leaf is not a version 3 certificate")
    for certificate in parsed:
        _check_dates(certificate, at)
        _check_extensions(certificate)
    for below, authority in enumerate(parsed[1:-1]):
        _check_authority(authority, below)
    for certificate, issuer in zip(parsed, parsed[1:] or parsed, strict=False):
        _check_signature(certificate, issuer)


def _contained(read: Callable[[], T]) -> T:
    """Call ``read``, and turn any error of the library into `CertificateInvalid`."""
    try:
        return read()
    except Exception as exc:
        raise CertificateInvalid("a certificate is malformed") from exc


def _verify_key(certificate: x509.Certificate) -> VerifyKey | None:
    try:
        key = certificate.public_key()
    except Exception:  # unknown algorithms, points off the curve, and more
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
        raise ValueError("the time needs a time zone")
    if at < _contained(lambda: certificate.not_valid_before_utc):
        raise CertificateExpired("a certificate is not valid yet")
    if at > _contained(lambda: certificate.not_valid_after_utc):
        raise CertificateExpired("a certificate has expired")


def _check_extensions(certificate: x509.Certificate) -> None:
    for extension in _contained(lambda: certificate.extensions):
        if extension.critical and extension.oid not in _UNDERSTOOD:
            raise CertificateInvalid("a certificate has an unknown critical extension")


def _check_authority(certificate: x509.Certificate, below: int) -> None:
    """Check that a certificate may sign others, with ``below`` authorities under it."""
    extensions = _contained(lambda: certificate.extensions)
    try:
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound as exc:
        raise CertificateInvalid("an issuer in the chain is not an authority") from exc
    if not constraints.ca:
        raise CertificateInvalid("an issuer in the chain is not an authority")
    if constraints.path_length is not None and constraints.path_length < below:
        raise CertificateInvalid("an authority has too many authorities under it")
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.key_cert_sign:
        raise CertificateInvalid("the key of an authority may not sign certificates")


def _check_signature(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    if _verify_key(issuer) is None:
        raise CertificateInvalid("a certificate is not signed with Ed25519 or Ed448")
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception as exc:  # names, algorithms and signatures have an exception each
        raise CertificateInvalid("a certificate is not signed by the next in its chain") from exc
