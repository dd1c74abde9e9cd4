from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.keys import (
    AuthPublicKey,
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
    auth_public_key,
    private_key,
    public_key,
)
from simplex_trio.errors import CryptoError, DecodeError, SignatureInvalid
from tests.crypto.support import (
    PRIVATE,
    PUBLIC,
    changed,
    differences,
    positions,
    private,
    public,
    signing,
)
from tests.vectors import Case, cases

every_private = pytest.mark.parametrize("kind", PRIVATE.values(), ids=list(PRIVATE))
every_public = pytest.mark.parametrize("kind", PUBLIC.values(), ids=list(PUBLIC))
signing_keys = pytest.mark.parametrize(
    "key", [Ed25519PrivateKey(bytes(range(32))), Ed448PrivateKey(bytes(range(57)))]
)


@pytest.mark.parametrize("case", cases("crypto.json", "key_der"))
def test_der(case: Case) -> None:
    key = case["key"]
    secret, open_ = private(key), public(key)
    assert secret.der.hex() == key["private_der"]
    assert open_.der.hex() == key["public_der"]
    assert private_key(secret.der) == secret
    assert public_key(open_.der) == open_
    assert type(secret).from_der(secret.der) == secret
    assert type(open_).from_der(open_.der) == open_
    assert cast("SigningKey", secret).public == open_


def _readers(expected: str) -> list[object]:
    if expected == "any":
        return [public_key]
    kinds = {PUBLIC[alg] for alg in expected.split("|")}
    if kinds == {Ed25519PublicKey, Ed448PublicKey, X25519PublicKey}:
        return [auth_public_key]
    return [kind.from_der for kind in kinds]


@pytest.mark.parametrize("case", cases("crypto.json", "key_der_bad"))
def test_bad_der(case: Case) -> None:
    for read in _readers(case["expected_key_type"]):
        assert callable(read)
        with pytest.raises(DecodeError):
            read(bytes.fromhex(case["der"]))


@pytest.mark.parametrize("case", cases("crypto.json", "sign"))
def test_signatures(case: Case) -> None:
    key = signing(case["key"])
    message, signature = bytes.fromhex(case["message"]), bytes.fromhex(case["signature"])
    assert key.sign(message) == signature
    key.public.verify(signature, message)
    with pytest.raises(SignatureInvalid):
        key.public.verify(signature, message + b"\0")


@pytest.mark.parametrize("case", cases("crypto.json", "dh"))
def test_agreement(case: Case) -> None:
    a, b = private(case["a"]), private(case["b"])
    if isinstance(a, X25519PrivateKey):
        assert isinstance(b, X25519PrivateKey)
        secrets = {a.exchange(b.public), b.exchange(a.public)}
    else:
        assert isinstance(a, X448PrivateKey)
        assert isinstance(b, X448PrivateKey)
        secrets = {a.exchange(b.public), b.exchange(a.public)}
    assert secrets == {bytes.fromhex(case["secret"])}


@signing_keys
@given(message=st.binary(max_size=100), position=positions, difference=differences)
def test_no_bit_of_a_signature_can_be_changed(
    key: SigningKey, message: bytes, position: int, difference: int
) -> None:
    signature = key.sign(message)
    key.public.verify(signature, message)
    with pytest.raises(SignatureInvalid):
        key.public.verify(changed(signature, position, difference), message)


