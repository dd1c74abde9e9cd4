"""Enumerations whose values are words on the wire."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

from simplex_trio.errors import DecodeError

__all__ = ["one_of"]

_WordT = TypeVar("_WordT", bound=Enum)


def one_of(words: type[_WordT], raw: bytes) -> _WordT:
    """Return the member whose value is ``raw``; raise `DecodeError` if there is none."""
    # Not words(raw): its error would quote the peer's bytes.
    for word in words:
        if word.value == raw:
            return word
    raise DecodeError(f"not a {words.__name__}")
