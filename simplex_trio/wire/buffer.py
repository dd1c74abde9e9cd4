"""The encoding that every SimpleX protocol shares: `Reader`, and functions that write.

Values are written one after another without separators, with four ideas: integers are big endian;
byte strings carry a length prefix of one byte (*short*) or two (*large*), or take the rest of the
input (*tail*); an optional value is ``0``, or ``1`` and the value; a list is a count of one byte
and its items.  Writing is joining `bytes`; reading is a cursor that never runs past its end.
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

_MAX_SHORT = 0xFF
_MAX_LARGE = 0xFFFF


def word16(value: int) -> bytes:
    """Two bytes, unsigned."""
    return _unsigned(value, 2)


def word32(value: int) -> bytes:
    """Four bytes, unsigned."""
    return _unsigned(value, 4)


def int64(value: int) -> bytes:
    """Eight bytes, signed."""
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
    """``T`` or ``F``."""
    return b"T" if value else b"F"


def short(value: bytes) -> bytes:
    """At most 255 bytes behind a length of one byte."""
    if len(value) > _MAX_SHORT:
        raise EncodeError(f"{len(value)} bytes, where at most {_MAX_SHORT} fit")
    return b"%c%b" % (len(value), value)


def large(value: bytes) -> bytes:
    """At most 65,535 bytes behind a length of two bytes."""
    if len(value) > _MAX_LARGE:
        raise EncodeError(f"{len(value)} bytes, where at most {_MAX_LARGE} fit")
    return len(value).to_bytes(2, "big") + value


def utf8(value: str) -> bytes:
    """Text as a *short* string of UTF-8."""
    try:
        return short(value.encode())
    except UnicodeEncodeError as exc:
        raise EncodeError("text with half of a character") from exc


def maybe(value: T | None, write: Callable[[T], bytes]) -> bytes:
    """``0`` for `None`, otherwise ``1`` and the value."""
    return b"0" if value is None else b"1" + write(value)


def listed(items: Iterable[bytes]) -> bytes:
    """A count of one byte and the items, each already written."""
    parts = list(items)
    if len(parts) > _MAX_SHORT:
        raise EncodeError(f"{len(parts)} items, where at most {_MAX_SHORT} fit")
    return b"%c%b" % (len(parts), b"".join(parts))


class Reader:
    """A cursor over bytes from outside; what is not there raises `DecodeError`.

    Copies are made only of what is taken, so a length prefix can never make it allocate more than
    the input holds.
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
        """How many bytes have not been read yet."""
        return self._end - self._pos

    @property
    def position(self) -> int:
        """How many bytes have been read; `rewind` takes it."""
        return self._pos

    def rewind(self, position: int) -> None:
        """Go back to a `position` read before, where one form is tried and then another."""
        if not 0 <= position <= self._pos:
            raise ValueError("a reader rewinds only to where it has been")
        self._pos = position

    def take(self, size: int) -> bytes:
        """Exactly ``size`` bytes."""
        start = self._pos
        stop = start + size
        if size < 0 or stop > self._end:
            raise DecodeError(f"{size} bytes expected, {self._end - start} left")
        self._pos = stop
        return self._data[start:stop]

    def peek(self, size: int = 1) -> bytes:
        """The next bytes, at most ``size``, left in place; empty at the end."""
        return self._data[self._pos : self._pos + size]

    def byte(self) -> int:
        """One byte as a number."""
        pos = self._pos
        if pos >= self._end:
            raise DecodeError("one byte expected, none left")
        self._pos = pos + 1
        return self._data[pos]

    def tail(self) -> bytes:
        """All that is left, possibly nothing."""
        start, self._pos = self._pos, self._end
        return self._data[start:]

    def until(self, stop: bytes) -> bytes:
        """Everything before the next ``stop``, which is left in place; all if there is none."""
        found = self._data.find(stop, self._pos)
        start, self._pos = self._pos, self._end if found < 0 else found
        return self._data[start : self._pos]

    def expect(self, literal: bytes) -> None:
        """Skip exactly ``literal``."""
        if not self._data.startswith(literal, self._pos):
            raise DecodeError("a fixed part of the encoding is missing")
        self._pos += len(literal)

    def end(self) -> None:
        """Check that nothing is left."""
        if self._pos != self._end:
            raise DecodeError(f"{self.remaining} bytes too many")

    def word16(self) -> int:
        """Two bytes, unsigned."""
        return int.from_bytes(self.take(2), "big")

    def word32(self) -> int:
        """Four bytes, unsigned."""
        return int.from_bytes(self.take(4), "big")

    def int64(self) -> int:
        """Eight bytes, signed."""
        return int.from_bytes(self.take(8), "big", signed=True)

    def boolean(self) -> bool:
        """``T`` or ``F``."""
        match self.take(1):
            case b"T":
                return True
            case b"F":
                return False
            case _:
                raise DecodeError("neither T nor F")

    # Nearly every field is one of the next two, so they do in place what `take` does.

    def short(self) -> bytes:
        """Bytes behind a length of one byte."""
        start = self._pos + 1
        if start > self._end:
            raise DecodeError("one byte expected, none left")
        stop = start + self._data[start - 1]
        if stop > self._end:
            raise DecodeError(f"{stop - start} bytes expected, {self._end - start} left")
        self._pos = stop
        return self._data[start:stop]

    def large(self) -> bytes:
        """Bytes behind a length of two bytes."""
        data, start = self._data, self._pos + 2
        if start > self._end:
            raise DecodeError(f"2 bytes expected, {self.remaining} left")
        stop = start + (data[start - 2] << 8 | data[start - 1])
        if stop > self._end:
            raise DecodeError(f"{stop - start} bytes expected, {self._end - start} left")
        self._pos = stop
        return data[start:stop]

    def utf8(self) -> str:
        """Text in a *short* string."""
        try:
            return self.short().decode()
        except UnicodeDecodeError as exc:
            raise DecodeError("text is not UTF-8") from exc

    def maybe(self, read: Callable[[], T]) -> T | None:
        """``0`` as `None`, or ``1`` and what ``read`` reads."""
        mark = self.byte()
        if mark == _ABSENT:
            return None
        if mark == _PRESENT:
            return read()
        raise DecodeError("neither 0 nor 1 before an optional value")

    def listed(self, read: Callable[[], T], *, at_least: int = 0) -> tuple[T, ...]:
        """A count of one byte and that many items."""
        count = self.byte()
        if count < at_least:
            raise DecodeError(f"{count} items, where at least {at_least} are needed")
        return tuple(read() for _ in range(count))
