"""The box as a stream is the same box."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.box import BoxKey
from simplex_trio.errors import DecryptionFailed
from simplex_trio.xftp.box_stream import TAG_SIZE, BoxStream
from tests.xftp.support import cut

KEY = BoxKey(bytes(range(32)))
NONCE = bytes(range(24))

keys = st.binary(min_size=32, max_size=32)
nonces = st.binary(min_size=24, max_size=24)


@given(keys, nonces, st.binary(max_size=500), st.lists(st.integers(0, 500), max_size=5))
def test_the_same_as_in_one_go(raw: bytes, nonce: bytes, message: bytes, places: list[int]) -> None:
    key = BoxKey.from_secret(raw)
    sealing, opening = BoxStream(key, nonce), BoxStream(key, nonce)
    sealed = b"".join(sealing.seal(piece) for piece in cut(message, places))
    tag = sealing.tag()
    assert tag + sealed == key.seal(nonce, message)
    assert b"".join(opening.open(piece) for piece in cut(sealed, places[:-1])) == message
    opening.verify(tag)


def test_any_kind_of_bytes() -> None:
    stream = BoxStream(KEY, NONCE)
    sealed = stream.seal(bytearray(b"one")) + stream.seal(memoryview(b"two"))
    place = bytearray(b"three")
    stream.seal_in_place(memoryview(place)[:2])
    stream.seal_in_place(memoryview(place)[2:])
    assert stream.tag() + sealed + place == KEY.seal(NONCE, b"onetwothree")


@pytest.mark.parametrize("tag", [b"", bytes(TAG_SIZE), bytes(TAG_SIZE + 1)])
def test_a_wrong_tag(tag: bytes) -> None:
    stream = BoxStream(KEY, NONCE)
    stream.open(b"whatever")
    with pytest.raises(DecryptionFailed):
        stream.verify(tag)


def test_a_wrong_nonce() -> None:
    with pytest.raises(ValueError, match="24 bytes"):
        BoxStream(KEY, b"short")
