"""The encoding that all SimpleX protocols share: `Reader`, and functions that write.

Values follow each other without separators.  Integers are big endian.  Byte strings have a length
prefix of one byte (*short*) or two (*large*), or take the rest of the input (*tail*).  An optional
value is ``0``, or ``1`` and the value.  A list is a count of one byte, then its items.  Encoders
return `bytes` to be joined; the reader is a cursor that never runs past the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from simplex_trio.errors import DecodeError, EncodeError

__all__ = [
    "Reader",
    "boolean",
    "int64",
    "large",
    "listed",
    "maybe",
    "short",
    "utf8",
    "word16",
    "word32",
]

T = TypeVar("T")

_ABSENT, _PRESENT = b"01"
_FALSE, _TRUE = b"FT"

_MAX_SHORT = 0xFF
_MAX_LARGE = 0xFFFF


def word16(value: int) -> bytes:
    """Encode two bytes, unsigned."""
    return _unsigned(value, 2)


def word32(value: int) -> bytes:
    """Encode four bytes, unsigned."""
    return _unsigned(value, 4)


def int64(value: int) -> bytes:
    """Encode eight bytes, signed."""
    try:
        return value.to_bytes(8, "big", signed=True)
    except OverflowError as exc:
        raise EncodeError("number does not fit into 64 bits") from exc


def _unsigned(value: int, size: int) -> bytes:
    try:
        return value.to_bytes(size, "big")
    except OverflowError as exc:
        raise EncodeError(f"number does not fit into {size} bytes") from exc


def boolean(value: bool) -> bytes:
    """Encode ``T`` or ``F``."""
    return b"T" if value else b"F"


def short(value: bytes) -> bytes:
    """Encode at most 255 bytes with a one-byte length prefix."""
    if len(value) > _MAX_SHORT:
        raise EncodeError(f"{len(value)} bytes do not fit into {_MAX_SHORT}")
    return b"%c%b" % (len(value), value)


def large(value: bytes) -> bytes:
    """Encode at most 65,535 bytes with a two-byte length prefix."""
    if len(value) > _MAX_LARGE:
        raise EncodeError(f"{len(value)} bytes do not fit into {_MAX_LARGE}")
    return len(value).to_bytes(2, "big") + value


def utf8(value: str) -> bytes:
    """Encode text as a *short* string of UTF-8."""
    try:
        return short(value.encode())
    except UnicodeEncodeError as exc:
        raise EncodeError("text with a lone surrogate") from exc


def maybe(value: T | None, write: Callable[[T], bytes]) -> bytes:
    """Encode ``0`` for `None`, otherwise ``1`` and the value."""
    return b"0" if value is None else b"1" + write(value)


def listed(items: Iterable[bytes]) -> bytes:
    """Encode a list: a one-byte count, then the items, which are already encoded."""
    parts = list(items)
    if len(parts) > _MAX_SHORT:
        raise EncodeError(f"{len(parts)} items, but a list holds at most {_MAX_SHORT}")
    return b"%c%b" % (len(parts), b"".join(parts))


class Reader:
    """A cursor over bytes from a peer; missing or invalid bytes raise `DecodeError`.

    It copies only what is taken, so a length prefix can never make it allocate more than the input
    holds.
    """

    __slots__ = ("_data", "_end", "_pos")

    def __init__(self, data: bytes, position: int = 0) -> None:
        self._data = data
        self._pos = position
        self._end = len(data)

    def __repr__(self) -> str:
        return f"<Reader at {self._pos} of {self._end} bytes>"

    @property
    def remaining(self) -> int:
        """The number of bytes that have not been read yet."""
        return self._end - self._pos

    @property
    def position(self) -> int:
        """The number of bytes read so far; pass it to `rewind`."""
        return self._pos

    def rewind(self, position: int) -> None:
        """Go back to an earlier `position`, to try another form."""
        if not 0 <= position <= self._pos:
            raise ValueError("a reader can only rewind to an earlier position")
        self._pos = position

    def take(self, size: int) -> bytes:
        """Read exactly ``size`` bytes."""
        start = self._pos
        stop = start + size
        if size < 0 or stop > self._end:
            raise DecodeError(f"{size} bytes expected, {self._end - start} left")
        self._pos = stop
        return self._data[start:stop]

    def peek(self, size: int = 1) -> bytes:
        """Return the next bytes, at most ``size``, without reading them; empty at the end."""
        return self._data[self._pos : self._pos + size]

    def byte(self) -> int:
        """Read one byte as a number."""
        pos = self._pos
        if pos >= self._end:
            raise DecodeError("one byte expected, none left")
        self._pos = pos + 1
        return self._data[pos]

    def tail(self) -> bytes:
        """Read all that is left, possibly nothing."""
        start, self._pos = self._pos, self._end
        return self._data[start:]

    def until(self, stop: bytes) -> bytes:
        """Read up to the next ``stop``, which is not read itself; to the end if there is none."""
        found = self._data.find(stop, self._pos)
        start, self._pos = self._pos, self._end if found < 0 else found
        return self._data[start : self._pos]

    def expect(self, literal: bytes) -> None:
        """Read exactly ``literal``."""
        if not self._data.startswith(literal, self._pos):
            raise DecodeError("a literal of the encoding is missing")
        self._pos += len(literal)

    def end(self) -> None:
        """Check that everything has been read."""
        if self._pos != self._end:
            raise DecodeError(f"{self.remaining} trailing bytes")

    def word16(self) -> int:
        """Read two bytes, unsigned."""
        return int.from_bytes(self.take(2), "big")

    def word32(self) -> int:
        """Read four bytes, unsigned."""
        return int.from_bytes(self.take(4), "big")

    def int64(self) -> int:
        """Read eight bytes, signed."""
        return int.from_bytes(self.take(8), "big", signed=True)

    def boolean(self) -> bool:
        """Read ``T`` or ``F``."""
        mark = self.byte()
        if mark == _TRUE:
            return True
        if mark == _FALSE:
            return False
        raise DecodeError("neither T nor F")

    # Nearly every field is one of the next two, so they inline `take`.

    def short(self) -> bytes:
        """Read bytes with a one-byte length prefix."""
        start = self._pos + 1
        if start > self._end:
            raise DecodeError("one byte expected, none left")
        stop = start + self._data[start - 1]
        if stop > self._end:
            raise DecodeError(f"{stop - start} bytes expected, {self._end - start} left")
        self._pos = stop
        return self._data[start:stop]

    def large(self) -> bytes:
        """Read bytes with a two-byte length prefix."""
        data, start = self._data, self._pos + 2
        if start > self._end:
            raise DecodeError(f"2 bytes expected, {self.remaining} left")
        stop = start + (data[start - 2] << 8 | data[start - 1])
        if stop > self._end:
            raise DecodeError(f"{stop - start} bytes expected, {self._end - start} left")
        self._pos = stop
        return data[start:stop]

    def utf8(self) -> str:
        """Read text from a *short* string."""
        try:
            return self.short().decode()
        except UnicodeDecodeError as exc:
            raise DecodeError("text is not UTF-8") from exc

    def maybe(self, read: Callable[[], T]) -> T | None:
        """Read ``0`` as `None`, or ``1`` and a value with ``read``."""
        mark = self.byte()
        if mark == _ABSENT:
            return None
        if mark == _PRESENT:
            return read()
        raise DecodeError("neither 0 nor 1 before an optional value")

    def listed(self, read: Callable[[], T], *, at_least: int = 0) -> tuple[T, ...]:
        """Read a one-byte count, and that many items with ``read``."""
        count = self.byte()
        if count < at_least:
            raise DecodeError(f"{count} items, where at least {at_least} are needed")
        return tuple(read() for _ in range(count))