@signing_keys
@given(signature=st.binary(max_size=130))
def test_arbitrary_bytes_are_no_signature(key: SigningKey, signature: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        key.public.verify(signature, b"message")


@pytest.mark.parametrize("kind", [Ed25519PublicKey, Ed448PublicKey])
@given(data=st.data())
def test_arbitrary_keys_verify_nothing(kind: type[VerifyKey], data: st.DataObject) -> None:
    key = kind(data.draw(st.binary(min_size=kind.SIZE, max_size=kind.SIZE)))
    signature = data.draw(st.binary(min_size=2 * kind.SIZE, max_size=2 * kind.SIZE))
    with pytest.raises(SignatureInvalid):
        key.verify(signature, b"message")


@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_no_key(data: bytes) -> None:
    for read in (public_key, auth_public_key, private_key):
        with pytest.raises(DecodeError):
            read(data)


@every_public
@given(data=st.data())
def test_public_keys_come_back_and_bits_of_their_form_count(
    kind: type[PublicKey], data: st.DataObject
) -> None:
    key = kind(data.draw(st.binary(min_size=kind.SIZE, max_size=kind.SIZE)))
    assert public_key(key.der) == key
    if isinstance(key, AuthPublicKey):
        assert auth_public_key(key.der) == key
    position = data.draw(st.integers(0, len(kind.DER_PREFIX) - 1))
    broken = changed(key.der, position, data.draw(differences))
    try:
        other = public_key(broken)
    except DecodeError:
        return
    assert other.raw == key.raw  # the one byte that tells curves of the same size apart
    assert type(other) is not kind


@every_private
@given(data=st.data())
def test_private_keys_come_back(kind: type[PrivateKey], data: st.DataObject) -> None:
    key = kind(data.draw(st.binary(min_size=kind.SIZE, max_size=kind.SIZE)))
    assert private_key(key.der) == key
    with pytest.raises(DecodeError):
        private_key(key.der + b"\0")
    with pytest.raises(DecodeError):
        private_key(key.der[:-1])


@every_private
def test_generated_keys_differ_and_hide(kind: type[PrivateKey]) -> None:
    one, other = kind.generate(), kind.generate()
    assert one != other
    assert one == kind(one.raw)
    assert hash(one) == hash(kind(one.raw))
    assert repr(one) == f"{kind.__name__}(raw=<{kind.SIZE} bytes>)"


def test_keys_of_different_curves_are_never_equal() -> None:
    raw = bytes(range(32))
    signs: PrivateKey = Ed25519PrivateKey(raw)
    agrees: PrivateKey = X25519PrivateKey(raw)
    assert signs != agrees
    verifies: PublicKey = Ed25519PublicKey(raw)
    agreed: PublicKey = X25519PublicKey(raw)
    assert verifies != agreed


@every_private
def test_private_keys_of_other_sizes_are_a_mistake_of_the_caller(kind: type[PrivateKey]) -> None:
    with pytest.raises(ValueError, match=f"{kind.SIZE} bytes"):
        kind(bytes(kind.SIZE + 1))


@every_public
def test_public_keys_of_other_sizes_are_a_mistake_of_the_caller(kind: type[PublicKey]) -> None:
    with pytest.raises(ValueError, match=f"{kind.SIZE} bytes"):
        kind(bytes(kind.SIZE - 1))


@pytest.mark.parametrize("sign", [0x00, 0x80])
@pytest.mark.parametrize("y", [0, 1, 2**448 - 2**224 - 2])
def test_degenerate_ed448_keys_verify_nothing(y: int, sign: int) -> None:
    point = y.to_bytes(56, "little") + bytes([sign])
    key = Ed448PublicKey(point)
    for nonce_point in (bytes(57), b"\x01" + bytes(56), point):
        for number in range(8):
            with pytest.raises(SignatureInvalid):
                key.verify(nonce_point + bytes(57), bytes([number]))


@pytest.mark.parametrize("y", [0, 1, 2**255 - 20])
def test_degenerate_ed25519_keys_verify_nothing(y: int) -> None:
    point = y.to_bytes(32, "little")
    key = Ed25519PublicKey(point)
    for nonce_point in (bytes(32), b"\x01" + bytes(31), point):
        for number in range(8):
            with pytest.raises(SignatureInvalid):
                key.verify(nonce_point + bytes(32), bytes([number]))


def test_no_agreement_with_a_degenerate_x448_key() -> None:
    with pytest.raises(CryptoError):
        X448PrivateKey(bytes(range(56))).exchange(X448PublicKey(bytes(56)))
