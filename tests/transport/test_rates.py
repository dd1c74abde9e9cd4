"""How often connections may come from an address."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.transport.networks import Origin
from simplex_trio.transport.rates import Rates

HOME, AWAY = Origin(b"home"), Origin(b"away")


def test_a_burst_and_then_a_rate() -> None:
    rates = Rates(3, 2)
    assert [rates.take(HOME, 10) for _ in range(4)] == [True, True, True, False]
    assert rates.take(AWAY, 10)
    assert [rates.take(HOME, 10.5) for _ in range(2)] == [True, False]
    assert [rates.take(HOME, 100) for _ in range(4)] == [True, True, True, False]


def test_another_limit() -> None:
    rates = Rates(1, 1)
    assert rates.take(HOME, 0)
    assert not rates.take(HOME, 0)
    rates.change(3, 1)
    assert rates.take(HOME, 0)
    rates.change(1, 1)
    assert not rates.take(HOME, 1)
    assert rates.take(HOME, 2)


def test_what_is_whole_again_is_forgotten() -> None:
    rates = Rates(2, 1, most=3)
    for number in range(3):
        rates.take(Origin(bytes([number])), 0)
    assert len(rates) == 3
    rates.take(HOME, 0.5)  # one more than are remembered
    assert len(rates) == 3
    rates.take(HOME, 5)
    assert len(rates) == 1


@given(
    burst=st.integers(1, 20),
    per_second=st.floats(0.1, 100),
    gaps=st.lists(st.floats(0, 1), max_size=100),
)
def test_no_time_has_more_than_its_share(burst: int, per_second: float, gaps: list[float]) -> None:
    rates, now = Rates(burst, per_second), 0.0
    taken = []
    for gap in gaps:
        now += gap
        if rates.take(HOME, now):
            taken.append(now)
    for first, begun in enumerate(taken):
        for last in range(first, len(taken)):
            allowed = burst + (taken[last] - begun) * per_second
            assert last - first + 1 <= allowed + 1
