"""Blocks that come too slowly."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from simplex_trio.serving.deadlines import PromptStream

SIZE = 100
SECONDS = 10


def pair() -> tuple[trio.abc.Stream, PromptStream]:
    ours, theirs = memory_stream_pair()
    return ours, PromptStream(theirs, SIZE, SECONDS)


async def test_between_blocks_there_is_no_hurry(autojump_clock: MockClock) -> None:
    ours, prompt = pair()
    for _ in range(3):
        await ours.send_all(bytes(SIZE))
        assert len(await prompt.receive_some(SIZE)) == SIZE
        await trio.sleep(1000)
    with trio.move_on_after(1000) as waiting:
        await prompt.receive_some()
    assert waiting.cancelled_caught


async def test_a_block_in_pieces(autojump_clock: MockClock) -> None:
    ours, prompt = pair()
    received = b""
    for _ in range(10):
        await ours.send_all(bytes(SIZE // 5))
        received += await prompt.receive_some()
        await trio.sleep(SECONDS / 5.5)
    assert len(received) == 2 * SIZE


async def test_the_deadline_of_a_block_that_begins_with_the_end_of_another(
    autojump_clock: MockClock,
) -> None:
    ours, prompt = pair()
    for pieces, seconds in ((30, 6), (80, 6), (90, 0)):
        await ours.send_all(bytes(pieces))
        assert len(await prompt.receive_some(SIZE)) == pieces
        await trio.sleep(seconds)


async def test_a_block_that_is_late(autojump_clock: MockClock) -> None:
    ours, prompt = pair()
    await ours.send_all(bytes(SIZE + 1))
    await prompt.receive_some()
    with pytest.raises(trio.BrokenResourceError):
        await prompt.receive_some()
    assert trio.current_time() == pytest.approx(SECONDS)


async def test_a_block_that_drips(autojump_clock: MockClock) -> None:
    ours, prompt = pair()

    async def drip() -> None:
        while True:
            await ours.send_all(b"x")
            await trio.sleep(1)

    async def receive_all() -> None:
        while True:
            await prompt.receive_some()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drip)
        with pytest.raises(trio.BrokenResourceError):
            await receive_all()
        nursery.cancel_scope.cancel()
    assert trio.current_time() == pytest.approx(SECONDS)


async def test_the_rest_goes_through() -> None:
    ours, prompt = pair()
    await prompt.wait_send_all_might_not_block()
    await prompt.send_all(b"answer")
    assert await ours.receive_some() == b"answer"
    await prompt.aclose()
    assert await ours.receive_some() == b""
