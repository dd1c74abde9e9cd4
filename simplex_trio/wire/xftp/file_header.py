"""What precedes the content of a file, inside of its encryption: the length, and the header.

The length, of eight bytes, counts the header and the content; what follows up to the tag is
filling.  The name in the header is the sender's choice, and the recipient's to make safe.
"""

from __future__ import annotations

import re

from attrs import frozen

from simplex_trio.errors import DecodeError, EncodeError
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, maybe, short

__all__ = ["LENGTH_SIZE", "MAX_HEADER_SIZE", "FileHeader", "split_header"]

LENGTH_SIZE = 8

MAX_HEADER_SIZE = 1024
"""More than two strings of 255 bytes take; a reader need not look further for the header."""

_UNDECODED = re.compile("[\udc80-\udcff]")


@frozen(repr=False)
class FileHeader(Redacted):
    """The name of a file, and text for later versions to use."""

    name: str
    extra: str | None = None

    def encode(self) -> bytes:
        """The bytes of the header; `EncodeError` for a name of more than 255 bytes."""
        return short(_utf8(self.name)) + maybe(self.extra, lambda text: short(_utf8(text)))

    @classmethod
    def decode(cls, reader: Reader) -> FileHeader:
        """Read a header; bytes that are not UTF-8 become question marks, as in the reference."""
        name = _text(reader.short())
        extra = reader.maybe(reader.short)
        return cls(name, None if extra is None else _text(extra))


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise EncodeError("a name with half of a character") from exc


def _text(data: bytes) -> str:
    return _UNDECODED.sub("?", data.decode(errors="surrogateescape"))


def split_header(start: bytes, length: int) -> tuple[FileHeader, int]:
    """The header at the start of a file whose length field is ``length``, and its size.

    Raises `DecodeError` if there is none, or if it is longer than the file says to be.
    """
    reader = Reader(start[:MAX_HEADER_SIZE])
    header = FileHeader.decode(reader)
    if reader.position > length:
        raise DecodeError("the header of a file is longer than the file")
    return header, reader.position
