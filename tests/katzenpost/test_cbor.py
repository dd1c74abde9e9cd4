"""CBOR from outside is read in bounded time and memory, or not at all."""

from __future__ import annotations

import builtins
import contextlib
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.errors import DecodeError, EncodeError
from simplex_trio.katzenpost.errors import CborSupportMissing
from simplex_trio.katzenpost.wire import cbor
from simplex_trio.katzenpost.wire.cbor import MAX_DEPTH, MAX_ITEMS, decode, encode

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=300)
    | st.text(max_size=30)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


@given(values)
def test_plain_values_come_back(value: Any) -> None:
    assert decode(encode(value)) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_an_error(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        decode(data)


@given(values, st.data())
def test_damaged_values_are_a_value_or_an_error(value: Any, data: st.DataObject) -> None:
    damaged = bytearray(encode(value))
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DecodeError):
        decode(bytes(damaged))


@given(values, st.data())
def test_no_part_of_a_value_is_one(value: Any, data: st.DataObject) -> None:
    whole = encode(value)
    with pytest.raises(DecodeError):
        decode(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(DecodeError):
        decode(whole + b"\x00")


def nested(depth: int, opening: bytes = b"\x81") -> bytes:
    return opening * depth + b"\x00"


def test_nesting_is_bounded() -> None:
    assert isinstance(decode(nested(MAX_DEPTH)), list)
    for opening in (b"\x81", b"\xa1\x00"):
        for depth in (MAX_DEPTH + 1, 1_000_000):
            with pytest.raises(DecodeError, match="deep"):
                decode(nested(depth, opening))


def test_nesting_counts_only_what_is_open() -> None:
    many_siblings = encode([[[]] for _ in range(1000)])
    assert len(decode(many_siblings)) == 1000
    deep_at_last = b"\x83\x80\x80" + nested(MAX_DEPTH)
    with pytest.raises(DecodeError, match="deep"):
        decode(deep_at_last)


def test_the_number_of_items_is_bounded() -> None:
    assert len(decode(b"\x9a" + (MAX_ITEMS - 1).to_bytes(4, "big") + bytes(MAX_ITEMS - 1))) > 0
    with pytest.raises(DecodeError, match="many"):
        decode(b"\x9a" + MAX_ITEMS.to_bytes(4, "big") + bytes(MAX_ITEMS))
    with pytest.raises(DecodeError, match="many"):
        decode(b"\xba" + MAX_ITEMS.to_bytes(4, "big") + bytes(2 * MAX_ITEMS))


@pytest.mark.parametrize(
    "data",
    [
        b"\x9b" + b"\xff" * 8,  # a list of 2⁶⁴ - 1 items
        b"\xbb" + b"\xff" * 8,
        b"\x5b" + b"\xff" * 8,  # as many bytes
        b"\x7b" + b"\xff" * 8,
        b"\x1b\x00",  # a number whose bytes are missing
        b"\x61\xff",  # text that is not UTF-8
        b"",
    ],
)
def test_announcing_more_than_there_is(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(data)


@pytest.mark.parametrize(
    "data",
    [
        cbor2.dumps(cbor2.CBORTag(1, 0)),  # a time
        b"\xc4\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x01",  # ten to the power of very much
        b"\xd8\x1c\x81\xd8\x1d\x00",  # a list that contains itself
        b"\xd8\x23\x62(.",  # a regular expression
        b"\x81\xd9\xd9\xf7\x00",
    ],
)
def test_nothing_is_interpreted(data: bytes) -> None:
    with pytest.raises(DecodeError, match="tag"):
        decode(data)


@pytest.mark.parametrize("data", [b"\x9f\xff", b"\xbf\xff", b"\x5f\xff", b"\x7f\xff", b"\xff"])
def test_lengths_must_be_definite(data: bytes) -> None:
    with pytest.raises(DecodeError, match="indefinite"):
        decode(data)


def test_what_cbor_does_not_have_is_not_encoded() -> None:
    with pytest.raises(EncodeError):
        encode(object())


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def importing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "cbor2":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    cbor._codec.cache_clear()
    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(CborSupportMissing, match=r"simplex-trio\[katzenpost\]"):
        cbor.require_cbor()
