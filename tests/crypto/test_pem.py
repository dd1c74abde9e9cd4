from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.pem import from_pem, to_pem
from simplex_trio.errors import DecodeError


@given(st.lists(st.binary(max_size=200), max_size=4), st.binary(max_size=30))
def test_what_was_written_is_read(blocks: list[bytes], between: bytes) -> None:
    text = between.join(to_pem("THING", block) for block in blocks)
    assert from_pem("THING", text) == tuple(blocks)
    assert from_pem("OTHER", text) == ()


def test_the_form() -> None:
    text = to_pem("THING", bytes(60)).decode()
    assert text == (
        "-----BEGIN THING-----\n" + "A" * 64 + "\n" + "A" * 16 + "\n-----END THING-----\n"
    )
    assert from_pem("THING", text.replace("\n", "\r\n").encode()) == (bytes(60),)


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN THING-----\nAAAA\n",
        "-----BEGIN THING-----\nAAA\n-----END THING-----\n",
        "-----BEGIN THING-----\nA*AA\n-----END THING-----\n",
        "-----BEGIN THING-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END THING-----\n",
    ],
)
def test_broken_blocks(text: str) -> None:
    with pytest.raises(DecodeError):
        from_pem("THING", text.encode())


@given(st.binary(max_size=100))
def test_arbitrary_contents_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        from_pem("THING", b"-----BEGIN THING-----" + data + b"-----END THING-----")
