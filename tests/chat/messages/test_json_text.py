"""JSON that is none, or that would cost too much."""

from __future__ import annotations

from typing import Any

import pytest

from simplex_trio.chat.messages.json_text import MAX_DEPTH, decode_json, encode_json
from simplex_trio.errors import DecodeError, EncodeError


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"{}{}",
        b"\xef\xbb\xbf{}",
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        rb'{"a":"\ud800"}',
        rb'{"\udfff":1}',
        b'{"a":"\n"}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":9223372036854775808}',
        b'{"a":%b}' % (b"1" * 10_000),
        b'{"a":%be5}' % (b"1" * 10_000),
        b"[" * 100_000,
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    ],
    ids=lambda data: str(data[:12]),
)
def test_what_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_json(data)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a":1,"a":2}', {"a": 1}),
        (b'{"a":1e2}', {"a": 100.0}),
        (b'{"a":-9223372036854775808}', {"a": -(2**63)}),
        (rb'{"a":"\ud83d\ude80"}', {"a": "🚀"}),
        (rb'{"a":"\\ud800"}', {"a": r"\ud800"}),
        (b" [ 1 , 2 ] ", [1, 2]),
    ],
)
def test_what_is_read(data: bytes, value: Any) -> None:
    assert decode_json(data) == value


def test_brackets_in_texts_do_not_count() -> None:
    text = '[{"' * 1_000 + "\\"
    assert decode_json(encode_json({"a": text})) == {"a": text}
    nested: Any = text
    for _ in range(MAX_DEPTH - 1):
        nested = [nested]
    assert decode_json(encode_json({"a": nested})) == {"a": nested}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {1}, b""])
def test_what_cannot_be_written(value: object) -> None:
    with pytest.raises(EncodeError):
        encode_json({"a": value})


def test_what_refers_to_itself_cannot_be_written() -> None:
    value: dict[str, Any] = {}
    value["a"] = value
    with pytest.raises(EncodeError):
        encode_json(value)
