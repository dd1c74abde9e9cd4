"""Blocks over streams, beside what `test_frame_streams` has of all kinds of frames."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import (
    assert_checkpoints,
    lockstep_stream_pair,
    memory_stream_pair,
    wait_all_tasks_blocked,
)

from simplex_trio.transport.block_stream import BLOCKS_AT_ONCE, BlockStream
from tests.transport.support import tls_pair
from tests.transport.test_quick_ack import stream_pair

SIZE = 16


def block(number: int) -> bytes:
    return bytes([number]) * SIZE


def pair() -> tuple[BlockStream, BlockStream]:
    ours, theirs = memory_stream_pair()
    return BlockStream(ours, SIZE), BlockStream(theirs, SIZE)


@given(
    blocks=st.lists(st.binary(min_size=SIZE, max_size=SIZE), max_size=6),
    cuts=st.lists(st.integers(0, 6 * SIZE), max_size=12),
    rest=st.binary(max_size=SIZE - 1),
)
async def test_it_does_not_matter_where_the_bytes_are_split(
    blocks: list[bytes], cuts: list[int], rest: bytes
) -> None:
    ours, theirs = memory_stream_pair()
    data = b"".join(blocks) + rest
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})

    async def send() -> None:
        for start, stop in pairwise(places):
            await ours.send_all(data[start:stop])
            await wait_all_tasks_blocked()
        await ours.send_eof()

    stream = BlockStream(theirs, SIZE)
    received = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        for _ in blocks:
            received.append(await stream.receive_frame())
        with pytest.raises(trio.BrokenResourceError if rest else trio.EndOfChannel):
            await stream.receive_frame()
    assert received == blocks


async def test_blocks_that_arrived_together_are_received_together() -> None:
    ours, theirs = memory_stream_pair()
    stream = BlockStream(theirs, SIZE)
    sent = [block(number) for number in range(BLOCKS_AT_ONCE + 2)]
    await ours.send_all(b"".join(sent) + b"part of another")
    with assert_checkpoints():
        assert await stream.receive_frames() == sent[:BLOCKS_AT_ONCE]
    with assert_checkpoints():
        assert await stream.receive_frames() == sent[BLOCKS_AT_ONCE:]
    with trio.move_on_after(0):
        await stream.receive_frames()
    await ours.send_all(bytes(SIZE)[15:])
    assert await stream.receive_frames() == [(b"part of another" + bytes(SIZE))[:SIZE]]


async def test_blocks_sent_together_leave_in_one_write() -> None:
    ours, theirs = lockstep_stream_pair()
    sender = BlockStream(ours, SIZE)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender.send_frames, [block(1), block(2), block(3)])
        assert await theirs.receive_some() == block(1) + block(2) + block(3)


async def test_the_end_inside_a_block() -> None:
    ours, theirs = memory_stream_pair()
    stream = BlockStream(theirs, SIZE)
    await ours.send_all(block(1) + b"part")
    await ours.send_eof()
    assert await stream.receive_frame() == block(1)
    for _ in range(2):
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_frame()
    with pytest.raises(trio.BrokenResourceError):
        await stream.send_frames([block(2)])
    assert "broken" in repr(stream)


@pytest.mark.parametrize("size", [0, SIZE - 1, SIZE + 1])
async def test_a_block_of_another_size_is_not_sent(size: int) -> None:
    ours, theirs = pair()
    with pytest.raises(ValueError, match="block"):
        await ours.send_frames([block(1), bytes(size)])
    await ours.send_frames([block(2)])
    assert await theirs.receive_frame() == block(2)


def test_blocks_have_a_size() -> None:
    ours, _ = memory_stream_pair()
    with pytest.raises(ValueError, match="at least one byte"):
        BlockStream(ours, 0)


async def test_a_write_that_was_cancelled_in_the_middle_breaks_the_stream() -> None:
    ours, theirs = lockstep_stream_pair()
    stream = BlockStream(ours, SIZE)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_frames, [block(1)])
        await wait_all_tasks_blocked()
        assert await theirs.receive_some(3) == block(1)[:3]
        nursery.cancel_scope.cancel()
    with pytest.raises(trio.BrokenResourceError):
        await stream.send_frames([block(2)])
    with pytest.raises(trio.BrokenResourceError):
        await stream.receive_frame()
    await stream.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await stream.send_frames([block(2)])
    # The rest of this one may still come, but no other block follows.
    assert await theirs.receive_some() == block(1)[3:]
    assert await theirs.receive_some() == b""


async def test_a_closed_stream_says_so() -> None:
    ours, _ = pair()
    await ours.aclose()
    assert "closed" in repr(ours)


async def test_closing_does_not_wait_for_a_write_over_tls_that_goes_nowhere() -> None:
    client, _ = await tls_pair(lockstep_stream_pair())
    stream = BlockStream(client, SIZE)

    async def send() -> None:
        with pytest.raises((trio.ClosedResourceError, trio.BrokenResourceError)):
            await stream.send_frames([block(1)])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await wait_all_tasks_blocked()
        await stream.aclose()


async def test_blocks_over_tls_both_ways_at_once() -> None:
    size = 16_384
    client, server = await tls_pair()
    numbers = range(20)

    async def send(stream: BlockStream) -> None:
        await stream.send_frames(bytes([n]) * size for n in numbers[:10])
        for n in numbers[10:]:
            await stream.send_frames([bytes([n]) * size])

    async def receive(stream: BlockStream) -> None:
        for n in numbers:
            assert await stream.receive_frame() == bytes([n]) * size

    async with trio.open_nursery() as nursery:
        for tls in (client, server):
            stream = BlockStream(tls, size)
            nursery.start_soon(send, stream)
            nursery.start_soon(receive, stream)


async def tls_over_sockets() -> tuple[BlockStream, BlockStream]:
    client, server = await tls_pair(await stream_pair())
    return BlockStream(client, 16_384), BlockStream(server, 16_384)


async def test_blocks_over_tls_that_do_not_wait() -> None:
    ours, theirs = await tls_over_sockets()
    assert ours.sends_nowait
    async with ours, theirs:
        blocks = [bytes([number]) * 16_384 for number in range(200)]
        assert ours.send_frames_nowait(blocks[:1])
        assert await theirs.receive_frame() == blocks[0]
        done = 1
        while ours.send_frames_nowait(blocks[done : done + 8]):
            done += 8  # until the buffers of the system are full
        received: list[bytes] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.send_frames, ())
            await wait_all_tasks_blocked()
            assert not ours.sends_nowait  # another task is sending
            while len(received) < done + 7:
                received += await theirs.receive_frames()
        assert received == blocks[1 : done + 8]
        assert ours.sends_nowait
        with pytest.raises(ValueError, match="all have"):
            ours.send_frames_nowait([b"x"])
        assert ours.sends_nowait
    assert not ours.sends_nowait


def test_blocks_over_other_streams_always_wait() -> None:
    ours, _ = pair()
    assert not ours.sends_nowait
