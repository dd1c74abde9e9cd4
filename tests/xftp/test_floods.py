"""How much useless traffic a connection may cause."""

from __future__ import annotations

from simplex_trio.xftp.http2.floods import FloodGuard


def test_a_burst_and_no_more() -> None:
    guard = FloodGuard(burst=10, per_second=1)
    assert all(guard.spend(1, 0) for _ in range(10))
    assert not guard.spend(1, 0)


def test_it_refills_with_time_up_to_the_burst() -> None:
    guard = FloodGuard(burst=10, per_second=2)
    assert guard.spend(10, 100)
    assert guard.spend(2, 101)
    assert not guard.spend(1, 101)
    assert guard.spend(10, 1000)
    assert not guard.spend(1, 1000)


def test_work_pays() -> None:
    guard = FloodGuard(burst=10, per_second=0)
    for _ in range(100):
        assert guard.spend(2, 0)
        guard.earn(2)
    assert guard.spend(10, 0)
    assert not guard.spend(1, 0)
