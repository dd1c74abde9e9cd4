from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.certificates import (
    MAX_CERTIFICATE_SIZE,
    CertificateChain,
    fingerprint,
    validate,
)
from simplex_trio.crypto.der import Tag, element, only, take
from simplex_trio.crypto.keys import Ed448PrivateKey, Ed25519PrivateKey, SigningKey
from simplex_trio.errors import (
    CertificateError,
    CertificateExpired,
    CertificateInvalid,
    ChainTooLong,
    DecodeError,
)
from tests.crypto.support import (
    AUTHORITY,
    DAY,
    NOW,
    certificate,
    chain_of,
    changed,
    differences,
    named,
    positions,
    signing,
)
from tests.vectors import Case, cases

LEAF, IDENTITY, OPERATOR, NETWORK, STRANGER = (
    Ed25519PrivateKey(bytes([number]) * 32) for number in range(5)
)

ROOT = certificate("identity", IDENTITY.public, "identity", IDENTITY, AUTHORITY)
GENUINE = certificate("leaf", LEAF.public, "identity", IDENTITY)


# --- recorded chains ----------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("crypto.json", "cert_chain"))
def test_recorded_chains(case: Case) -> None:
    expected = case["chain"]
    if expected["kind"] == "too_long":
        with pytest.raises(ChainTooLong):
            chain_of(case["certs"])
        return

    chain = chain_of(case["certs"])
    assert [fingerprint(der).hex() for der in chain.certificates] == [
        found["sha256"] for found in case["certs"]
    ]
    assert chain.leaf_key() == signing(case["certs"][0]["key"]).public
    if expected["kind"] == "self":
        assert chain.identity_fingerprint.hex() == expected["fingerprint"]
    else:
        assert fingerprint(chain.leaf).hex() == expected["leaf_sha256"]
        assert chain.identity_fingerprint.hex() == expected["identity_sha256"]
        assert fingerprint(chain.root).hex() == expected["ca_sha256"]

    if case["x509_validation_errors_with_last_as_ca"]:
        with pytest.raises(CertificateInvalid):
            validate(chain, at=NOW)
    else:
        validate(chain, at=NOW)


@pytest.mark.parametrize("case", cases("crypto.json", "cert_chain_bad"))
def test_bad_chains(case: Case) -> None:
    """The list around the certificates is the wire's; what it leaves of them is judged here."""
    encoded = bytes.fromhex(case["encoded"])
    certificates = []
    position = 1
    for _ in range(encoded[0]):
        size = int.from_bytes(encoded[position : position + 2], "big")
        certificates.append(encoded[position + 2 : position + 2 + size])
        position += 2 + size
    if position < len(encoded):
        certificates[-1] += encoded[position:]
    with pytest.raises(DecodeError):
        CertificateChain(tuple(certificates))


@pytest.mark.parametrize(
    "case",
    [*cases("smp_handshake.json", "handshake"), *cases("smp_v19_v20.json", "handshake")],
)
def test_chains_of_handshakes(case: Case) -> None:
    chain = chain_of(case["server_certs"])
    validate(chain, at=NOW)
    assert chain.identity_fingerprint.hex() == case["identity_sha256"]
    if case["service"] is not None:
        validate(chain_of(case["service"]["certs"]), at=NOW)


@pytest.mark.parametrize("case", [*cases("live_smp.json"), *cases("live_smp_v20.json")])
def test_chains_of_live_connections(case: Case) -> None:
    for connection in case["connections"]:
        chain = CertificateChain(tuple(map(bytes.fromhex, connection["tls_server_certs"])))
        validate(chain, at=NOW)
        assert chain.identity_fingerprint.hex() == connection["server_identity"]
        if connection["service"] is not None:
            validate(chain_of(connection["service"]["certs"]), at=NOW)


# --- which chains are valid ---------------------------------------------------------------------


@pytest.mark.parametrize("key", [LEAF, Ed448PrivateKey(bytes(57))])
def test_a_single_certificate_vouches_for_itself(key: SigningKey) -> None:
    chain = CertificateChain((certificate("service", key.public, "service", key),))
    validate(chain, at=NOW)
    assert chain.leaf == chain.identity == chain.root
    assert chain.leaf_key() == key.public


def test_a_single_certificate_signed_by_another_key() -> None:
    chain = CertificateChain((certificate("service", LEAF.public, "service", STRANGER),))
    with pytest.raises(CertificateInvalid):
        validate(chain, at=NOW)


