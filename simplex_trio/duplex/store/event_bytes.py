"""Events as bytes, to be stored until the program has taken them."""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Any, Self, get_args, get_origin, get_type_hints

import attrs

from simplex_trio.duplex.events import DuplexEvent, KeptEvent
from simplex_trio.duplex.store.records import Convert, codec
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.wire.buffer import Reader, int64, word32

__all__ = ["read_event", "write_event"]

_NONE, _NUMBER, _BYTES = b"0", b"i", b"b"

_KINDS: dict[str, type[KeptEvent]] = {
    kind.__name__: kind for kind in get_args(DuplexEvent) if issubclass(kind, KeptEvent)
}


@frozen
class _Field:
    """How the values of a field are written and read."""

    name: str
    is_tuple: bool
    is_optional: bool
    is_number: bool
    write: Convert
    read: Convert

    @classmethod
    def of(cls, name: str, hint: Any) -> Self:
        is_tuple = get_origin(hint) is tuple
        kind = get_args(hint)[0] if is_tuple else hint
        parts = get_args(kind) or (kind,)
        is_optional = type(None) in parts
        return cls(name, is_tuple, is_optional, _is_number(parts[0]), *codec(kind))

    def encode(self, value: Any) -> bytes:
        if not self.is_tuple:
            return self._encode_one(value)
        return word32(len(value)) + b"".join(map(self._encode_one, value))

    def decode(self, reader: Reader) -> Any:
        if not self.is_tuple:
            return self._decode_one(reader)
        return tuple(self._decode_one(reader) for _ in range(reader.word32()))

    def _encode_one(self, value: Any) -> bytes:
        written: bytes | int | None = self.write(value)
        match written:
            case None:
                return _NONE
            case int():
                return _NUMBER + int64(written)
            case bytes():
                return _BYTES + word32(len(written)) + written

    def _decode_one(self, reader: Reader) -> Any:
        tag = reader.take(1)
        if tag == _NONE and self.is_optional:
            return None
        if tag != (_NUMBER if self.is_number else _BYTES):
            raise DecodeError("a value of another kind")
        written = reader.int64() if self.is_number else reader.take(reader.word32())
        try:
            return self.read(written)
        except DecodeError:
            raise
        except ValueError:
            # Without its cause, which may show the value.
            raise DecodeError("a value that cannot be right") from None


def _is_number(kind: Any) -> bool:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return isinstance(next(iter(kind)).value, int)
    return kind in (int, bool)


@cache
def _fields(name: str) -> tuple[_Field, ...]:
    kind = _KINDS[name]
    hints = get_type_hints(kind)
    return tuple(_Field.of(field.name, hints[field.name]) for field in attrs.fields(kind))


def write_event(event: KeptEvent) -> tuple[str, bytes]:
    """The kind of an event, and the rest of it."""
    kind = type(event)
    parts = [field.encode(getattr(event, field.name)) for field in _fields(kind.__name__)]
    return kind.__name__, b"".join(parts)


def read_event(name: str, content: bytes) -> KeptEvent:
    """The event; `DecodeError` for anything else."""
    kind = _KINDS.get(name)
    if kind is None:
        raise DecodeError("an event of an unknown kind")
    reader = Reader(content)
    values = [field.decode(reader) for field in _fields(name)]
    reader.end()
    return kind(*values)
