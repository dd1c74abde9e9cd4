"""Events as bytes, to be stored until the program has taken them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import attrs

from simplex_trio.duplex import events
from simplex_trio.duplex.events import ConnectionEvent, DuplexEvent
from simplex_trio.duplex.store.records import codec
from simplex_trio.errors import DecodeError
from simplex_trio.wire.buffer import Reader, int64, word32

__all__ = ["read_event", "write_event"]

_KINDS: dict[str, type[ConnectionEvent]] = {
    kind.__name__: kind for kind in get_args(DuplexEvent) if issubclass(kind, ConnectionEvent)
}


@cache
def _codecs(name: str) -> tuple[tuple[str, bool, Any, Any], ...]:
    """Of each field: its name, whether it is a tuple, and how its values are written and read."""
    kind = _KINDS[name]
    hints = get_type_hints(kind, vars(events))
    found = []
    for field in attrs.fields(kind):
        hint = hints[field.name]
        is_tuple = get_origin(hint) is tuple
        write, read = codec(get_args(hint)[0] if is_tuple else hint)
        found.append((field.name, is_tuple, write, read))
    return tuple(found)


def write_event(event: ConnectionEvent) -> tuple[str, bytes]:
    """The kind of an event, and the rest of it."""
    kind = type(event)
    parts: list[bytes] = []
    for name, is_tuple, write, _ in _codecs(kind.__name__):
        value = getattr(event, name)
        if is_tuple:
            parts.append(word32(len(value)))
            parts += (_scalar(write(item)) for item in value)
        else:
            parts.append(_scalar(write(value)))
    return kind.__name__, b"".join(parts)


def read_event(name: str, content: bytes) -> ConnectionEvent:
    """The event; `DecodeError` for anything else."""
    kind = _KINDS.get(name)
    if kind is None:
        raise DecodeError("an event of an unknown kind")
    reader = Reader(content)
    values: list[Any] = []
    for _, is_tuple, _, read in _codecs(kind.__name__):
        if is_tuple:
            values.append(tuple(read(_read_scalar(reader)) for _ in range(reader.word32())))
        else:
            values.append(read(_read_scalar(reader)))
    reader.end()
    return kind(*values)


def _scalar(value: bytes | int | None) -> bytes:
    match value:
        case None:
            return b"0"
        case int():
            return b"i" + int64(value)
        case _:
            return b"b" + word32(len(value)) + value


def _read_scalar(reader: Reader) -> bytes | int | None:
    readers: dict[bytes, Callable[[], bytes | int | None]] = {
        b"0": lambda: None,
        b"i": reader.int64,
        b"b": lambda: reader.take(reader.word32()),
    }
    read = readers.get(reader.take(1))
    if read is None:
        raise DecodeError("a value of an unknown kind")
    return read()
