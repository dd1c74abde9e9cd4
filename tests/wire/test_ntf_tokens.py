"""Device tokens and statuses against recorded ones, and against anything at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.errors import DecodeError
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.ntf.statuses import (
    InvalidReason,
    SubscriptionState,
    SubscriptionStatus,
    TokenState,
    TokenStatus,
)
from simplex_trio.wire.ntf.tokens import DeviceToken, PushProvider
from tests.vectors import Case, cases
from tests.wire.ntf_values import device_tokens, subscription_statuses, token_of, token_statuses


@pytest.mark.parametrize("case", cases("ntf_commands.json", "device_token"))
def test_device_token(case: Case) -> None:
    token = token_of(case)
    assert str(token) == case["text"]
    assert token.encode().hex() == case["smp_encoded"]
    reader = Reader(bytes.fromhex(case["smp_encoded"]))
    assert DeviceToken.decode(reader) == token
    reader.end()
    if case["text_parses"] is None:
        with pytest.raises(DecodeError):
            DeviceToken.parse(case["text"])
    else:
        assert DeviceToken.parse(case["text"]) == token_of(case["text_parses"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "apns_dev",
        "apns_dev 012",
        "apns_dev AB",
        "apns_dev 0g",
        "apns_dev  ab",
        "apns_dev ab ",
        "APNS_DEV ab",
        "gcm ab",
        "apns_dev test_ntf_token",
        "apns_null test_ntf_token2",
        "apns_dev " + "ab" * 128,
    ],
)
def test_texts_that_are_no_device_token(text: str) -> None:
    with pytest.raises(DecodeError):
        DeviceToken.parse(text)


def test_longest_device_token() -> None:
    text = "apns_prod " + "ab" * 127
    assert str(DeviceToken.parse(text)) == text
    with pytest.raises(ValueError, match="token"):
        DeviceToken(PushProvider.APNS_PROD, bytes(256))


def test_no_token_shows_in_repr() -> None:
    assert "secret" not in repr(DeviceToken(PushProvider.APNS_PROD, b"secret"))
    assert "secret" not in repr(SubscriptionStatus(SubscriptionState.ERR, b"secret"))


def test_reasons_are_for_failures_only() -> None:
    with pytest.raises(ValueError, match="INVALID"):
        TokenStatus(TokenState.ACTIVE, InvalidReason.BAD)
    with pytest.raises(ValueError, match="ERR"):
        SubscriptionStatus(SubscriptionState.ACTIVE, b"text")


@pytest.mark.parametrize(
    "data", [b"", b"ACTIVE ", b"ACTIVE,", b"ACTIVE,BAD", b"INVALID,", b"INVALID,BAD,", b"invalid"]
)
def test_bytes_that_are_no_token_status(data: bytes) -> None:
    with pytest.raises(DecodeError):
        TokenStatus.decode(Reader(data))


@pytest.mark.parametrize("data", [b"", b"ERR", b"ACTIVE ", b"ACTIVE text", b"active"])
def test_bytes_that_are_no_subscription_status(data: bytes) -> None:
    with pytest.raises(DecodeError):
        SubscriptionStatus.decode(Reader(data))


@given(device_tokens)
def test_device_token_is_what_its_bytes_say(token: DeviceToken) -> None:
    assert DeviceToken.decode(Reader(token.encode())) == token


@given(st.sampled_from(PushProvider), st.binary(max_size=40))
def test_device_token_is_what_its_text_says(provider: PushProvider, secret: bytes) -> None:
    token = DeviceToken(provider, secret.hex().encode())
    assert DeviceToken.parse(str(token)) == token


@given(token_statuses)
def test_token_status_is_what_its_bytes_say(status: TokenStatus) -> None:
    assert TokenStatus.decode(Reader(status.encode(3))) == status
    assert TokenStatus.decode(Reader(status.encode(2))) == TokenStatus(status.state)


@given(subscription_statuses)
def test_subscription_status_is_what_its_bytes_say(status: SubscriptionStatus) -> None:
    assert SubscriptionStatus.decode(Reader(status.encode())) == status


@given(st.text(max_size=40) | st.text(max_size=20).map("apns_dev ".__add__))
def test_any_text_is_a_device_token_or_a_decode_error(text: str) -> None:
    try:
        token = DeviceToken.parse(text)
    except DecodeError:
        return
    assert str(token) == text
