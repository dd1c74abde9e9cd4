"""What makes the content of a copy command: requests for the elements of its stream.  Pure.

A copy command writes to any number of channels in one go.  What it is to write is put, as elements,
into the boxes of a temporary channel, and then a courier is told to carry it out.  The three
requests here make elements; the daemon keeps nothing between them, so what is left over of one
(`Elements.buffer`) is passed on to the next.
"""

from __future__ import annotations

from collections.abc import Sequence

from simplex_trio.errors import DecodeError, EncodeError, TooLarge
from simplex_trio.frozen import frozen
from simplex_trio.katzenpost.messages.capabilities import BoxIndex, WriteCap, check_bytes
from simplex_trio.katzenpost.messages.requests import Request, read_index
from simplex_trio.katzenpost.wire.fields import Fields
from simplex_trio.redaction import Redacted

__all__ = [
    "MAX_COPY_PAYLOAD",
    "CopyPayload",
    "Elements",
    "elements_of_payload",
    "elements_of_payloads",
    "elements_of_tombstones",
]

MAX_COPY_PAYLOAD = 10 * 1024 * 1024
"""Bytes for one destination in one request; the daemon takes no more."""

_MAX_COUNT = 2**32 - 1


@frozen(repr=False)
class CopyPayload(Redacted):
    """What to write to one channel, from which box on."""

    payload: bytes
    write_cap: WriteCap
    start_index: BoxIndex


@frozen(repr=False)
class Elements(Redacted):
    """A part of a copy stream: each element is the plaintext of one box of it, in order."""

    elements: tuple[bytes, ...]
    buffer: bytes
    """What did not fill an element; part of the stream's secrets."""
    next_indices: tuple[BoxIndex, ...]
    """For each destination, in order, the box after the last one that will be written."""


def _destination(payload: bytes) -> bytes:
    check_bytes("a payload", payload)
    if len(payload) > MAX_COPY_PAYLOAD:
        raise TooLarge(f"{len(payload)} bytes, where at most {MAX_COPY_PAYLOAD} can be copied")
    return payload


def _buffer(left_over: bytes) -> bytes | None:
    check_bytes("what was left over", left_over)
    return left_over or None


def elements_of_payload(
    destination: CopyPayload, *, is_start: bool, is_last: bool
) -> Request[Elements]:
    """Elements that write to one channel.

    They are complete by themselves, so the last one may be mostly empty.
    """

    def read(fields: Fields) -> Elements:
        next_index = read_index(fields, "next_dest_index")
        return Elements(fields.binaries("envelopes"), b"", (next_index,))

    request = {
        "payload": _destination(destination.payload),
        "dest_write_cap": destination.write_cap.raw,
        "dest_start_index": destination.start_index.raw,
        "is_start": is_start,
        "is_last": is_last,
    }
    return Request("create_courier_envelopes_from_payload", request, read)


def elements_of_payloads(
    destinations: Sequence[CopyPayload], *, is_start: bool, is_last: bool, buffer: bytes = b""
) -> Request[Elements]:
    """Elements that write to several channels, closely packed."""
    if not destinations:
        raise EncodeError("a copy needs at least one destination")

    def read(fields: Fields) -> Elements:
        indices = fields.binaries("next_dest_indices")
        if len(indices) != len(destinations):
            raise DecodeError("another number of destinations than was asked for")
        return Elements(
            fields.binaries("envelopes"), fields.binary("buffer"), tuple(map(BoxIndex, indices))
        )

    request = {
        "destinations": [
            {
                "payload": _destination(each.payload),
                "write_cap": each.write_cap.raw,
                "start_index": each.start_index.raw,
            }
            for each in destinations
        ],
        "is_start": is_start,
        "is_last": is_last,
        "buffer": _buffer(buffer),
    }
    return Request("create_courier_envelopes_from_multi_payload", request, read)


def elements_of_tombstones(
    write_cap: WriteCap,
    start_index: BoxIndex,
    count: int,
    *,
    is_start: bool,
    is_last: bool,
    buffer: bytes = b"",
) -> Request[Elements]:
    """Elements that delete what is in so many boxes of one channel.

    At least one box: asked for none, the daemon would drop ``buffer``.
    """
    if not 1 <= count <= _MAX_COUNT:
        raise EncodeError(f"from 1 to {_MAX_COUNT} boxes can be deleted, not {count}")

    def read(fields: Fields) -> Elements:
        next_index = read_index(fields, "next_dest_index")
        return Elements(fields.binaries("envelopes"), fields.binary("buffer"), (next_index,))

    request = {
        "dest_write_cap": write_cap.raw,
        "dest_start_index": start_index.raw,
        "max_count": count,
        "is_start": is_start,
        "is_last": is_last,
        "buffer": _buffer(buffer),
    }
    return Request("create_courier_envelopes_from_tombstone_range", request, read)
