from __future__ import annotations

from hashlib import sha512

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.authenticator import (
    AUTHENTICATOR_SIZE,
    authenticate,
    verify_authenticator,
)
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import X25519PublicKey
from tests.crypto.support import (
    changed,
    differences,
    positions,
    x25519_private,
    x25519_public,
)
from tests.vectors import Case, cases

KEY = BoxKey.from_secret(bytes(range(32)))
NONCE = bytes(range(24))


@pytest.mark.parametrize("case", cases("crypto.json", "cb_authenticate"))
def test_recorded_authenticators(case: Case) -> None:
    client = BoxKey.agree(x25519_private(case["client"]), x25519_public(case["server"]))
    nonce, message = bytes.fromhex(case["nonce"]), bytes.fromhex(case["message"])
    made = authenticate(client, nonce, message)
    assert made.hex() == case["authenticator"]
    assert sha512(message).hexdigest() == case["sha512"]

    for attempt in case["verify"]:
        peer = attempt.get("client_public_raw", case["client"]["public_raw"])
        router = BoxKey.agree(x25519_private(case["server"]), X25519PublicKey(bytes.fromhex(peer)))
        verdict = verify_authenticator(
            router,
            bytes.fromhex(attempt.get("nonce", case["nonce"])),
            bytes.fromhex(attempt.get("message", case["message"])),
            bytes.fromhex(attempt.get("authenticator", case["authenticator"])),
        )
        assert verdict is attempt["ok"], attempt["what"]


@given(st.binary(max_size=200), positions, differences)
def test_no_bit_can_be_changed(message: bytes, position: int, difference: int) -> None:
    made = authenticate(KEY, NONCE, message)
    assert len(made) == AUTHENTICATOR_SIZE == 80
    assert verify_authenticator(KEY, NONCE, message, made)
    assert not verify_authenticator(KEY, NONCE, message, changed(made, position, difference))
    assert not verify_authenticator(KEY, changed(NONCE, position, difference), message, made)
    assert not verify_authenticator(KEY, NONCE, message + b"\0", made)


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_no_authenticator(data: bytes) -> None:
    assert not verify_authenticator(KEY, NONCE, b"message", data)
