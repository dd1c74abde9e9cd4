"""CBOR, read in bounded time and memory: `encode` and `decode`.

The package cbor2 does the decoding.  Input is validated first, by a loop that neither recurses nor
allocates and that bounds the depth, the number and the kinds of items to what the protocol needs.
It accepts only what the daemon's encoder writes: one item of definite lengths, without tags.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from simplex_trio.errors import DecodeError, EncodeError
from simplex_trio.katzenpost.errors import CborSupportMissing

__all__ = ["MAX_DEPTH", "MAX_ITEMS", "decode", "encode", "require_cbor"]

MAX_DEPTH = 32
"""Maps and lists inside each other; a consensus document with its replicas has five."""

MAX_ITEMS = 262_144
"""Items of one message, keys included.  The largest answer is the 65,536 elements of one copy
stream; a million empty lists would cost a hundred times their size."""

_NUMBERS, _STRINGS, _LIST, _TAG = (0, 1, 7), (2, 3), 4, 6


def require_cbor() -> None:
    """Raise `CborSupportMissing` if CBOR cannot be read or written here."""
    _codec()


@cache
def _codec() -> tuple[Callable[[bytes], Any], Callable[[Any], bytes]]:
    try:
        import cbor2
    except ImportError as exc:
        raise CborSupportMissing(
            "the daemon speaks CBOR, which needs cbor2: pip install 'simplex-trio[katzenpost]'"
        ) from exc
    return cbor2.loads, cbor2.dumps


def encode(value: object) -> bytes:
    """The CBOR of plain values: maps, lists, bytes, text, numbers, flags and `None`.

    Raises `EncodeError` for anything else.
    """
    dumps = _codec()[1]
    try:
        return dumps(value)
    except Exception as exc:  # which ones is up to cbor2
        raise EncodeError("a value that CBOR does not have") from exc


def decode(data: bytes) -> Any:
    """The one CBOR item that ``data`` is; raises `DecodeError` for anything else."""
    loads = _codec()[0]
    _check_shape(data)
    try:
        return loads(data)
    except Exception as exc:  # which ones is up to cbor2
        raise DecodeError("not CBOR") from exc


_SHORT_STRING, _OTHER = 0, -1


def _steps() -> list[int]:
    """For each first byte how long the item is, if that byte alone tells.

    Otherwise `_SHORT_STRING` for a string whose length is in the next byte, and `_OTHER`.
    """
    steps = [_OTHER] * 256
    for first in range(256):
        major, value = first >> 5, first & 0x1F
        if major in _STRINGS and value <= 24:
            steps[first] = 1 + value if value < 24 else _SHORT_STRING
        elif major in _NUMBERS and value < 28:
            steps[first] = 1 if value < 24 else 1 + (1 << (value - 24))
    return steps


_STEPS = _steps()


def _check_shape(data: bytes) -> None:
    steps = _STEPS
    size = len(data)
    position = 0
    items = left = 1  # all items announced so far, and those of them that are still to come
    outside: list[int] = []  # for each open container, how many were to come after it
    try:
        while left:
            left -= 1
            step = steps[data[position]]
            if step > 0:  # nearly all items are of these two kinds, so they come first
                position += step
                continue
            if step == 0:
                position += 2 + data[position + 1]
                continue
            first = data[position]
            position += 1
            major, value = first >> 5, first & 0x1F
            if value > 27:
                raise DecodeError("CBOR of indefinite length")
            if value >= 24:
                width = 1 << (value - 24)
                value = int.from_bytes(data[position : position + width], "big")
                position += width
            if major in _STRINGS:
                position += value
                continue
            if major == _TAG:
                raise DecodeError("CBOR with a tag")
            while outside and outside[-1] > left:
                outside.pop()
            outside.append(left)
            count = value if major == _LIST else 2 * value
            left += count
            items += count
            if left > size - position:
                break
            if len(outside) > MAX_DEPTH or items > MAX_ITEMS:
                raise DecodeError("CBOR that nests too deep, or has too many items")
    except IndexError:
        pass  # past the end, as below
    if left or position != size:
        raise DecodeError("CBOR that ends too early, or too late")
