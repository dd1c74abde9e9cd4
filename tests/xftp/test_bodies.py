"""How long a body is waited for."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.errors import RequestTimeout
from simplex_trio.xftp.bodies import WaitBudget


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
