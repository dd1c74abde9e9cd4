"""The encrypted prefix of a file's content: the length, and the header.

The length, of eight bytes, counts the header and the content; padding follows them up to the tag.
The sender chooses the name in the header, so the recipient must sanitize it.
"""

from __future__ import annotations

import re

from simplex_trio.errors import DecodeError, EncodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, maybe, short

__all__ = ["LENGTH_SIZE", "MAX_HEADER_SIZE", "FileHeader", "split_header"]

LENGTH_SIZE = 8

MAX_HEADER_SIZE = 1024
"""More than two strings of 255 bytes take, so a reader needs no more bytes to decode the header."""

_UNDECODED = re.compile("[\udc80-\udcff]")


@frozen(repr=False)
class FileHeader(Redacted):
    """The name of a file, and text that is reserved for later versions."""

    name: str
    extra: str | None = None

    def encode(self) -> bytes:
        """Encode the header; raise `EncodeError` for a name of more than 255 bytes."""
        return short(_utf8(self.name)) + maybe(self.extra, lambda text: short(_utf8(text)))

    @classmethod
    def decode(cls, reader: Reader) -> FileHeader:
        """Decode a header; bytes that are not UTF-8 become question marks, as in the reference."""
        name = _text(reader.short())
        extra = reader.maybe(reader.short)
        return cls(name, None if extra is None else _text(extra))


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise EncodeError("text with a lone surrogate") from exc


def _text(data: bytes) -> str:
    return _UNDECODED.sub("?", data.decode(errors="surrogateescape"))


def split_header(start: bytes, length: int) -> tuple[FileHeader, int]:
    """Decode the header at the start of a file whose length field is ``length``.

    Returns the header and its size.  Raises `DecodeError` if it is malformed or longer than the
    file.
    """
    reader = Reader(start[:MAX_HEADER_SIZE])
    header = FileHeader.decode(reader)
    if reader.position > length:
        raise DecodeError("the header of a file is longer than the file")
    return header, reader.position
