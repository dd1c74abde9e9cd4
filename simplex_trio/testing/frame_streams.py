"""`check_frame_stream`: whether a kind of `FrameStream` keeps its contract."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from typing import TypeAlias

import trio
from trio.testing import (
    MemoryReceiveStream,
    lockstep_stream_pair,
    memory_stream_pair,
    wait_all_tasks_blocked,
)

from simplex_trio.testing._cancelling import cancelled_at
from simplex_trio.transport.frames import FrameStream

__all__ = ["FRAME_STREAM_CHECKS", "FrameStreamCheck", "Wrap", "check_frame_stream"]

Wrap: TypeAlias = Callable[[trio.abc.Stream], FrameStream]
"""Makes a frame stream over one end of a connection, which it owns from then on."""

FrameStreamCheck: TypeAlias = Callable[[Wrap, Sequence[bytes]], Awaitable[None]]
"""One property, with a way to make frame streams and three frames to send."""


async def check_frame_stream(wrap: Wrap, frames: Sequence[bytes]) -> None:
    """Run a kind of frame stream through all that clients and routers rely on.

    ``wrap`` makes a frame stream over a `trio.abc.Stream`, here one in memory; ``frames`` are three
    different frames that it can send, each of at least two bytes.  Raises `AssertionError` where
    the stream does anything but what `FrameStream` says, and what it raises itself where it should
    not.

    It takes a fraction of a second, as long as nothing else in the program is busy.  Cancelling it
    leaves nothing behind.
    """
    if len(set(frames)) != 3:
        raise ValueError("three different frames are needed")
    for check in FRAME_STREAM_CHECKS:
        await check(wrap, frames)


@contextmanager
def _raises(expected: type[BaseException]) -> Iterator[None]:
    try:
        yield
    except expected:
        return
    raise AssertionError(f"{expected.__name__} was not raised")


def _pair(wrap: Wrap) -> tuple[FrameStream, FrameStream]:
    ours, theirs = memory_stream_pair()
    return wrap(ours), wrap(theirs)


async def _written(wrap: Wrap, frames: Sequence[bytes]) -> bytes:
    """What a stream writes for these frames."""
    ours, theirs = memory_stream_pair()
    await wrap(ours).send_frames(frames)
    received: MemoryReceiveStream = theirs.receive_stream
    return bytes(await received.receive_some())


async def _frames_go_both_ways_at_once(wrap: Wrap, frames: Sequence[bytes]) -> None:
    ours, theirs = lockstep_stream_pair()
    ends = wrap(ours), wrap(theirs)

    async def send(stream: FrameStream) -> None:
        for frame in frames:
            await stream.send_frames([frame])
        await stream.send_frames(iter(frames))

    async def receive(stream: FrameStream) -> None:
        for frame in (*frames, *frames):
            assert await stream.receive_frame() == frame

    async with trio.open_nursery() as nursery:
        for each in ends:
            nursery.start_soon(send, each)
            nursery.start_soon(receive, each)


async def _it_does_not_matter_how_bytes_are_split(wrap: Wrap, frames: Sequence[bytes]) -> None:
    data = await _written(wrap, frames)
    for size in {1, 7, max(1, len(data) // 5), max(1, len(data) // 2), len(data)}:
        ours, theirs = memory_stream_pair()
        stream = wrap(theirs)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send_in_pieces, ours, data, max(size, len(data) // 200))
            for frame in frames:
                assert await stream.receive_frame() == frame, f"in pieces of {size} bytes"


async def _send_in_pieces(stream: trio.abc.Stream, data: bytes, size: int) -> None:
    for start in range(0, len(data), size):
        await stream.send_all(data[start : start + size])
        await wait_all_tasks_blocked()


async def _frames_are_received_together_in_order(wrap: Wrap, frames: Sequence[bytes]) -> None:
    data = await _written(wrap, frames)
    for size in {max(1, len(data) // 5), len(data)}:
        ours, theirs = memory_stream_pair()
        stream = wrap(theirs)
        received: list[bytes] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send_in_pieces, ours, data, size)
            while len(received) < len(frames):
                together = await stream.receive_frames()
                assert together, "there is a frame in what is received"
                received += together
        assert received == list(frames), f"in pieces of {size} bytes"
        await ours.aclose()
        with _raises(trio.EndOfChannel):
            await stream.receive_frames()


async def _the_end_between_two_frames(wrap: Wrap, frames: Sequence[bytes]) -> None:
    ours, theirs = _pair(wrap)
    await ours.send_frames(frames[:1])
    await ours.aclose()
    assert await theirs.receive_frame() == frames[0]
    for _ in range(2):
        with _raises(trio.EndOfChannel):
            await theirs.receive_frame()


async def _the_end_inside_a_frame(wrap: Wrap, frames: Sequence[bytes]) -> None:
    whole, part = await _written(wrap, frames[:1]), await _written(wrap, frames[1:2])
    ours, theirs = memory_stream_pair()
    stream = wrap(theirs)
    await ours.send_all(whole + part[:-1])
    await ours.send_eof()
    assert await stream.receive_frame() == frames[0]
    for _ in range(2):
        with _raises(trio.BrokenResourceError):
            await stream.receive_frame()
    with _raises(trio.BrokenResourceError):
        await stream.send_frames(frames[2:])


async def _one_sender_and_one_receiver_at_a_time(wrap: Wrap, frames: Sequence[bytes]) -> None:
    ours, theirs = lockstep_stream_pair()
    stream = wrap(ours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_frames, frames[:1])
        nursery.start_soon(stream.receive_frame)
        await wait_all_tasks_blocked()
        with _raises(trio.BusyResourceError):
            await stream.send_frames(frames[1:2])
        with _raises(trio.BusyResourceError):
            await stream.receive_frame()
        # The ones that were there first are not disturbed.
        assert await wrap(theirs).receive_frame() == frames[0]
        nursery.cancel_scope.cancel()


async def _a_cancelled_receive_loses_nothing(wrap: Wrap, frames: Sequence[bytes]) -> None:
    await _cancel_receiving(wrap, frames, together=False)


async def _frames_together_survive_cancellation(wrap: Wrap, frames: Sequence[bytes]) -> None:
    await _cancel_receiving(wrap, frames, together=True)


async def _cancel_receiving(wrap: Wrap, frames: Sequence[bytes], *, together: bool) -> None:
    data = await _written(wrap, frames)
    for step in count():
        ours, theirs = memory_stream_pair()
        stream = wrap(theirs)
        received: list[bytes] = []

        async def receive(stream: FrameStream = stream, received: list[bytes] = received) -> None:
            while len(received) < len(frames):
                if together:
                    received += await stream.receive_frames()
                else:
                    received.append(await stream.receive_frame())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send_in_pieces, ours, data, max(1, len(data) // 7))
            with cancelled_at(step) as scope:
                await receive()
            await receive()
        assert received == list(frames), f"cancelled at its checkpoint {step}"
        if not scope.cancelled_caught:
            break


async def _a_write_cancelled_in_the_middle(wrap: Wrap, frames: Sequence[bytes]) -> None:
    ours, theirs = lockstep_stream_pair()
    stream = wrap(ours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_frames, frames[:1])
        await wait_all_tasks_blocked()
        assert await theirs.receive_some(1)
        nursery.cancel_scope.cancel()
    with _raises(trio.BrokenResourceError):
        await stream.send_frames(frames[1:2])
    with _raises(trio.BrokenResourceError):
        await stream.receive_frame()
    await stream.aclose()
    with _raises(trio.ClosedResourceError):
        await stream.send_frames(frames[1:2])


async def _a_write_cancelled_before_it_began(wrap: Wrap, frames: Sequence[bytes]) -> None:
    ours, theirs = _pair(wrap)
    with trio.CancelScope() as scope:
        scope.cancel()
        await ours.send_frames(frames[:1])
    assert scope.cancelled_caught, "sending is no checkpoint"
    await ours.send_frames(frames[1:2])
    assert await theirs.receive_frame() == frames[1]


async def _a_write_that_failed(wrap: Wrap, frames: Sequence[bytes]) -> None:
    ours, theirs = _pair(wrap)
    await theirs.aclose()
    with _raises(trio.BrokenResourceError):
        await ours.send_frames(frames[:1])
    with _raises(trio.BrokenResourceError):
        await ours.receive_frame()


async def _a_cancelled_write_is_whole_or_the_last(wrap: Wrap, frames: Sequence[bytes]) -> None:
    """Wherever a write is cancelled, what the other side sees next is a whole frame or the end."""
    first, second, _ = frames
    for step in count():
        ours, theirs = _pair(wrap)
        with cancelled_at(step) as scope:
            await ours.send_frames([first])
        with suppress(trio.BrokenResourceError):
            await ours.send_frames([second])
        await ours.aclose()
        received = []
        with suppress(trio.EndOfChannel):
            while True:
                received.append(await theirs.receive_frame())
        assert received in ([second], [first], [first, second], []), f"cancelled at {step}"
        if not scope.cancelled_caught:
            assert received == [first, second]
            break


async def _closing_ends_what_waits(wrap: Wrap, frames: Sequence[bytes]) -> None:
    ours, _ = lockstep_stream_pair()
    stream = wrap(ours)

    async def ends(call: Callable[[], Awaitable[object]]) -> None:
        with _raises(trio.ClosedResourceError):
            await call()

    send = partial(stream.send_frames, frames[:1])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ends, stream.receive_frame)
        nursery.start_soon(ends, send)
        await wait_all_tasks_blocked()
        await stream.aclose()
    await ends(stream.receive_frame)
    await ends(send)
    await stream.aclose()


FRAME_STREAM_CHECKS: tuple[FrameStreamCheck, ...] = (
    _frames_go_both_ways_at_once,
    _it_does_not_matter_how_bytes_are_split,
    _frames_are_received_together_in_order,
    _the_end_between_two_frames,
    _the_end_inside_a_frame,
    _one_sender_and_one_receiver_at_a_time,
    _a_cancelled_receive_loses_nothing,
    _frames_together_survive_cancellation,
    _a_write_cancelled_in_the_middle,
    _a_write_cancelled_before_it_began,
    _a_write_that_failed,
    _a_cancelled_write_is_whole_or_the_last,
    _closing_ends_what_waits,
)
"""What `check_frame_stream` runs, for test runners that name each."""