def test_a_leaf_without_its_issuer() -> None:
    with pytest.raises(CertificateInvalid):
        validate(CertificateChain((GENUINE,)), at=NOW)


def test_the_identity_is_the_second_of_every_longer_chain() -> None:
    operator = certificate("operator", OPERATOR.public, "network", NETWORK, AUTHORITY)
    network = certificate("network", NETWORK.public, "network", NETWORK, AUTHORITY)
    signed = certificate("identity", IDENTITY.public, "operator", OPERATOR, AUTHORITY)
    for certificates in (
        (GENUINE, ROOT),
        (GENUINE, signed, operator),
        (GENUINE, signed, operator, network),
    ):
        chain = CertificateChain(certificates)
        validate(chain, at=NOW)
        assert chain.identity == certificates[1]
        assert chain.root == certificates[-1]
        with pytest.raises(CertificateInvalid):
            validate(CertificateChain(certificates[::-1]), at=NOW)


def test_a_forged_leaf_under_a_genuine_identity() -> None:
    forged = certificate("leaf", STRANGER.public, "identity", STRANGER)
    chain = CertificateChain((forged, ROOT))
    assert chain.identity == ROOT
    with pytest.raises(CertificateInvalid):
        validate(chain, at=NOW)


@pytest.mark.parametrize("more", [(), (ROOT,)])
def test_a_genuine_identity_put_between_a_leaf_and_its_own_root(more: tuple[bytes, ...]) -> None:
    """The leaf leads to the root and the identity is the right one, but it signed nothing."""
    root = certificate("stranger", STRANGER.public, "stranger", STRANGER, AUTHORITY)
    leaf = certificate("leaf", LEAF.public, "stranger", STRANGER)
    chain = CertificateChain((leaf, ROOT, *more, root))
    assert chain.identity == ROOT
    with pytest.raises(CertificateInvalid):
        validate(chain, at=NOW)


def test_a_leaf_that_signs_another_leaf() -> None:
    below = certificate("below", STRANGER.public, "leaf", LEAF)
    with pytest.raises(CertificateInvalid):
        validate(CertificateChain((below, GENUINE, ROOT)), at=NOW)


def test_an_issuer_of_another_name() -> None:
    leaf = certificate("leaf", LEAF.public, "somebody else", IDENTITY)
    with pytest.raises(CertificateInvalid):
        validate(CertificateChain((leaf, ROOT)), at=NOW)


def _usage(*, may_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=may_sign,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


UNKNOWN = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")


@pytest.mark.parametrize(
    ("extensions", "valid"),
    [
        ([AUTHORITY], True),
        ([AUTHORITY, (_usage(may_sign=True), True)], True),
        ([AUTHORITY, (_usage(may_sign=False), False)], False),
        ([(x509.BasicConstraints(ca=True, path_length=0), True)], True),
        ([(x509.BasicConstraints(ca=False, path_length=None), True)], False),
        ([], False),
        ([AUTHORITY, (UNKNOWN, False)], True),
        ([AUTHORITY, (UNKNOWN, True)], False),
    ],
)
def test_who_may_sign_in_between(
    extensions: list[tuple[x509.ExtensionType, bool]], valid: bool
) -> None:
    middle = certificate("identity", IDENTITY.public, "operator", OPERATOR, *extensions)
    root = certificate("operator", OPERATOR.public, "operator", OPERATOR, AUTHORITY)
    chain = CertificateChain((GENUINE, middle, root))
    if valid:
        validate(chain, at=NOW)
    else:
        with pytest.raises(CertificateInvalid):
            validate(chain, at=NOW)


def test_a_root_is_trusted_without_saying_that_it_is_one() -> None:
    """As RFC 5280 has it for trust anchors: the pinned fingerprint says it already."""
    root = certificate("identity", IDENTITY.public, "identity", IDENTITY)
    validate(CertificateChain((GENUINE, root)), at=NOW)


def test_an_authority_with_too_many_under_it() -> None:
    narrow = (x509.BasicConstraints(ca=True, path_length=0), True)
    identity = certificate("identity", IDENTITY.public, "operator", OPERATOR, AUTHORITY)
    operator = certificate("operator", OPERATOR.public, "network", NETWORK, narrow)
    network = certificate("network", NETWORK.public, "network", NETWORK, AUTHORITY)
    with pytest.raises(CertificateInvalid):
        validate(CertificateChain((GENUINE, identity, operator, network)), at=NOW)


@pytest.mark.parametrize(
    ("at", "valid"),
    [
        (NOW - DAY, True),
        (NOW + DAY, True),
        (NOW - DAY - timedelta(seconds=1), False),
        (NOW + DAY + timedelta(seconds=1), False),
    ],
)
@pytest.mark.parametrize("which", [0, 1])
def test_dates_of_every_certificate(at: datetime, valid: bool, which: int) -> None:
    long = (NOW - 1000 * DAY, NOW + 1000 * DAY)
    short = (NOW - DAY, NOW + DAY)
    (start, end), (ca_start, ca_end) = (short, long) if which == 0 else (long, short)
    root = certificate(
        "identity", IDENTITY.public, "identity", IDENTITY, AUTHORITY, start=ca_start, end=ca_end
    )
    leaf = certificate("leaf", LEAF.public, "identity", IDENTITY, start=start, end=end)
    chain = CertificateChain((leaf, root))
    if valid:
        validate(chain, at=at)
    else:
        with pytest.raises(CertificateExpired):
            validate(chain, at=at)


def test_a_time_without_a_zone_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="time zone"):
        validate(CertificateChain((GENUINE, ROOT)), at=NOW.replace(tzinfo=None))


