from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.serving.limits import TokenBucket


def test_burst_is_free_and_then_it_is_slow() -> None:
    bucket = TokenBucket(burst=3, per_second=10)
    assert [bucket.take(0) for _ in range(3)] == [0, 0, 0]
    assert bucket.take(0) == pytest.approx(0.1)
    assert bucket.take(0) == pytest.approx(0.2)


def test_tokens_come_back_up_to_the_burst() -> None:
    bucket = TokenBucket(burst=2, per_second=1)
    for _ in range(4):
        bucket.take(0)
    assert bucket.take(2) == pytest.approx(1)
    assert [bucket.take(1000) for _ in range(3)] == [0, 0, 1]


def test_who_does_not_wait_takes_what_is_there() -> None:
    bucket = TokenBucket(burst=2, per_second=1)
    assert [bucket.try_take(0) for _ in range(9)] == [True, True] + 7 * [False]
    assert [bucket.try_take(1) for _ in range(3)] == [True, False, False]


@given(st.lists(st.floats(0, 10), max_size=50))
def test_rate_holds_for_who_waits(pauses: list[float]) -> None:
    bucket = TokenBucket(burst=5, per_second=2)
    now = 0.0
    for number, pause in enumerate(pauses, start=1):
        now += pause
        now += bucket.take(now)
        assert number <= 5 + 2 * now + 1e-6
