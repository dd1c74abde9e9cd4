"""The little of ASN.1's DER that is read and written here without a library.

Only what is definite, canonical and of single-byte tags exists: anything else raises
`DecodeError`.  An element is never longer than the bytes that hold it, so reading takes no more
time and memory than the input.
"""

from __future__ import annotations

from enum import IntEnum

from simplex_trio.errors import DecodeError

__all__ = ["Tag", "element", "only", "take"]

_LONG_FORM = 0x80


class Tag(IntEnum):
    """The tags that occur in keys signed by a certificate and at the start of certificates."""

    INTEGER = 0x02
    BIT_STRING = 0x03
    SEQUENCE = 0x30
    VERSION = 0xA0


def element(tag: Tag, contents: bytes) -> bytes:
    """An element with its tag and length written before its contents."""
    size = len(contents)
    if size < _LONG_FORM:
        return b"%c%c%b" % (tag, size, contents)
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return b"%c%c%b%b" % (tag, _LONG_FORM | len(length), length, contents)


def take(data: bytes, tag: Tag) -> tuple[bytes, bytes]:
    """The contents of the first element of ``data``, which must have this tag, and what follows."""
    if len(data) < 2 or data[0] != tag:
        raise DecodeError("a part of an ASN.1 structure is missing")
    size, start = data[1], 2
    if size >= _LONG_FORM:
        start += size - _LONG_FORM
        length = data[2:start]
        size = int.from_bytes(length, "big")
        if not length or length[0] == 0 or size < _LONG_FORM:
            raise DecodeError("a length is not written in the shortest form")
    end = start + size
    if end > len(data):
        raise DecodeError("an ASN.1 structure is cut off")
    return data[start:end], data[end:]


def only(data: bytes, tag: Tag) -> bytes:
    """The contents of the element that ``data`` is, with nothing after it."""
    contents, rest = take(data, tag)
    if rest:
        raise DecodeError("an ASN.1 structure is followed by more bytes")
    return contents
