"""The values in the text files of the reference's server: fields between blanks, ids in base64.

A field that is not what it should be raises `DecodeError`.  Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import AuthPublicKey, auth_public_key
from simplex_trio.errors import DecodeError
from simplex_trio.wire.text import decimal, from_base64url

__all__ = ["Fields", "day", "key", "keys", "maybe", "octets", "seconds", "secret"]

T = TypeVar("T")

_SECRET_SIZE: Final = 32
_LAST_TIME: Final = 2**40
_DAY: Final = 86_400


class Fields:
    """A line, read field by field."""

    def __init__(self, line: bytes) -> None:
        try:
            self._fields = line.decode("ascii").split(" ")
        except UnicodeDecodeError as exc:
            raise DecodeError("a line that is not ASCII") from exc
        self._next = 0

    def text(self) -> str:
        """The next field, whatever is in it."""
        if self._next == len(self._fields):
            raise DecodeError("a line that is too short")
        self._next += 1
        return self._fields[self._next - 1]

    def named(self, name: str) -> str:
        """The value of the next field, which has to have this name."""
        value = self.maybe_named(name)
        if value is None:
            raise DecodeError(f"a line without {name}")
        return value

    def maybe_named(self, name: str) -> str | None:
        """The same; `None` if the next field is another one, or there is none."""
        if self._next == len(self._fields):
            return None
        found, sign, value = self._fields[self._next].partition("=")
        if found != name or not sign:
            return None
        self._next += 1
        return value

    def has(self, word: str) -> bool:
        """Whether the next field is this word, which is passed over then."""
        found = self._fields[self._next : self._next + 1] == [word]
        self._next += found
        return found

    @property
    def is_at_end(self) -> bool:
        """Whether there are no more fields."""
        return self._next == len(self._fields)

    def end(self) -> None:
        """Return if there are no more fields."""
        if not self.is_at_end:
            raise DecodeError("a line that is too long")

    # --- values ---------------------------------------------------------------------------------

    def octets(self) -> bytes:
        """Bytes, of which there is at least one."""
        return octets(self.text())

    def key(self) -> AuthPublicKey:
        """A public key."""
        return key(self.text())

    def secret(self) -> bytes:
        """What is derived from an agreed secret; see `secret`."""
        return secret(self.text())

    def day(self) -> int:
        """A time as a day."""
        return day(self.text())

    def seconds(self) -> int:
        """A time in seconds since 1970."""
        return seconds(self.text())


def octets(text: str) -> bytes:
    """Bytes in base64, at least one."""
    if not text:
        raise DecodeError("bytes are missing")
    return from_base64url(text)


def key(text: str) -> AuthPublicKey:
    """A public key."""
    return auth_public_key(octets(text))


def keys(text: str) -> tuple[AuthPublicKey, ...]:
    """At least one public key."""
    return tuple(map(key, text.split(",")))


def secret(text: str) -> bytes:
    """The subkey of an agreed secret: the server keeps the secret itself, and derives it anew."""
    agreed = octets(text)
    if len(agreed) != _SECRET_SIZE:
        raise DecodeError("a secret of another length")
    return BoxKey.from_secret(agreed).subkey


def seconds(text: str) -> int:
    """A time in seconds since 1970."""
    return decimal(text, _LAST_TIME)


def day(text: str) -> int:
    """A time in seconds since 1970 as a day."""
    return seconds(text) // _DAY


def maybe(text: str | None, read: Callable[[str], T]) -> T | None:
    """A value that may be missing."""
    return None if text is None else read(text)
