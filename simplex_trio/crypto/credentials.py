"""Credentials: the certificates and private keys of routers and services.

A router has two keys.  The key of its certificate authority *is* the router's identity, as
addresses pin the authority's certificate.  It only signs leaf certificates, and is best kept
offline.  The key of the leaf is used in TLS and can be replaced at any time.  A service has one key
and a self-signed certificate.

The certificates have the same names, extensions and lifetimes as those of the reference's tools, so
that either side can use the other's files.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import evolve, field
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.keys import (
    Ed448PrivateKey,
    Ed448PublicKey,
    Ed25519PrivateKey,
    Ed25519PublicKey,
    SigningKey,
    VerifyKey,
    private_key,
)
from simplex_trio.crypto.pem import from_pem, to_pem
from simplex_trio.errors import CertificateInvalid, DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of

__all__ = [
    "RouterCredentials",
    "ServiceCredentials",
    "dump_chain_pem",
    "dump_key_pem",
    "generate_router_credentials",
    "generate_service_credentials",
    "issue_router_credentials",
    "load_chain_pem",
    "load_key_pem",
    "renew_router_credentials",
]

_CERTIFICATE = "CERTIFICATE"
_PRIVATE_KEY = "PRIVATE KEY"

# A little more than a day, for clocks that are set to the wrong time zone.
_BEFORE = timedelta(hours=25)

# Never, as far as a four-digit year allows: keys are replaced for other reasons than dates.
_AFTER = timedelta(days=999_999)

_ROUTER_CA_NAME = x509.Name(
    [
        x509.NameAttribute(NameOID.COMMON_NAME, "SMP server CA"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "SimpleX"),
    ]
)
_SERVICE_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simplex")])
_SERVICE_SERIAL = 1

_LEAF_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=True,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=True,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


# --- credentials --------------------------------------------------------------------------------


def _check_key(chain: CertificateChain, key: SigningKey) -> None:
    if chain.leaf_key() != key.public:
        raise CertificateInvalid("a private key does not match its certificate")


@frozen(repr=False, kw_only=True)
class RouterCredentials(Redacted):
    """A router's certificates and keys, with or without the authority's key.

    Raises `DecodeError` for invalid certificates, and `CertificateInvalid` for a private key that
    does not match its certificate.  Call `validate` to check the chain.
    """

    ca_certificate: bytes
    """The identity of the router."""

    ca_key: SigningKey | None = None
    """The authority's key, or `None` if it is kept offline."""

    certificate: bytes
    """The leaf, signed by the identity."""

    key: SigningKey = field(validator=instance_of(SigningKey))
    """The key of the leaf."""

    operator_certificates: tuple[bytes, ...] = ()
    """The one or two certificates of an operator that signed the identity, if any."""

    chain: CertificateChain = field(init=False, repr=False, eq=False)
    """The chain that the router presents in TLS and in the handshake."""

    def __attrs_post_init__(self) -> None:
        certificates = (self.certificate, self.ca_certificate, *self.operator_certificates)
        chain = CertificateChain(certificates)
        _check_key(chain, self.key)
        if self.ca_key is not None:
            _check_key(CertificateChain((self.ca_certificate,)), self.ca_key)
        object.__setattr__(self, "chain", chain)

    @property
    def identity_fingerprint(self) -> bytes:
        """The fingerprint that addresses of this router pin."""
        return self.chain.identity_fingerprint

    def without_ca_key(self) -> RouterCredentials:
        """Return the credentials for a machine that is online, without the authority's key."""
        return evolve(self, ca_key=None)


@frozen(repr=False)
class ServiceCredentials(Redacted):
    """A service's certificate chain and key, by which routers recognize it.

    Raises `CertificateInvalid` for a private key that does not match the leaf.
    """

    chain: CertificateChain
    key: SigningKey = field(validator=instance_of(SigningKey))

    def __attrs_post_init__(self) -> None:
        _check_key(self.chain, self.key)

    @property
    def identity_fingerprint(self) -> bytes:
        """The fingerprint that routers know the service by."""
        return self.chain.identity_fingerprint


# --- generating ---------------------------------------------------------------------------------


