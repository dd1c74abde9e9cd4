"""`Fields`: a CBOR map from outside, read with types.

The daemon is written in a language where a missing value, a null and an empty one are the same, and
writes whichever is at hand.  So an absent or null field reads as empty, zero or false; a field of
another type, or of another length than was asked for, raises `DecodeError`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simplex_trio.errors import DecodeError

__all__ = ["Fields"]

_MAX_UNSIGNED = 2**64 - 1


class Fields:
    """The fields of one map."""

    __slots__ = ("_fields",)

    def __init__(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise DecodeError("a map was expected")
        self._fields: dict[Any, Any] = value

    def __repr__(self) -> str:
        return f"<Fields: {len(self._fields)}>"

    def present(self) -> Iterator[tuple[Any, Any]]:
        """Keys and values, without the nulls."""
        for key, value in self._fields.items():
            if value is not None:
                yield key, value

    def binary(self, key: str, *, size: int | None = None) -> bytes:
        """A byte string, of ``size`` bytes if that is given; empty only if no size is."""
        value = self._fields.get(key)
        if value is None and size is None:
            return b""
        if not isinstance(value, bytes):
            raise DecodeError(f"{key} is not bytes")
        if size is not None and len(value) != size:
            raise DecodeError(f"{key} has {len(value)} bytes instead of {size}")
        return value

    def optional_binary(self, key: str, *, size: int | None = None) -> bytes | None:
        """A byte string, or `None`."""
        return None if self._fields.get(key) is None else self.binary(key, size=size)

    def text(self, key: str) -> str:
        value = self._fields.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise DecodeError(f"{key} is not text")
        return value

    def flag(self, key: str) -> bool:
        value = self._fields.get(key)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise DecodeError(f"{key} is not true or false")
        return value

    def integer(self, key: str) -> int:
        value = self._fields.get(key)
        if value is None:
            return 0
        if not isinstance(value, int) or isinstance(value, bool):
            raise DecodeError(f"{key} is not an integer")
        return value

    def unsigned(self, key: str) -> int:
        """An integer from 0 to 2⁶⁴ - 1."""
        value = self.integer(key)
        if not 0 <= value <= _MAX_UNSIGNED:
            raise DecodeError(f"{key} is negative")
        return value

    def items(self, key: str) -> list[Any]:
        value = self._fields.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise DecodeError(f"{key} is not a list")
        return value

    def binaries(self, key: str) -> tuple[bytes, ...]:
        items = self.items(key)
        if not all(isinstance(item, bytes) for item in items):
            raise DecodeError(f"{key} is not a list of bytes")
        return tuple(items)

    def mapping(self, key: str) -> dict[Any, Any]:
        value = self._fields.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise DecodeError(f"{key} is not a map")
        return value
