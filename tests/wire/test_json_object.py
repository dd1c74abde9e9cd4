"""JSON from outside: what is read, and how everything else fails."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.errors import DecodeError, EncodeError
from simplex_trio.wire.json_object import JSONObject, encode_json

METHODS: list[Callable[[JSONObject, str], Any]] = [
    JSONObject.boolean,
    JSONObject.integer,
    JSONObject.text,
    JSONObject.texts,
    JSONObject.nested,
    JSONObject.optional_integer,
    JSONObject.optional_text,
    JSONObject.optional_nested,
]

values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(exclude_categories=["Cs"])),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=6,
)


def only(text: str) -> JSONObject:
    return JSONObject.decode(f'{{"a":{text}}}'.encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"{",
        b"[]",
        b"null",
        b"1",
        b'"a"',
        b"{}{}",
        b"{} x",
        b"{'a':1}",
        b'{"a":}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":"\xff"}',
        b'{"a":"\x01"}',
        '{"a":1}'.encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' + b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_not_an_object(data: bytes) -> None:
    with pytest.raises(DecodeError):
        JSONObject.decode(data)


@pytest.mark.parametrize("text", ["1", "1.0", "1e0", " 1 "])
def test_integers(text: str) -> None:
    assert only(text).integer("a") == 1


@pytest.mark.parametrize("text", ["1.5", "true", '"1"', "null", "1e400", str(2**63), "[1]"])
def test_not_integers(text: str) -> None:
    with pytest.raises(DecodeError):
        only(text).integer("a")


def test_optional_fields() -> None:
    nothing, null = JSONObject.decode(b"{}"), only("null")
    for fields in (nothing, null):
        assert fields.optional_integer("a") is None
        assert fields.optional_text("a") is None
        assert fields.optional_nested("a") is None
    assert only("5").optional_integer("a") == 5
    assert only('"x"').optional_text("a") == "x"
    inner = only('{"b":true}').optional_nested("a")
    assert inner is not None
    assert inner.boolean("b")


def test_the_first_of_equal_keys_counts() -> None:
    fields = JSONObject.decode(b'{"a":{"b":1,"b":2},"a":{"b":3}}')
    assert fields.nested("a").integer("b") == 1


def test_half_of_a_character_is_no_text() -> None:
    assert only(r'"\ud83d\ude00"').text("a") == "\U0001f600"
    with pytest.raises(DecodeError):
        only(r'"\ud83d"').text("a")
    with pytest.raises(DecodeError):
        only(r'["\ud83d"]').texts("a")
    with pytest.raises(EncodeError):
        encode_json({"a": "\ud83d"})


@given(st.dictionaries(st.sampled_from("abc"), values), st.sampled_from("abc"))
def test_fields_have_the_type_that_is_asked_for(fields: dict[str, Any], key: str) -> None:
    decoded = JSONObject.decode(encode_json(fields))
    for method in METHODS:
        try:
            value = method(decoded, key)
        except DecodeError:
            continue
        if isinstance(value, JSONObject):
            assert isinstance(fields[key], dict)
        else:
            assert value == (tuple(fields[key]) if isinstance(value, tuple) else fields.get(key))


@given(st.binary(max_size=60) | st.text().map(str.encode))
def test_any_bytes_are_an_object_or_a_decode_error(data: bytes) -> None:
    with suppress(DecodeError):
        JSONObject.decode(data)


def test_repr_shows_no_fields() -> None:
    assert repr(only('"secret"')) == "<JSONObject of 1 fields>"
