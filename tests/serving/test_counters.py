"""Counters, and that they are stored."""

from __future__ import annotations

from enum import StrEnum

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.errors import StoreFull
from simplex_trio.serving.counters import Counters
from simplex_trio.serving.pace import Pace
from simplex_trio.serving.running import store_counters_regularly


class Count(StrEnum):
    SENT = "sent"
    LOST = "lost"


def test_they_begin_where_they_were() -> None:
    counters = Counters(Count, {"sent": 5, "of another version": 7})
    counters.add(Count.SENT)
    counters.add(Count.LOST, 2)
    assert (counters[Count.SENT], counters[Count.LOST]) == (6, 2)
    assert counters.values() == {"sent": 6, "lost": 2, "of another version": 7}
    counters.values()["sent"] = 0
    assert counters[Count.SENT] == 6


async def test_a_store_that_fails_is_asked_again(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[float] = []

    async def store() -> None:
        asked.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if len(asked) == 1:
            raise StoreFull("no room is left for the store")

    with trio.move_on_after(35):
        await store_counters_regularly(store, Pace(), lambda: 10)
    assert asked == pytest.approx([10, 20, 30])
    assert [each.message for each in caplog.records] == [
        "the counters could not be stored: no room is left for the store"
    ]
