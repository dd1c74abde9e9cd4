"""Messages behind their length: whole, bounded, and never half sent."""

from __future__ import annotations

import itertools

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MemoryReceiveStream, memory_stream_pair

from simplex_trio.errors import DecodeError, TooLarge
from simplex_trio.katzenpost.wire.framing import MAX_FRAME_SIZE, LengthPrefixedStream, framed


def stream_of(*pieces: bytes, end: bool = True) -> tuple[LengthPrefixedStream, MemoryReceiveStream]:
    """A stream whose reader finds these pieces, one at each read."""
    ours, theirs = memory_stream_pair()
    waiting = list(pieces)

    async def feed() -> None:
        if waiting:
            theirs.send_stream.send_all_hook = None
            ours.receive_stream.put_data(waiting.pop(0))
        elif end:
            ours.receive_stream.put_eof()

    ours.receive_stream.receive_some_hook = feed
    return LengthPrefixedStream(ours), ours.receive_stream


async def read_all(stream: LengthPrefixedStream) -> list[bytes]:
    frames = []
    while True:
        try:
            frames.append(await stream.receive_frame())
        except trio.EndOfChannel:
            return frames


@given(st.lists(st.binary(max_size=40), max_size=6), st.data())
def test_frames_come_back_however_they_are_cut(frames: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(map(framed, frames))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    places = [0, *cuts, len(whole)]
    pieces = [whole[a:b] for a, b in itertools.pairwise(places) if a < b]

    async def main() -> None:
        assert await read_all(stream_of(*pieces)[0]) == frames

    trio.run(main)


async def test_what_is_sent_arrives() -> None:
    ours, theirs = map(LengthPrefixedStream, memory_stream_pair())
    await ours.send_frames([b"one", b"", b"three"])
    assert [await theirs.receive_frame() for _ in range(3)] == [b"one", b"", b"three"]


async def test_a_frame_too_large_is_refused_by_its_length() -> None:
    stream, _source = stream_of((MAX_FRAME_SIZE + 1).to_bytes(4, "big"), end=False)
    with pytest.raises(DecodeError):
        await stream.receive_frame()
    with pytest.raises(trio.BrokenResourceError):
        await stream.receive_frame()


async def test_a_length_alone_allocates_nothing() -> None:
    stream, _source = stream_of(MAX_FRAME_SIZE.to_bytes(4, "big"), b"x" * 10)
    with pytest.raises(trio.BrokenResourceError):
        await stream.receive_frame()
    assert len(stream._received) == 14


async def test_the_largest_frame_passes() -> None:
    ours, theirs = map(LengthPrefixedStream, memory_stream_pair())
    largest = bytes(MAX_FRAME_SIZE)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours.send_frames, [largest])
        assert await theirs.receive_frame() == largest


async def test_what_the_other_side_would_refuse_is_not_sent() -> None:
    ours, theirs = map(LengthPrefixedStream, memory_stream_pair())
    with pytest.raises(TooLarge):
        await ours.send_frames([b"fine", bytes(MAX_FRAME_SIZE + 1)])
    await ours.send_frames([b"still usable"])
    assert await theirs.receive_frame() == b"still usable"


@pytest.mark.parametrize("part", [b"\0", b"\0\0\0\5", b"\0\0\0\5abcd"])
async def test_the_end_inside_a_frame(part: bytes) -> None:
    stream, _ = stream_of(framed(b"whole"), part)
    assert await stream.receive_frame() == b"whole"
    with pytest.raises(trio.BrokenResourceError):
        await stream.receive_frame()


async def test_cancelling_a_receive_loses_nothing(autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = memory_stream_pair()
    stream = LengthPrefixedStream(theirs)
    whole = framed(b"abc") + framed(b"def")
    for byte in whole[:-1]:
        await ours.send_all(bytes([byte]))
        with trio.move_on_after(1):
            assert await stream.receive_frame() == b"abc"
    await ours.send_all(whole[-1:])
    assert await stream.receive_frame() == b"def"


async def test_one_receiver_and_one_sender_at_a_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, _theirs = memory_stream_pair()
    stream = LengthPrefixedStream(ours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.receive_frame)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await stream.receive_frame()
        ours.send_stream.send_all_hook = trio.sleep_forever
        nursery.start_soon(stream.send_frames, [b"x"])
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await stream.send_frames([b"y"])
        nursery.cancel_scope.cancel()


async def test_a_cancelled_send_breaks_the_stream(autojump_clock: trio.testing.MockClock) -> None:
    ours, _ = memory_stream_pair()
    stream = LengthPrefixedStream(ours)
    ours.send_stream.send_all_hook = trio.sleep_forever
    with trio.move_on_after(1):
        await stream.send_frames([b"x"])
    with pytest.raises(trio.BrokenResourceError):
        await stream.send_frames([b"y"])
    assert "broken" in repr(stream)
    await stream.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await stream.receive_frame()
    assert "closed" in repr(stream)


async def test_cancelled_before_the_first_byte_nothing_is_broken() -> None:
    ours, theirs = map(LengthPrefixedStream, memory_stream_pair())
    with trio.CancelScope() as scope:
        scope.cancel()
        await ours.send_frames([b"x"])
    await ours.send_frames([b"y"])
    assert await theirs.receive_frame() == b"y"
