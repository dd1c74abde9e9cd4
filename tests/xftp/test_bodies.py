"""How long a body is waited for."""

from __future__ import annotations

from typing import cast

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from simplex_trio.errors import RequestTimeout
from simplex_trio.xftp.bodies import BodyReader, WaitBudget
from simplex_trio.xftp.http2.stream import Http2Stream
from tests.xftp.support import cut


async def test_waiting_is_limited_each_time_and_in_all(mock_clock: MockClock) -> None:
    mock_clock.autojump_threshold = 0
    budget = WaitBudget(total=10, stall=4)

    async def come_after_a_while() -> None:
        await trio.sleep(3)

    with pytest.raises(RequestTimeout):
        await budget.wait_for(trio.sleep_forever)
    assert trio.current_time() == 4
    for _ in range(3):
        await budget.wait_for(come_after_a_while)
    with pytest.raises(RequestTimeout):
        await budget.wait_for(come_after_a_while)
    assert trio.current_time() == 14


async def test_what_is_seen_too_late_uses_up_the_budget(mock_clock: MockClock) -> None:
    """A busy program sees only after the time is up what had come before that."""
    budget = WaitBudget(total=1, stall=4)

    async def come() -> bytes:
        mock_clock.jump(2)
        return b"data"

    assert await budget.wait_for(come) == b"data"
    with pytest.raises(RequestTimeout):
        await budget.wait_for(trio.sleep_forever)


class Arrivals:
    """A body that arrives in the given pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    async def receive_arrived(self) -> list[bytes]:
        await trio.lowlevel.checkpoint()
        return [self._pieces.pop(0)] if self._pieces else []


def reader_of(*pieces: bytes) -> BodyReader:
    return BodyReader(cast("Http2Stream", Arrivals(*pieces)), WaitBudget(1e6, 1e6))


@given(st.binary(max_size=60), st.lists(st.integers(0, 60)), st.lists(st.integers(1, 25)))
async def test_pieces_of_any_size(body: bytes, places: list[int], sizes: list[int]) -> None:
    reader = reader_of(*filter(None, cut(body, places)))
    buffer = memoryview(bytearray(25))
    left = body
    for into, size in enumerate((*sizes, 25, 25, 25)):
        piece = await (reader.read_into(buffer[:size]) if into % 2 else reader.read_up_to(size))
        assert piece == left[:size]
        left = left[size:]
        assert await reader.at_end() == (not left)


async def test_a_piece_is_read_into_the_given_memory() -> None:
    memory = bytearray(5)
    piece = await reader_of(b"abc", b"def").read_into(memoryview(memory))
    assert bytes(piece) == b"abcde"
    piece[0] = 0
    assert memory == b"\0bcde"


async def test_reading_that_was_cancelled_goes_on_where_it_was() -> None:
    reader = reader_of(b"abc", b"def")
    buffer = memoryview(bytearray(6))
    with trio.CancelScope() as scope:
        scope.cancel()
        await reader.read_into(buffer)
    assert scope.cancelled_caught
    assert bytes(await reader.read_into(buffer)) == b"abcdef"
