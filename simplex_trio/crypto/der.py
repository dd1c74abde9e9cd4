"""A minimal reader and writer for ASN.1's DER.

It supports definite lengths, canonical forms and single-byte tags; anything else raises
`DecodeError`.  An element is never longer than the bytes that hold it, so the time and memory for
reading are bounded by the input.
"""

from __future__ import annotations

from enum import IntEnum

from simplex_trio.errors import DecodeError

__all__ = ["Tag", "element", "only", "take"]

_LONG_FORM = 0x80


class Tag(IntEnum):
    """The tags in keys signed by a certificate, and at the start of certificates."""

    INTEGER = 0x02
    BIT_STRING = 0x03
    SEQUENCE = 0x30
    VERSION = 0xA0


def element(tag: Tag, contents: bytes) -> bytes:
    """Encode an element: tag, length, contents."""
    size = len(contents)
    if size < _LONG_FORM:
        return b"%c%c%b" % (tag, size, contents)
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return b"%c%c%b%b" % (tag, _LONG_FORM | len(length), length, contents)


def take(data: bytes, tag: Tag) -> tuple[bytes, bytes]:
    """Read the first element of ``data``, which must have this tag; return contents and rest."""
    if len(data) < 2 or data[0] != tag:
        raise DecodeError("an element of an ASN.1 structure is missing")
    size, start = data[1], 2
    if size >= _LONG_FORM:
        start += size - _LONG_FORM
        length = data[2:start]
        size = int.from_bytes(length, "big")
        if not length or length[0] == 0 or size < _LONG_FORM:
            raise DecodeError("a length is not written in the shortest form")
    end = start + size
    if end > len(data):
        raise DecodeError("an ASN.1 structure is truncated")
    return data[start:end], data[end:]


def only(data: bytes, tag: Tag) -> bytes:
    """Read ``data`` as one element with this tag; return its contents."""
    contents, rest = take(data, tag)
    if rest:
        raise DecodeError("trailing bytes after an ASN.1 structure")
    return contents
