from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.der import Tag, element, only, take
from simplex_trio.errors import DecodeError


@given(st.sampled_from(Tag), st.binary(max_size=300), st.binary(max_size=5))
def test_what_was_written_is_read(tag: Tag, contents: bytes, rest: bytes) -> None:
    written = element(tag, contents)
    assert take(written + rest, tag) == (contents, rest)
    if not rest:
        assert only(written, tag) == contents


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65535, 65536])
def test_lengths_of_every_form(size: int) -> None:
    assert only(element(Tag.SEQUENCE, bytes(size)), Tag.SEQUENCE) == bytes(size)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "30",
        "020100",  # another tag
        "300100" + "00",  # more after it
        "3002" + "00",  # cut off
        "3080" + "0000",  # a length that is found out at the end
        "308101" + "00",  # the long form where the short one would do
        "30820001" + "00",
        "3082",
        "3084ffffffff",
        "30ff" + "ff" * 40,
    ],
)
def test_what_is_not_canonical_is_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        only(bytes.fromhex(data), Tag.SEQUENCE)


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_read_in_one_way_or_refused(data: bytes) -> None:
    try:
        contents, rest = take(data, Tag.SEQUENCE)
    except DecodeError:
        return
    assert element(Tag.SEQUENCE, contents) + rest == data
