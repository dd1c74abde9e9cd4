"""Enumerations whose values are words on the wire."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

from simplex_trio.errors import DecodeError

__all__ = ["one_of"]

_WordT = TypeVar("_WordT", bound=Enum)


def one_of(words: type[_WordT], raw: bytes) -> _WordT:
    """The member whose value is ``raw``, or `DecodeError`."""
    # Not words(raw): its error would quote what the peer sent.
    for word in words:
        if word.value == raw:
            return word
    raise DecodeError(f"not a {words.__name__}")
