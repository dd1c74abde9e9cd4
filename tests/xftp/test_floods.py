"""How much useless traffic a connection may cause."""

from __future__ import annotations

import pytest

from simplex_trio.xftp.http2.floods import FloodGuard, frame_cost
from simplex_trio.xftp.http2.frame_heads import FrameHead, FrameKind


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


def test_bodies_pay() -> None:
    guard = FloodGuard(burst=10, per_second=0)
    for _ in range(100):
        assert guard.spend(2, 0)
        guard.note_body(8192)
    assert guard.spend(10, 0)
    guard.note_body(1)
    assert not guard.spend(1, 0)


@pytest.mark.parametrize(
    ("kind", "length", "cost"),
    [
        (FrameKind.DATA, 0, 1),
        (FrameKind.DATA, 511, 1),
        (FrameKind.DATA, 512, 0),
        (FrameKind.HEADERS, 10_000, 1),
        (FrameKind.PRIORITY, 5, 2),
        (FrameKind.CONTINUATION, 0, 1),
        (200, 0, 1),
    ],
)
def test_costs(kind: int, length: int, cost: float) -> None:
    assert frame_cost(FrameHead(kind, length, length)) == cost
