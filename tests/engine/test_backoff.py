"""Waits between tries: the numbers, and when a series of tries is over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.engine.backoff import Backoff, Retries

STEADY = Backoff(jitter=0)


def waits(backoff: Backoff, count: int) -> list[float]:
    """The waits of something that fails at once, every time."""
    retries = Retries(backoff)
    now, found = 0.0, []
    for _ in range(count):
        retries.failed(now, 0.0)
        found.append(retries.wait(now))
        now += found[-1]
    return found


def test_waits_are_steady_for_ten_seconds_and_then_grow_to_ten_seconds() -> None:
    grown = [1.5, 2.25, 3.375, 5.0625, 7.59375, 10.0, 10.0]
    assert waits(STEADY, 17) == [1.0] * 10 + grown


def test_time_spent_trying_counts_as_passed() -> None:
    retries = Retries(STEADY)
    retries.failed(0.0, 0.0)
    retries.failed(45.0, 0.0)
    assert retries.wait(45.0) == 1.5


def test_jitter_only_shortens() -> None:
    backoff = Backoff(jitter=0.25)
    assert backoff.shortened(8.0, 0.0) == 8.0
    assert backoff.shortened(8.0, 1.0) == 6.0


def test_nothing_to_wait_for_at_first_and_after_a_success() -> None:
    retries = Retries(STEADY)
    assert retries.wait(100.0) == 0.0
    retries.failed(100.0, 0.0)
    assert retries.wait(100.25) == 0.75
    retries.succeeded(100.25)
    assert retries.wait(100.25) == 0.0


def test_what_lasted_is_tried_again_almost_at_once() -> None:
    retries = Retries(Backoff(jitter=0.5))
    retries.succeeded(0.0)
    retries.broke(10.0, 0.0)
    assert retries.wait(10.0) == 0.0
    retries.succeeded(10.0)
    retries.broke(20.0, 1.0)
    assert retries.wait(20.0) == 0.5


def test_what_breaks_at_once_is_tried_like_a_failure() -> None:
    retries = Retries(STEADY)
    now = 0.0
    found = []
    for _ in range(12):
        retries.succeeded(now)
        retries.broke(now, 0.0)
        found.append(retries.wait(now))
        now += found[-1]
    assert found == [1.0] * 10 + [1.5, 2.25]


def test_a_failure_after_a_long_success_starts_a_new_series() -> None:
    retries = Retries(STEADY)
    for second in range(20):
        retries.failed(float(second), 0.0)
    assert retries.wait(19.0) == 10.0
    retries.succeeded(30.0)
    retries.failed(40.0, 0.0)
    assert retries.wait(40.0) == 1.0


def test_reset_forgets_everything() -> None:
    retries = Retries(STEADY)
    for second in range(20):
        retries.failed(float(second), 0.0)
    retries.reset()
    assert retries.wait(19.0) == 0.0
    retries.failed(19.0, 0.0)
    assert retries.wait(19.0) == 1.0


@pytest.mark.parametrize("wrong", [{"initial": 0}, {"factor": 0.5}, {"jitter": 1.5}])
def test_what_cannot_be_right(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Backoff(**wrong)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["failed", "succeeded", "broke"]),
            st.floats(0, 60),
            st.floats(0, 1),
        )
    )
)
def test_no_wait_is_ever_longer_than_the_longest(steps: list[tuple[str, float, float]]) -> None:
    backoff = Backoff()
    retries = Retries(backoff)
    now = 0.0
    for what, passed, random in steps:
        now += passed
        match what:
            case "failed":
                retries.failed(now, random)
                assert retries.wait(now) >= backoff.initial * (1 - backoff.jitter) - 1e-6
            case "broke":
                retries.broke(now, random)
            case _:
                retries.succeeded(now)
        assert 0 <= retries.wait(now) <= backoff.maximum + 1e-6