def generate_router_credentials(
    *,
    now: datetime,
    common_name: str = "localhost",
    key_type: type[SigningKey] = Ed25519PrivateKey,
) -> RouterCredentials:
    """Generate a new router: a self-signed authority, and a leaf that it signed.

    ``common_name`` is the host in the leaf, which is never checked.  ``now`` must have a time zone.
    """
    ca_key = key_type.generate()
    ca_key_id = x509.SubjectKeyIdentifier.from_public_key(_public(ca_key.public))
    builder = (
        _builder(_ROUTER_CA_NAME, _ROUTER_CA_NAME, ca_key.public, now)
        .serial_number(x509.random_serial_number())
        .add_extension(ca_key_id, critical=False)
        .add_extension(_issued_by(ca_key_id), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    ca_certificate = _signed(builder, ca_key)
    certificate, key = _issue_leaf(ca_certificate, ca_key, now, common_name, key_type)
    return RouterCredentials(
        ca_certificate=ca_certificate, ca_key=ca_key, certificate=certificate, key=key
    )


def renew_router_credentials(
    credentials: RouterCredentials, *, now: datetime, common_name: str = "localhost"
) -> RouterCredentials:
    """Generate a new leaf with a new key, of the type of the authority's key, for a router.

    Raises `ValueError` without the authority's key.
    """
    ca_key = credentials.ca_key
    if ca_key is None:
        raise ValueError("signing a new leaf needs the key of the authority")
    return issue_router_credentials(
        ca_certificate=credentials.ca_certificate,
        ca_key=ca_key,
        operator_certificates=credentials.operator_certificates,
        now=now,
        common_name=common_name,
    )


def issue_router_credentials(
    *,
    ca_certificate: bytes,
    ca_key: SigningKey,
    operator_certificates: tuple[bytes, ...] = (),
    now: datetime,
    common_name: str = "localhost",
) -> RouterCredentials:
    """The same for a router of which only the authority is at hand.

    Raises what `RouterCredentials` raises.
    """
    certificate, key = _issue_leaf(ca_certificate, ca_key, now, common_name, type(ca_key))
    return RouterCredentials(
        ca_certificate=ca_certificate,
        ca_key=ca_key,
        certificate=certificate,
        key=key,
        operator_certificates=operator_certificates,
    )


def generate_service_credentials(*, now: datetime) -> ServiceCredentials:
    """Generate a new service: one self-signed Ed25519 certificate.

    All services get the same name and serial number, so that the certificate reveals nothing about
    its creator.  ``now`` must have a time zone.
    """
    key = Ed25519PrivateKey.generate()
    builder = _builder(_SERVICE_NAME, _SERVICE_NAME, key.public, now)
    certificate = _signed(builder.serial_number(_SERVICE_SERIAL), key)
    return ServiceCredentials(CertificateChain((certificate,)), key)


def _issue_leaf(
    ca_certificate: bytes,
    ca_key: SigningKey,
    now: datetime,
    common_name: str,
    key_type: type[SigningKey],
) -> tuple[bytes, SigningKey]:
    key = key_type.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    issuer = x509.load_der_x509_certificate(ca_certificate).subject
    ca_key_id = x509.SubjectKeyIdentifier.from_public_key(_public(ca_key.public))
    key_id = x509.SubjectKeyIdentifier.from_public_key(_public(key.public))
    builder = (
        _builder(name, issuer, key.public, now)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
        .add_extension(_LEAF_USAGE, critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(key_id, critical=False)
        .add_extension(_issued_by(ca_key_id), critical=False)
    )
    return _signed(builder, ca_key), key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: VerifyKey, now: datetime
) -> x509.CertificateBuilder:
    if now.tzinfo is None:
        raise ValueError("the time needs a time zone")
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(_public(key))
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + _AFTER)
    )


def _issued_by(key_id: x509.SubjectKeyIdentifier) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id)


def _public(key: VerifyKey) -> ed25519.Ed25519PublicKey | ed448.Ed448PublicKey:
    match key:
        case Ed25519PublicKey():
            return ed25519.Ed25519PublicKey.from_public_bytes(key.raw)
        case Ed448PublicKey():
            return ed448.Ed448PublicKey.from_public_bytes(key.raw)


def _private(key: SigningKey) -> ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey:
    match key:
        case Ed25519PrivateKey():
            return ed25519.Ed25519PrivateKey.from_private_bytes(key.raw)
        case Ed448PrivateKey():
            return ed448.Ed448PrivateKey.from_private_bytes(key.raw)


def _signed(builder: x509.CertificateBuilder, key: SigningKey) -> bytes:
    return builder.sign(_private(key), None).public_bytes(Encoding.DER)


# --- files --------------------------------------------------------------------------------------


def load_chain_pem(data: bytes) -> CertificateChain:
    """Read a chain from PEM text, leaf first, such as the concatenated files of a router.

    Raises `DecodeError` if there is no certificate or an invalid one, and `ChainTooLong` for more
    than four.
    """
    return CertificateChain(from_pem(_CERTIFICATE, data))


def dump_chain_pem(chain: CertificateChain) -> bytes:
    """Return the chain as PEM text, which `load_chain_pem` and the reference's router read."""
    return b"".join(to_pem(_CERTIFICATE, der) for der in chain.certificates)


def load_key_pem(data: bytes) -> SigningKey:
    """Read an Ed25519 or Ed448 private key from PEM text: PKCS#8 without a password.

    Raises `DecodeError` for anything else, and for more than one key.
    """
    keys = from_pem(_PRIVATE_KEY, data)
    if len(keys) != 1:
        raise DecodeError(f"{len(keys)} private keys in place of one")
    key = private_key(keys[0])
    if not isinstance(key, SigningKey):
        raise DecodeError("a private key of this kind cannot sign")
    return key


def dump_key_pem(key: SigningKey) -> bytes:
    """Return the private key as PEM text, which `load_key_pem` and OpenSSL read."""
    return to_pem(_PRIVATE_KEY, key.der)
