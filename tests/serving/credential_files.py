"""Folders with credentials, as operators have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.credentials import (
    RouterCredentials,
    dump_chain_pem,
    dump_key_pem,
    generate_router_credentials,
)


def write_router(folder: Path) -> RouterCredentials:
    """The files of a new router; what is in them."""
    made = generate_router_credentials(now=datetime.now(UTC))
    assert made.ca_key is not None
    (folder / "ca.crt").write_bytes(dump_chain_pem(CertificateChain((made.ca_certificate,))))
    (folder / "ca.key").write_bytes(dump_key_pem(made.ca_key))
    (folder / "server.crt").write_bytes(dump_chain_pem(CertificateChain((made.certificate,))))
    (folder / "server.key").write_bytes(dump_key_pem(made.key))
    return made


def write_web(folder: Path) -> bytes:
    """The files for browsers, RSA as most authorities give them; the certificate in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    (folder / "web.crt").write_bytes(certificate)
    # The old form of a key, which some tools still write.
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (folder / "web.key").write_bytes(pem)
    return certificate
