from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.der import Tag, element
from simplex_trio.crypto.keys import (
    Ed448PrivateKey,
    Ed25519PrivateKey,
    SigningKey,
    X25519PublicKey,
)
from simplex_trio.crypto.signed_key import SignedKey
from simplex_trio.errors import DecodeError, SignatureInvalid
from tests.crypto.support import changed, differences, positions, public, signing
from tests.vectors import Case, cases

SESSION_KEY = X25519PublicKey(bytes(range(32)))
ED25519_KEY = Ed25519PrivateKey(bytes(range(32)))
ED448_KEY = Ed448PrivateKey(bytes(range(57)))

ED25519_ALGORITHM = bytes.fromhex("300506032b6570")


@pytest.mark.parametrize("case", cases("crypto.json", "signed_session_key"))
def test_recorded_session_keys(case: Case) -> None:
    session_key = public(case["session_key"])
    made = SignedKey.sign(signing(case["signing_key"]), session_key)
    assert made.der.hex() == case["der"]
    assert case["smp_encoded"] == len(made.der).to_bytes(2, "big").hex() + case["der"]

    for attempt in case["verify"]:
        key = signing(case[attempt["with"]]).public
        der = bytes.fromhex(attempt["der"])
        match attempt["result"]:
            case "ok":
                assert SignedKey.from_der(der).verify(key) == session_key
            case "bad signature":
                with pytest.raises(SignatureInvalid):
                    SignedKey.from_der(der).verify(key)
            case _:
                with pytest.raises(DecodeError):
                    SignedKey.from_der(der)


@pytest.mark.parametrize(
    "case",
    [
        *cases("smp_commands.json", "message"),
        *cases("smp_v19_v20.json", "message"),
    ],
)
def test_session_keys_of_relays(case: Case) -> None:
    if "signed_key" in case["fields"]:
        der = bytes.fromhex(case["fields"]["signed_key"])
        assert SignedKey.from_der(der).der == der


@pytest.mark.parametrize("key", [ED25519_KEY, ED448_KEY])
@given(position=positions, difference=differences)
def test_no_bit_can_be_changed(key: SigningKey, position: int, difference: int) -> None:
    signed = SignedKey.sign(key, SESSION_KEY)
    assert signed.verify(key.public) == SESSION_KEY
    with pytest.raises((DecodeError, SignatureInvalid)):
        SignedKey.from_der(changed(signed.der, position, difference)).verify(key.public)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        SignedKey.from_der(data)


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_arbitrary_structures_are_refused(parts: list[bytes]) -> None:
    tags = [Tag.SEQUENCE, Tag.SEQUENCE, Tag.BIT_STRING, Tag.INTEGER]
    inner = b"".join(element(tag, part) for tag, part in zip(tags, parts, strict=False))
    with pytest.raises(DecodeError):
        SignedKey.from_der(element(Tag.SEQUENCE, inner))


def test_a_signature_of_the_bare_key_does_not_count() -> None:
    signature = element(Tag.BIT_STRING, b"\0" + ED25519_KEY.sign(SESSION_KEY.der))
    wrapped = element(Tag.SEQUENCE, SESSION_KEY.der)
    signed = SignedKey.from_der(element(Tag.SEQUENCE, wrapped + ED25519_ALGORITHM + signature))
    with pytest.raises(SignatureInvalid):
        signed.verify(ED25519_KEY.public)


def test_the_algorithm_must_be_that_of_the_key() -> None:
    der = SignedKey.sign(ED25519_KEY, SESSION_KEY).der
    renamed = der.replace(ED25519_ALGORITHM, bytes.fromhex("300506032b6571"))
    assert renamed != der
    for key in (ED25519_KEY, ED448_KEY):
        with pytest.raises(SignatureInvalid):
            SignedKey.from_der(renamed).verify(key.public)


def test_nothing_may_follow_inside() -> None:
    twice = element(Tag.SEQUENCE, SESSION_KEY.der * 2)
    signature = element(Tag.BIT_STRING, b"\0" + ED25519_KEY.sign(twice))
    with pytest.raises(DecodeError):
        SignedKey.from_der(element(Tag.SEQUENCE, twice + ED25519_ALGORITHM + signature))


def test_it_hides_and_compares() -> None:
    one, same = (SignedKey.sign(ED25519_KEY, SESSION_KEY) for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    assert repr(one) == f"SignedKey(der=<{len(one.der)} bytes>)"
