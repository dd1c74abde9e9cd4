"""`SavedFormat`: values that programs keep in files of their own, as bytes.

The bytes begin with the kind of the value and the version of its format, so that a file tells what
it is, and end with a checksum, so that a damaged key is not taken for another one.  Classes that
are saved so have ``to_bytes`` and ``from_bytes``, which reads all versions that were ever written.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import TypeVar

from simplex_trio.errors import CryptoError, DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.wire.buffer import Reader, large, maybe, word32

__all__ = ["SavedFields", "SavedFormat"]

T = TypeVar("T")

_PREFIX = b"simplex-trio "
_CHECKSUM_SIZE = 4


class SavedFields:
    """The fields of a saved value, to be taken in the order in which they were written."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def required(self) -> bytes:
        """The next field, which must be there."""
        field = self.optional()
        if field is None:
            raise DecodeError("a field of a saved value is missing")
        return field

    def optional(self) -> bytes | None:
        """The next field, or `None` if the value has none."""
        return self._reader.maybe(self._reader.large)


@frozen
class SavedFormat:
    """How one kind of value is saved."""

    kind: str
    version: int = 1

    @property
    def _header(self) -> bytes:
        return b"%b%b %d\n" % (_PREFIX, self.kind.encode(), self.version)

    def pack(self, *fields: bytes | None) -> bytes:
        """A value as bytes; each field has at most 65,535."""
        content = self._header + b"".join(maybe(field, large) for field in fields)
        return content + word32(zlib.crc32(content))

    def unpack(self, data: bytes, read: Callable[[SavedFields], T]) -> T:
        """The value that ``read`` makes of the fields.

        Raises `DecodeError` for bytes that are not those of such a value, are damaged, or were
        written by a newer version of this package.
        """
        if not data.startswith(self._header):
            raise DecodeError(self._difference(data))
        content, checksum = data[:-_CHECKSUM_SIZE], data[-_CHECKSUM_SIZE:]
        if word32(zlib.crc32(content)) != checksum:
            raise DecodeError("what was saved is damaged")
        reader = Reader(content, len(self._header))
        try:
            value = read(SavedFields(reader))
        except (CryptoError, ValueError) as exc:
            raise DecodeError(f"this is no saved {self.kind}") from exc
        reader.end()
        return value

    def _difference(self, data: bytes) -> str:
        kind, _, version = data.partition(b"\n")[0].removeprefix(_PREFIX).rpartition(b" ")
        if not data.startswith(_PREFIX) or kind != self.kind.encode() or not version.isdigit():
            return f"this is no saved {self.kind}"
        return f"this {self.kind} was saved by a newer version of simplex_trio"
