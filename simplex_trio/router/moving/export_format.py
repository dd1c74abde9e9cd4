"""The format of an export: a file with everything that a router keeps.  Pure.

The file begins with `MAGIC`.  Frames follow: a letter, the length of the payload in four bytes, the
payload, and a CRC-32 of all of these in four bytes.

| letter | payload |
|---|---|
| ``H`` | first: a JSON object with the version of the format, and whether the store was closed |
| ``R`` | any number: records of `simplex_trio.router.moving.records` |
| ``E`` | last: a JSON object with the number of records of each kind, and their checksums |

A file that is cut short has no ``E``, and one that lost records in between does not have its
numbers.  What another program made on purpose these do not notice: who can write the file can
write its checksums.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final, Self

from simplex_trio.errors import DecodeError, StoreCorrupted, StoreForeign
from simplex_trio.frozen import frozen
from simplex_trio.router.moving.records import KINDS, Tally, decode_records
from simplex_trio.router.store.interface import Filling
from simplex_trio.router.store.room import LARGEST_CHANGE

__all__ = [
    "FRAME_HEAD",
    "LARGEST_FRAME",
    "MAGIC",
    "VERSION",
    "ExportHeader",
    "ExportReader",
    "encode_end",
    "encode_header",
    "encode_portion",
    "frame_size",
]

MAGIC: Final = b"simplex-trio export\n"

VERSION: Final = 1
"""The version of the format that is written; later ones are refused."""

LARGEST_FRAME: Final = 4 * 1024 * 1024
"""Bytes of a payload.  For a length above this, which is damage, no memory is taken."""

_FULL: Final = LARGEST_FRAME - LARGEST_CHANGE
"""Bytes with which a frame takes no further record."""

FRAME_HEAD: Final = struct.Struct(">cI")
"""The letter and the length of the payload."""

_CHECKSUM: Final = struct.Struct(">I")


@frozen
class ExportHeader:
    """What an export says about itself."""

    is_complete: bool
    """Whether the store was closed, so that nothing came after what is in the export."""
    records: int | None = None
    """How many records there will be, if that was known."""


# --- writing ------------------------------------------------------------------------------------


def encode_header(header: ExportHeader) -> bytes:
    """The beginning of the file."""
    values = {"version": VERSION, "complete": header.is_complete, "records": header.records}
    return MAGIC + _frame(b"H", json.dumps(values).encode())


def encode_portion(records: Iterable[bytes]) -> Iterator[bytes]:
    """Frames with these records."""
    collected, size = [], 0
    for record in records:
        collected.append(record)
        size += len(record)
        if size > _FULL:
            yield _frame(b"R", b"".join(collected))
            collected, size = [], 0
    if collected:
        yield _frame(b"R", b"".join(collected))


def encode_end(tally: Tally) -> bytes:
    """The end of the file."""
    values = {"counts": tally.counts, "checksums": tally.checksums}
    return _frame(b"E", json.dumps(values).encode())


def _frame(letter: bytes, payload: bytes) -> bytes:
    framed = FRAME_HEAD.pack(letter, len(payload)) + payload
    return framed + _CHECKSUM.pack(zlib.crc32(framed))


# --- reading ------------------------------------------------------------------------------------


def frame_size(head: bytes) -> int:
    """How many bytes follow the head of a frame; raises `DecodeError`."""
    if len(head) != FRAME_HEAD.size:
        raise DecodeError("a frame is cut short")
    _, length = FRAME_HEAD.unpack(head)
    if length > LARGEST_FRAME:
        raise DecodeError("a frame is longer than any that is written")
    return int(length) + _CHECKSUM.size


class ExportReader:
    """Decodes an export frame by frame, and compares what it has with what its end says.

    All methods raise `StoreCorrupted`, with the number of the frame, and `StoreForeign` for a file
    of another kind or of a later version.
    """

    def __init__(self) -> None:
        self.header: ExportHeader | None = None
        self.tally: Tally = Tally()
        self.is_ended: bool = False
        self._frames = 0

    @staticmethod
    def check_magic(beginning: bytes) -> None:
        """Return if a file with this beginning is an export."""
        if beginning != MAGIC:
            raise StoreForeign("the file is not an export of a router")

    def frame_size(self, head: bytes) -> int:
        """How many bytes follow the head of the next frame."""
        try:
            return frame_size(head)
        except DecodeError as exc:
            raise self._damaged() from exc

    def feed(self, head: bytes, rest: bytes) -> tuple[Filling, ...]:
        """The changes in the next frame."""
        try:
            return self._decoded(head, rest)
        except DecodeError as exc:
            raise self._damaged() from exc
        finally:
            self._frames += 1

    def _decoded(self, head: bytes, rest: bytes) -> tuple[Filling, ...]:
        if len(rest) != frame_size(head):
            raise DecodeError("a frame is cut short")
        payload = rest[: -_CHECKSUM.size]
        if rest[-_CHECKSUM.size :] != _CHECKSUM.pack(zlib.crc32(head + payload)):
            raise DecodeError("a frame does not have its checksum")
        letter = head[:1]
        if self.is_ended or (letter == b"H") != (self.header is None):
            raise DecodeError("a frame in the wrong place")
        match letter:
            case b"H":
                self.header = self._read_header(payload)
            case b"R":
                records, changes = (
                    zip(*decode_records(payload), strict=True) if payload else ((), ())
                )
                self.tally.add(records)
                return changes
            case b"E":
                self._compare(_EndValues.read(payload))
                self.is_ended = True
            case _:
                raise DecodeError("a frame of an unknown kind")
        return ()

    def _read_header(self, payload: bytes) -> ExportHeader:
        values = _object(payload)
        version, is_complete, records = map(values.get, ("version", "complete", "records"))
        if not isinstance(version, int) or version < 1:
            raise DecodeError("a header without a version")
        if version > VERSION:
            raise StoreForeign("the export was written by a later version of this package")
        if not isinstance(is_complete, bool) or not isinstance(records, int | None):
            raise DecodeError("a header with values of another kind")
        return ExportHeader(is_complete, records)

    def _compare(self, end: _EndValues) -> None:
        if end.counts != self.tally.counts or end.checksums != self.tally.checksums:
            raise DecodeError("records are missing, or are more than the end of the file says")

    def check_ended(self) -> None:
        """Return if the file may end here."""
        if not self.is_ended:
            raise StoreCorrupted("the export ends too early")

    def _damaged(self) -> StoreCorrupted:
        return StoreCorrupted(f"the export, frame {self._frames}")


@frozen
class _EndValues:
    counts: dict[str, int]
    checksums: dict[str, str]

    @classmethod
    def read(cls, payload: bytes) -> Self:
        values = _object(payload)
        counts, checksums = values.get("counts"), values.get("checksums")
        if not isinstance(counts, dict) or not isinstance(checksums, dict):
            raise DecodeError("an end with values of another kind")
        if set(counts) != set(KINDS.values()):
            raise DecodeError("an end without the numbers of all kinds")
        return cls(counts, checksums)


def _object(payload: bytes) -> dict[str, Any]:
    try:
        values = json.loads(payload)
    except ValueError as exc:
        raise DecodeError("not JSON") from exc
    if not isinstance(values, dict):
        raise DecodeError("not a JSON object")
    return values
