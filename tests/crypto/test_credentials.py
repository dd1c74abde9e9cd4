from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.certificates import CertificateChain, fingerprint, validate
from simplex_trio.crypto.credentials import (
    RouterCredentials,
    ServiceCredentials,
    dump_chain_pem,
    dump_key_pem,
    generate_router_credentials,
    generate_service_credentials,
    load_chain_pem,
    load_key_pem,
    renew_router_credentials,
)
from simplex_trio.crypto.keys import (
    Ed448PrivateKey,
    Ed25519PrivateKey,
    SigningKey,
    X25519PrivateKey,
)
from simplex_trio.crypto.pem import to_pem
from simplex_trio.errors import (
    CertificateExpired,
    CertificateInvalid,
    ChainTooLong,
    DecodeError,
)
from tests.crypto.support import AUTHORITY, DAY, NOW, certificate

key_types = pytest.mark.parametrize("key_type", [Ed25519PrivateKey, Ed448PrivateKey])

# Made by OpenSSL 3.0 with the commands and the configuration of the reference's router: ca.crt and
# ca.key by `openssl req -new -x509`, server.crt and server.key by `openssl x509 -req -CA ca.crt`.
OPENSSL = Path(__file__).parent / "openssl"


def _parsed(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


@key_types
def test_a_new_router_is_valid(key_type: type[SigningKey]) -> None:
    router = generate_router_credentials(now=NOW, common_name="example.org", key_type=key_type)
    for at in (NOW, NOW - DAY, NOW + 36_500 * DAY):
        validate(router.chain, at=at)
    for at in (NOW - 2 * DAY, NOW + 1_000_000 * DAY):
        with pytest.raises(CertificateExpired):
            validate(router.chain, at=at)
    assert router.chain.certificates == (router.certificate, router.ca_certificate)
    assert router.identity_fingerprint == fingerprint(router.ca_certificate)
    assert router.chain.leaf_key() == router.key.public
    assert isinstance(router.key, key_type)
    assert isinstance(router.ca_key, key_type)
    assert router.key != router.ca_key


def test_the_certificates_of_a_router() -> None:
    router = generate_router_credentials(now=NOW, common_name="example.org")
    authority, leaf = _parsed(router.ca_certificate), _parsed(router.certificate)
    assert authority.subject == authority.issuer == leaf.issuer
    assert authority.subject.rfc4514_string() == "O=SimpleX,CN=SMP server CA"
    assert leaf.subject.rfc4514_string() == "CN=example.org"
    reference = OPENSSL / "ed25519"
    for ours, name in ((authority, "ca.crt"), (leaf, "server.crt")):
        (theirs,) = map(_parsed, load_chain_pem((reference / name).read_bytes()).certificates)
        assert {(e.oid, e.critical) for e in ours.extensions} == {
            (e.oid, e.critical) for e in theirs.extensions
        }
        for kind in (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage):
            assert [e.value for e in ours.extensions if isinstance(e.value, kind)] == [
                e.value for e in theirs.extensions if isinstance(e.value, kind)
            ]


def test_every_router_is_another() -> None:
    one, other = (generate_router_credentials(now=NOW) for _ in range(2))
    assert one.identity_fingerprint != other.identity_fingerprint
    forged = CertificateChain((one.certificate, other.ca_certificate))
    with pytest.raises(CertificateInvalid):
        validate(forged, at=NOW)


@key_types
def test_a_new_leaf_leaves_the_identity(key_type: type[SigningKey]) -> None:
    router = generate_router_credentials(now=NOW, key_type=key_type)
    later = NOW + 100 * DAY
    renewed = renew_router_credentials(router, now=later, common_name="new.example.org")
    validate(renewed.chain, at=later)
    assert renewed.identity_fingerprint == router.identity_fingerprint
    assert renewed.key != router.key
    assert isinstance(renewed.key, key_type)


def test_without_the_key_of_the_authority() -> None:
    router = generate_router_credentials(now=NOW).without_ca_key()
    assert router.ca_key is None
    validate(router.chain, at=NOW)
    with pytest.raises(ValueError, match="authority"):
        renew_router_credentials(router, now=NOW)


def test_a_router_with_an_operator_behind_it() -> None:
    operator, identity, leaf = (Ed25519PrivateKey(bytes([n]) * 32) for n in range(3))
    root = certificate("operator", operator.public, "operator", operator, AUTHORITY)
    router = RouterCredentials(
        ca_certificate=certificate("router", identity.public, "operator", operator, AUTHORITY),
        certificate=certificate("leaf", leaf.public, "router", identity),
        key=leaf,
        operator_certificates=(root,),
    )
    validate(router.chain, at=NOW)
    assert router.chain.root == root
    assert router.identity_fingerprint == fingerprint(router.ca_certificate)


def test_keys_that_do_not_belong_to_their_certificates() -> None:
    router = generate_router_credentials(now=NOW)
    stranger = Ed25519PrivateKey(bytes(32))
    with pytest.raises(CertificateInvalid):
        RouterCredentials(
            ca_certificate=router.ca_certificate, certificate=router.certificate, key=stranger
        )
    with pytest.raises(CertificateInvalid):
        RouterCredentials(
            ca_certificate=router.ca_certificate,
            ca_key=stranger,
            certificate=router.certificate,
            key=router.key,
        )
    with pytest.raises(CertificateInvalid):
        ServiceCredentials(router.chain, stranger)
    with pytest.raises(DecodeError):
        RouterCredentials(ca_certificate=b"garbage", certificate=router.certificate, key=stranger)


def test_a_new_service_is_valid() -> None:
    service, other = (generate_service_credentials(now=NOW) for _ in range(2))
    for at in (NOW - DAY, NOW, NOW + 36_500 * DAY):
        validate(service.chain, at=at)
    with pytest.raises(CertificateExpired):
        validate(service.chain, at=NOW - 2 * DAY)
    assert service.chain.leaf_key() == service.key.public
    assert service.identity_fingerprint == fingerprint(service.chain.leaf)
    assert service.identity_fingerprint != other.identity_fingerprint


def test_services_look_alike() -> None:
    made = _parsed(generate_service_credentials(now=NOW).chain.leaf)
    assert made.version is x509.Version.v3
    assert made.serial_number == 1
    assert made.subject == made.issuer
    assert made.subject.rfc4514_string() == "CN=simplex"
    assert len(made.extensions) == 0
    assert made.not_valid_after_utc - made.not_valid_before_utc == timedelta(hours=25, days=999_999)


def test_a_time_without_a_zone_is_a_mistake_of_the_caller() -> None:
    local = NOW.replace(tzinfo=None)
    with pytest.raises(ValueError, match="time zone"):
        generate_router_credentials(now=local)
    with pytest.raises(ValueError, match="time zone"):
        generate_service_credentials(now=local)


@pytest.mark.parametrize("folder", ["ed25519", "ed448"])
def test_files_made_by_openssl(folder: str) -> None:
    files = {path.name: path.read_bytes() for path in (OPENSSL / folder).iterdir()}
    chain = load_chain_pem(files["server.crt"] + files["ca.crt"])
    validate(chain, at=NOW)
    router = RouterCredentials(
        ca_certificate=chain.identity,
        ca_key=load_key_pem(files["ca.key"]),
        certificate=chain.leaf,
        key=load_key_pem(files["server.key"]),
    )
    renewed = renew_router_credentials(router, now=NOW)
    validate(renewed.chain, at=NOW)
    (parsed,) = x509.load_pem_x509_certificates(files["ca.crt"])
    assert router.identity_fingerprint == parsed.fingerprint(hashes.SHA256())


@key_types
def test_files_come_back(key_type: type[SigningKey]) -> None:
    router = generate_router_credentials(now=NOW, key_type=key_type)
    assert load_chain_pem(dump_chain_pem(router.chain)) == router.chain
    assert load_key_pem(dump_key_pem(router.key)) == router.key
    assert [
        found.fingerprint(hashes.SHA256())
        for found in x509.load_pem_x509_certificates(dump_chain_pem(router.chain))
    ] == [fingerprint(der) for der in router.chain.certificates]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        dump_key_pem(Ed25519PrivateKey(bytes(32))) * 2,
        to_pem("PRIVATE KEY", b"garbage"),
        to_pem("PRIVATE KEY", X25519PrivateKey(bytes(32)).der),
        to_pem("ENCRYPTED PRIVATE KEY", Ed25519PrivateKey(bytes(32)).der),
    ],
)
def test_texts_that_hold_no_key(text: bytes) -> None:
    with pytest.raises(DecodeError):
        load_key_pem(text)


def test_texts_that_hold_no_chain() -> None:
    router = generate_router_credentials(now=NOW)
    for text in (b"", dump_key_pem(router.key), to_pem("CERTIFICATE", b"garbage")):
        with pytest.raises(DecodeError):
            load_chain_pem(text)
    with pytest.raises(ChainTooLong):
        load_chain_pem(dump_chain_pem(router.chain) * 3)


@given(st.binary(max_size=200))
def test_arbitrary_text_holds_nothing(data: bytes) -> None:
    with pytest.raises(DecodeError):
        load_chain_pem(data)
    with pytest.raises(DecodeError):
        load_key_pem(data)


def test_nothing_secret_is_shown() -> None:
    router = generate_router_credentials(now=NOW)
    assert router.ca_key is not None
    shown = repr(router) + repr(generate_service_credentials(now=NOW))
    assert router.key.raw.hex() not in shown
    assert "key=Ed25519PrivateKey(raw=<32 bytes>)" in shown
