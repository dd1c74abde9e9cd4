from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.box import (
    NONCE_SIZE,
    TAG_SIZE,
    BoxKey,
    nonce_from,
    reverse_nonce,
)
from simplex_trio.crypto.keys import X25519PrivateKey, X25519PublicKey
from simplex_trio.errors import CryptoError, DecodeError, DecryptionFailed, TooLarge
from tests.crypto.support import (
    changed,
    differences,
    positions,
    x25519_private,
    x25519_public,
)
from tests.vectors import Case, cases, matches

ERRORS = {
    "CBDecryptError": DecryptionFailed,
    "CryptoLargeMsgError": TooLarge,
    "CryptoInvalidMsgError": DecodeError,
}

KEY = BoxKey.from_secret(bytes(range(32)))
nonces = st.binary(min_size=NONCE_SIZE, max_size=NONCE_SIZE)


def _keys(case: Case) -> list[BoxKey]:
    """Every way to the key of a case."""
    if "key" in case:
        return [BoxKey.from_secret(bytes.fromhex(case["key"]))]
    keys = [BoxKey.from_secret(bytes.fromhex(case["shared_dh"]))]
    if "alice" in case:
        alice, bob = case["alice"], case["bob"]
        keys.append(BoxKey.agree(x25519_private(alice), x25519_public(bob)))
        keys.append(BoxKey.agree(x25519_private(bob), x25519_public(alice)))
    return keys


@pytest.mark.parametrize("case", cases("crypto.json", "cb_padded", "sb_padded"))
def test_padded_boxes(case: Case) -> None:
    nonce, message = bytes.fromhex(case["nonce"]), bytes.fromhex(case["message"])
    for key in _keys(case):
        sealed = key.seal_padded(nonce, message, case["padded_length"])
        assert matches(sealed, case["ciphertext"])
        assert len(sealed) == case["padded_length"] + TAG_SIZE
        assert matches(key.open_padded(nonce, sealed), case["decrypts_to"])
        for tampered in case.get("tampered", []):
            with pytest.raises(ERRORS[tampered["error"]]):
                key.open_padded(
                    bytes.fromhex(tampered.get("nonce", case["nonce"])),
                    bytes.fromhex(tampered["ciphertext"]),
                )


@pytest.mark.parametrize("case", cases("crypto.json", "cb_nopad", "sb_nopad"))
def test_boxes_without_padding(case: Case) -> None:
    nonce, message = bytes.fromhex(case["nonce"]), bytes.fromhex(case["message"])
    for key in _keys(case):
        sealed = key.seal(nonce, message)
        assert matches(sealed, case["ciphertext"])
        assert key.open(nonce, sealed) == message


@pytest.mark.parametrize("case", cases("crypto.json", "cb_padded_too_long"))
def test_messages_that_do_not_fit(case: Case) -> None:
    (key,) = _keys(case)
    with pytest.raises(ERRORS[case["error"]]):
        key.seal_padded(
            bytes.fromhex(case["nonce"]), bytes.fromhex(case["message"]), case["padded_length"]
        )


@pytest.mark.parametrize("case", cases("crypto.json", "cb_bad_padding_inside"))
def test_authentic_boxes_with_wrong_padding(case: Case) -> None:
    (key,) = _keys(case)
    with pytest.raises(ERRORS[case["error"]]):
        key.open_padded(bytes.fromhex(case["nonce"]), bytes.fromhex(case["ciphertext"]))


@pytest.mark.parametrize("case", cases("crypto.json", "cb_nonce"))
def test_nonces(case: Case) -> None:
    nonce = nonce_from(bytes.fromhex(case["input"]))
    assert nonce.hex() == case["nonce"]
    assert reverse_nonce(nonce).hex() == case["reversed"]


@pytest.mark.parametrize("case", cases("smp_commands.json", "rcv_msg_body"))
def test_delivered_bodies(case: Case) -> None:
    nonce = bytes.fromhex(case["msg_id_is_nonce"])
    router = BoxKey.agree(x25519_private(case["server_dh"]), x25519_public(case["recipient_dh"]))
    recipient = BoxKey.from_secret(bytes.fromhex(case["shared_dh"]))
    assert router == recipient
    if isinstance(case["encoded"], str):
        encoded = bytes.fromhex(case["encoded"])
        sealed = router.seal_padded(nonce, encoded, case["padded_length"])
        assert matches(sealed, case["ciphertext"])
        assert recipient.open_padded(nonce, sealed) == encoded


