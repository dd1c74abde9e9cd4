"""Changes that fill an empty store as bytes and back, and `Tally`, which compares what is in two.

A record is the letter of its kind, the number of its values, and the values, which are those of a
row in the store, with the row's checksum.  Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from attrs import define, field

from simplex_trio.errors import DecodeError
from simplex_trio.router.store.interface import (
    Filling,
    PutMessage,
    PutNotification,
    PutQueue,
    PutService,
    PutStatistics,
)
from simplex_trio.router.store.rows import (
    Columns,
    Row,
    Value,
    body_row,
    counter_row,
    head_row,
    link_row,
    notification_row,
    queue_row,
    read_body,
    read_counter,
    read_head,
    read_link,
    read_notification,
    read_queue,
    read_service,
    service_row,
)

__all__ = ["KINDS", "Tally", "decode_records", "encode_records"]

KINDS: Final[Mapping[bytes, str]] = MappingProxyType(
    {
        b"s": "services",
        b"q": "queues",
        b"l": "links",
        b"m": "messages",
        b"n": "notifications",
        b"c": "counters",
    }
)
"""The letters of records, and what they are called, in the order in which a store takes them.

A link comes in one record with its queue.
"""

_QUEUE_VALUES: Final = 18
_HEAD_VALUES: Final = 7
_INTEGER: Final = struct.Struct(">q")
_LENGTH: Final = struct.Struct(">I")


# --- writing ------------------------------------------------------------------------------------


def encode_records(change: Filling) -> Iterator[bytes]:
    """The records of a change: one, or one for each counter."""
    match change:
        case PutQueue(record, None):
            yield _encode(b"q", queue_row(record))
        case PutQueue(record, link_data):
            assert link_data is not None
            yield _encode(b"l", queue_row(record) + link_row(record.recipient_id, link_data))
        case PutMessage(recipient_id, head, body):
            yield _encode(b"m", head_row(recipient_id, head) + body_row(head.sequence, body))
        case PutService(service):
            yield _encode(b"s", service_row(service))
        case PutNotification(notification):
            yield _encode(b"n", notification_row(notification))
        case PutStatistics(counters):
            for name, value in counters.items():
                yield _encode(b"c", counter_row(name, value))


def _encode(kind: bytes, row: Row) -> bytes:
    return b"%b%c%b" % (kind, len(row), b"".join(map(_encode_value, row)))


def _encode_value(value: Value) -> bytes:
    if value is None:
        return b"n"
    if isinstance(value, bytes):
        return b"b" + _LENGTH.pack(len(value)) + value
    return b"i" + _INTEGER.pack(value)


# --- reading ------------------------------------------------------------------------------------


def decode_records(data: bytes) -> Iterator[tuple[bytes, Filling]]:
    """Records that follow each other, each with its change; raises `DecodeError`."""
    rest = memoryview(data)
    while rest:
        start = rest
        if len(rest) < 2:
            raise DecodeError("a record is cut short")
        kind, count = bytes(rest[:1]), rest[1]
        rest = rest[2:]
        row: list[Value] = []
        for _ in range(count):
            value, rest = _decode_value(rest)
            row.append(value)
        try:
            read = _READERS[kind]
        except KeyError as exc:
            raise DecodeError("a record of an unknown kind") from exc
        try:
            yield bytes(start[: len(start) - len(rest)]), read(row)
        except ValueError as exc:  # another number of values than the kind has
            raise DecodeError("a record with values of another kind") from exc


def _decode_value(rest: memoryview) -> tuple[Value, memoryview]:
    tag, rest = bytes(rest[:1]), rest[1:]
    if tag == b"n":
        return None, rest
    try:
        if tag == b"i":
            (number,) = _INTEGER.unpack(rest[: _INTEGER.size])
            return number, rest[_INTEGER.size :]
        if tag == b"b":
            (length,) = _LENGTH.unpack(rest[: _LENGTH.size])
            end = _LENGTH.size + length
            value = bytes(rest[_LENGTH.size : end])
            if len(value) == length:
                return value, rest[end:]
    except struct.error as exc:
        raise DecodeError("a value is cut short") from exc
    raise DecodeError("a value of an unknown kind, or cut short")


def _read_linked(row: Columns) -> PutQueue:
    queue, link = row[:_QUEUE_VALUES], row[_QUEUE_VALUES:]
    return PutQueue(read_queue(queue), read_link(link))


def _read_message(row: Columns) -> PutMessage:
    head, body = row[:_HEAD_VALUES], row[_HEAD_VALUES:]
    return PutMessage(*read_head(head), read_body(body))


def _read_counter(row: Columns) -> PutStatistics:
    name, value = read_counter(row)
    return PutStatistics({name: value})


_READERS: Final[Mapping[bytes, Callable[[Columns], Filling]]] = MappingProxyType(
    {
        b"s": lambda row: PutService(read_service(row)),
        b"q": lambda row: PutQueue(read_queue(row)),
        b"l": _read_linked,
        b"m": _read_message,
        b"n": lambda row: PutNotification(read_notification(row)),
        b"c": _read_counter,
    }
)


# --- comparing ----------------------------------------------------------------------------------

_MODULUS: Final = 2**256


@define
class Tally:
    """How many records of each kind there are, and a checksum of each kind.

    The checksum is the sum of the hashes of all records, so that it does not depend on their order:
    each store has its own.
    """

    counts: dict[str, int] = field(factory=lambda: dict.fromkeys(KINDS.values(), 0))
    _sums: dict[bytes, int] = field(factory=lambda: dict.fromkeys(KINDS, 0))

    def add(self, records: Iterable[bytes]) -> None:
        """Count records of `encode_records`."""
        for record in records:
            kind = record[:1]
            number = int.from_bytes(sha256(record).digest(), "big")
            self._sums[kind] = (self._sums[kind] + number) % _MODULUS
            self.counts[KINDS[kind]] += 1
            if kind == b"l":
                self.counts["queues"] += 1

    @property
    def checksums(self) -> dict[str, str]:
        """The checksum of each kind, in hexadecimal."""
        return {KINDS[kind]: f"{value:064x}" for kind, value in self._sums.items()}

    @property
    def total(self) -> int:
        """How many records there are."""
        return sum(self.counts.values()) - self.counts["links"]
