from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.padding import can_pad, pad, unpad
from simplex_trio.errors import DecodeError, TooLarge
from tests.vectors import Case, cases, matches


def _message(case: Case) -> bytes:
    return bytes.fromhex(case["message_hex"] if "message_hex" in case else case["message"])


@pytest.mark.parametrize("case", cases("crypto.json", "pad"))
def test_pad(case: Case) -> None:
    message, length = _message(case), case["padded_length"]
    if case["ok"]:
        padded = pad(message, length)
        assert matches(padded, case["result"])
        assert unpad(padded) == message
    else:
        with pytest.raises(TooLarge):
            pad(message, length)
    assert can_pad(len(message), length) is case["ok"]


@pytest.mark.parametrize("case", cases("crypto.json", "unpad"))
def test_unpad(case: Case) -> None:
    padded = bytes.fromhex(case["padded"])
    if case["ok"]:
        assert unpad(padded).hex() == case["result"]
    else:
        with pytest.raises(DecodeError):
            unpad(padded)


@pytest.mark.parametrize("case", cases("crypto.json", "can_pad"))
def test_can_pad(case: Case) -> None:
    assert can_pad(case["message_length"], case["padded_length"]) is case["result"]


@given(st.binary(max_size=300), st.integers(0, 400))
def test_what_was_padded_comes_back(message: bytes, length: int) -> None:
    if not can_pad(len(message), length):
        with pytest.raises(TooLarge):
            pad(message, length)
        return
    padded = pad(message, length)
    assert len(padded) == length
    assert unpad(padded) == message


@given(st.binary(max_size=80))
def test_any_bytes_unpad_or_are_refused(data: bytes) -> None:
    try:
        message = unpad(data)
    except DecodeError:
        return
    assert data[2:].startswith(message)