@pytest.mark.parametrize("case", cases("smp_commands.json", "nmsg_meta"))
def test_notification_metadata(case: Case) -> None:
    key = BoxKey.agree(
        x25519_private(case["recipient_ntf_dh"]), x25519_public(case["server_ntf_dh"])
    )
    nonce, encoded = bytes.fromhex(case["nonce"]), bytes.fromhex(case["encoded"])
    sealed = key.seal_padded(nonce, encoded, case["padded_length"])
    assert matches(sealed, case["enc_meta"])
    assert key.open_padded(nonce, sealed) == encoded


@pytest.mark.parametrize("case", cases("smp_commands.json", "e2e_message"))
def test_messages_end_to_end(case: Case) -> None:
    key = BoxKey.agree(x25519_private(case["sender_dh"]), x25519_public(case["recipient_dh"]))
    nonce, message = bytes.fromhex(case["nonce"]), bytes.fromhex(case["client_message"])
    sealed = key.seal_padded(nonce, message, case["padded_length"])
    assert matches(sealed, case["ciphertext"])


@given(nonces, st.binary(max_size=200))
def test_what_was_sealed_opens(nonce: bytes, message: bytes) -> None:
    assert KEY.open(nonce, KEY.seal(nonce, message)) == message


@given(nonces, st.binary(max_size=60), positions, differences)
def test_no_bit_can_be_changed(
    nonce: bytes, message: bytes, position: int, difference: int
) -> None:
    sealed = KEY.seal(nonce, message)
    with pytest.raises(DecryptionFailed):
        KEY.open(nonce, changed(sealed, position, difference))
    with pytest.raises(DecryptionFailed):
        KEY.open(changed(nonce, position, difference), sealed)
    with pytest.raises(DecryptionFailed):
        BoxKey(changed(KEY.subkey, position, difference)).open(nonce, sealed)


@given(st.binary(max_size=100))
def test_arbitrary_bytes_do_not_open(data: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        KEY.open_padded(bytes(NONCE_SIZE), data)


@given(st.binary(max_size=40))
def test_a_nonce_keeps_the_start_of_an_identifier(identifier: bytes) -> None:
    nonce = nonce_from(identifier)
    assert len(nonce) == NONCE_SIZE
    assert nonce.startswith(identifier[:NONCE_SIZE])
    assert reverse_nonce(reverse_nonce(nonce)) == nonce


@pytest.mark.parametrize("size", [0, 8, 23, 25])
def test_nonces_of_other_sizes_are_a_mistake_of_the_caller(size: int) -> None:
    with pytest.raises(ValueError, match=r"[Nn]once"):
        KEY.seal(bytes(size), b"")
    with pytest.raises(ValueError, match="nonce"):
        KEY.open(bytes(size), bytes(TAG_SIZE))


@pytest.mark.parametrize("size", [0, 31, 33, 56])
def test_secrets_of_other_sizes_are_a_mistake_of_the_caller(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        BoxKey.from_secret(bytes(size))
    with pytest.raises(ValueError, match="32 bytes"):
        BoxKey(bytes(size))


@pytest.mark.parametrize(
    "point",
    [
        bytes(32),
        b"\x01" + bytes(31),
        bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ],
)
def test_no_agreement_with_a_point_of_small_order(point: bytes) -> None:
    private = X25519PrivateKey(bytes(range(32)))
    with pytest.raises(CryptoError):
        BoxKey.agree(private, X25519PublicKey(point))
    with pytest.raises(CryptoError):
        private.exchange(X25519PublicKey(point))


def test_keys_compare_and_hide() -> None:
    same = BoxKey.from_secret(bytes(range(32)))
    assert same == KEY
    assert hash(same) == hash(KEY)
    assert BoxKey.from_secret(bytes(32)) != KEY
    assert KEY.subkey != KEY
    assert repr(KEY) == "BoxKey(subkey=<32 bytes>)"