# --- what is a chain ----------------------------------------------------------------------------


@pytest.mark.parametrize("count", [5, 6, 255])
def test_chains_that_are_too_long(count: int) -> None:
    with pytest.raises(ChainTooLong):
        CertificateChain((GENUINE, *(ROOT,) * (count - 1)))


def test_no_chain_without_certificates() -> None:
    with pytest.raises(DecodeError):
        CertificateChain(())


def _of_another_algorithm() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return (
        x509.CertificateBuilder()
        .subject_name(named("web"))
        .issuer_name(named("web"))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def test_other_algorithms_are_of_no_use() -> None:
    chain = CertificateChain((_of_another_algorithm(),))
    with pytest.raises(DecodeError):
        chain.leaf_key()
    with pytest.raises(CertificateInvalid):
        validate(chain, at=NOW)


def test_a_leaf_that_is_not_of_version_3() -> None:
    body, rest = take(only(GENUINE, Tag.SEQUENCE), Tag.SEQUENCE)
    _, without_version = take(body, Tag.VERSION)
    older = element(Tag.SEQUENCE, element(Tag.SEQUENCE, without_version) + rest)
    with pytest.raises(CertificateInvalid, match="version 3"):
        validate(CertificateChain((older, ROOT)), at=NOW)


@pytest.mark.parametrize("serial", [0x00, 0x80, 0xFF])
def test_serial_numbers_that_are_not_positive(serial: int) -> None:
    of_one = bytes.fromhex("020101")
    assert GENUINE.count(of_one) == 1
    with pytest.raises(DecodeError, match="serial"):
        CertificateChain((GENUINE.replace(of_one, bytes([0x02, 0x01, serial])),))


def test_absurd_sizes() -> None:
    huge = b"\x30\x84" + (1 << 24).to_bytes(4, "big") + bytes(1 << 24)
    for der in (huge, GENUINE + bytes(MAX_CERTIFICATE_SIZE)):
        with pytest.raises(DecodeError):
            CertificateChain((der,))


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_arbitrary_bytes_are_no_chain(certificates: list[bytes]) -> None:
    with pytest.raises(DecodeError):
        CertificateChain(tuple(certificates))


@given(st.integers(0, len(GENUINE) - 1))
def test_cut_certificates(size: int) -> None:
    with pytest.raises(DecodeError):
        CertificateChain((GENUINE[:size], ROOT))


@given(positions, differences)
def test_no_bit_of_a_signed_certificate_can_be_changed(position: int, difference: int) -> None:
    with pytest.raises((DecodeError, CertificateError)):
        validate(CertificateChain((changed(GENUINE, position, difference), ROOT)), at=NOW)


@given(positions, differences)
def test_a_changed_root_is_another_identity_or_refused(position: int, difference: int) -> None:
    try:
        chain = CertificateChain((GENUINE, changed(ROOT, position, difference)))
        chain.leaf_key()
        validate(chain, at=NOW)
    except (DecodeError, CertificateError):
        return
    assert chain.identity_fingerprint != fingerprint(ROOT)


def test_chains_compare_and_hide() -> None:
    one, same = (CertificateChain((GENUINE, ROOT)) for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    assert one != CertificateChain((ROOT,))
    assert repr(one) == "CertificateChain(certificates=<2 items>)"
