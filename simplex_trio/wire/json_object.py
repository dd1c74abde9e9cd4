"""Typed, strict reading of the JSON objects that some SMP messages carry.

Python's own reader is too lenient for input from a peer: it guesses encodings, takes the last of
two equal keys, accepts numbers that are not JSON, and fails with several exceptions.  Here the
bytes are one object in UTF-8 whose fields have the requested types, or `DecodeError` is raised.  Of
two equal keys the first counts, as in the reference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn, Self

from simplex_trio.errors import DecodeError, EncodeError

__all__ = ["INT64", "JSONObject", "encode_json"]

INT64 = range(-(2**63), 2**63)
"""The whole numbers that may be in JSON."""


def encode_json(value: Mapping[str, object]) -> bytes:
    """Return the shortest JSON of ``value``, in the order of its keys."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as exc:
        raise EncodeError("text with a lone surrogate") from exc


def _first_of_equal_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in pairs:
        fields.setdefault(key, value)
    return fields


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_reader = json.JSONDecoder(object_pairs_hook=_first_of_equal_keys, parse_constant=_not_json)


class JSONObject:
    """An object from a peer; every method raises `DecodeError` for a field of another type."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def __repr__(self) -> str:
        return f"<JSONObject of {len(self._fields)} fields>"

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse ``data`` as one object."""
        try:
            value = _reader.decode(data.decode())
        except (ValueError, RecursionError) as exc:  # RecursionError: too many nested brackets
            raise DecodeError("not JSON") from exc
        return cls._from(value)

    @classmethod
    def _from(cls, value: object) -> Self:
        if not isinstance(value, dict):
            raise DecodeError("a JSON value is not an object")
        return cls(value)

    def boolean(self, key: str) -> bool:
        value = self._required(key)
        if not isinstance(value, bool):
            raise DecodeError("a JSON value is not a boolean")
        return value

    def integer(self, key: str) -> int:
        """Return a number without a fraction, of at most 64 bits, in any JSON notation."""
        value = self._required(key)
        number = int(value) if isinstance(value, float) and value.is_integer() else value
        if not isinstance(number, int) or isinstance(number, bool) or number not in INT64:
            raise DecodeError("a JSON value is not a 64-bit integer")
        return number

    def text(self, key: str) -> str:
        return _text(self._required(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """Return an array of strings."""
        value = self._required(key)
        if not isinstance(value, list):
            raise DecodeError("a JSON value is not an array")
        return tuple(map(_text, value))

    def nested(self, key: str) -> Self:
        return self._from(self._required(key))

    def optional_integer(self, key: str) -> int | None:
        return None if self._is_absent(key) else self.integer(key)

    def optional_text(self, key: str) -> str | None:
        return None if self._is_absent(key) else self.text(key)

    def optional_nested(self, key: str) -> Self | None:
        return None if self._is_absent(key) else self.nested(key)

    def _is_absent(self, key: str) -> bool:
        return self._fields.get(key) is None

    def _required(self, key: str) -> object:
        try:
            value: object = self._fields[key]
        except KeyError as exc:
            raise DecodeError("a required field of a JSON object is missing") from exc
        return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise DecodeError("a JSON value is not a string")
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise DecodeError("a JSON string has a lone surrogate") from exc
    return value
