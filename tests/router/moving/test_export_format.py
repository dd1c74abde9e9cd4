"""The format of exports: every damage is noticed, and what another version wrote is refused."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.errors import DecodeError, StoreCorrupted, StoreForeign
from simplex_trio.router.moving.export_format import (
    FRAME_HEAD,
    LARGEST_FRAME,
    MAGIC,
    ExportHeader,
    ExportReader,
    encode_end,
    encode_header,
    encode_portion,
)
from simplex_trio.router.moving.records import Tally, decode_records, encode_records
from simplex_trio.router.store.interface import Filling, PutMessage, PutQueue, PutStatistics
from tests.router.moving.support import EVERYTHING, filled
from tests.router.store.support import message, queue


async def everything() -> list[Filling]:
    changes: list[Filling] = []
    async with filled(EVERYTHING) as reading:
        while portion := await reading.portion():
            changes += portion
    return changes


def encode(changes: Sequence[Filling], *, frames: int = 1) -> bytes:
    """An export with its records spread over some frames."""
    records = [record for change in changes for record in encode_records(change)]
    tally = Tally()
    tally.add(records)
    size = -(-len(records) // frames) or 1
    parts = [encode_header(ExportHeader(is_complete=True, records=len(records)))]
    for start in range(0, len(records), size):
        parts += encode_portion(records[start : start + size])
    return b"".join([*parts, encode_end(tally)])


def decode(data: bytes) -> list[Filling]:
    """What a reader finds in a file with these bytes."""
    reader = ExportReader()
    reader.check_magic(data[: len(MAGIC)])
    rest, found = data[len(MAGIC) :], list[Filling]()
    while rest:
        head, rest = rest[: FRAME_HEAD.size], rest[FRAME_HEAD.size :]
        size = reader.frame_size(head)
        found += reader.feed(head, rest[:size])
        rest = rest[size:]
    reader.check_ended()
    return found


@pytest.mark.parametrize("frames", [1, 5, 100])
async def test_everything_comes_back(frames: int) -> None:
    changes = await everything()
    assert decode(encode(changes, frames=frames)) == changes


def test_an_empty_store_has_an_export() -> None:
    assert decode(encode([])) == []


def test_a_frame_takes_no_more_than_may_be_read() -> None:
    records = [next(iter(encode_records(message(number, size=16_000)))) for number in range(600)]
    frames = list(encode_portion(records))
    assert len(frames) == 3
    assert max(map(len, frames)) <= LARGEST_FRAME


def test_each_flipped_bit_is_noticed() -> None:
    data = encode([PutQueue(queue()), PutStatistics({"sent": 5})], frames=2)
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        with pytest.raises((StoreCorrupted, StoreForeign)):
            decode(bytes(damaged))


def test_each_end_that_is_too_early_is_noticed() -> None:
    data = encode([PutQueue(queue()), PutStatistics({"sent": 5})], frames=2)
    for length in range(len(data)):
        with pytest.raises((StoreCorrupted, StoreForeign)):
            decode(data[:length])


def test_frames_that_are_missing_or_too_many_are_noticed() -> None:
    changes = [PutQueue(queue("a")), PutQueue(queue("b"))]
    whole = encode(changes, frames=2)
    header, end = encode_header(ExportHeader(True, 2)), encode_end(Tally())
    (a,) = encode_portion(encode_records(changes[0]))
    assert a in whole
    for damaged in (
        whole.replace(a, b""),
        whole.replace(a, a + a),
        whole + end,
        whole + a,
        header + header[len(MAGIC) :] + end,
        MAGIC + a + end,
        header,
    ):
        with pytest.raises(StoreCorrupted):
            decode(damaged)


def test_the_order_of_records_does_not_matter_to_a_tally() -> None:
    records = [b"".join(encode_records(PutQueue(queue(name)))) for name in "abc"]
    forwards, backwards, doubled = Tally(), Tally(), Tally()
    forwards.add(records)
    backwards.add(reversed(records))
    assert forwards == backwards
    doubled.add([records[0], records[0], records[0]])
    assert forwards.counts == doubled.counts
    assert forwards != doubled


def test_a_later_version_is_refused() -> None:
    header = encode_header(ExportHeader(True))
    later = header.replace(b'"version": 1', b'"version": 2')
    head, rest = later[len(MAGIC) :][: FRAME_HEAD.size], later[len(MAGIC) + FRAME_HEAD.size :]
    rest = rest[:-4] + zlib.crc32(head + rest[:-4]).to_bytes(4, "big")
    with pytest.raises(StoreForeign, match="later version"):
        ExportReader().feed(head, rest)


def test_another_file_is_refused() -> None:
    with pytest.raises(StoreForeign, match="not an export"):
        decode(b"SQLite format 3\x00 and much more than that")


def test_no_memory_is_taken_for_a_length_that_cannot_be() -> None:
    with pytest.raises(StoreCorrupted, match="frame 0"):
        ExportReader().frame_size(FRAME_HEAD.pack(b"R", LARGEST_FRAME + 1))


@given(st.binary(max_size=200))
def test_no_bytes_break_the_decoder(data: bytes) -> None:
    with suppress(DecodeError):
        list(decode_records(data))


@given(st.binary(max_size=300))
def test_a_record_is_the_same_again(body: bytes) -> None:
    change = PutMessage(queue().recipient_id, message(1).head, body)
    (record,) = encode_records(change)
    assert list(decode_records(record)) == [(record, change)]
