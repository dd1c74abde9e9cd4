from __future__ import annotations

import pytest

from tests.bench.figures import Figures, Point, typical


def test_single_operations_give_a_rate_and_percentiles() -> None:
    figures = Figures.of_each([0.001] * 90 + [0.003] * 10)
    assert figures.rate == pytest.approx(100 / 0.12)
    assert figures.p50 == pytest.approx(0.001)
    assert figures.p95 == pytest.approx(0.003)


def test_one_operation_is_its_own_percentile() -> None:
    assert Figures.of_each([0.5]) == Figures(rate=2.0, p50=0.5, p95=0.5)


def test_operations_done_together_have_only_a_rate() -> None:
    assert Figures.of_all(10, 2.0) == Figures(rate=5.0)


@pytest.mark.parametrize(
    ("ours", "theirs", "times"),
    [
        (Figures(rate=30.0), Figures(rate=10.0), 3.0),
        (Figures(p50=0.001), Figures(p50=0.004), 4.0),
        (Figures(resident_kib=100.0), Figures(resident_kib=150.0), 1.5),
        (Figures(rate=30.0), Figures(p50=0.1), None),
        (Figures(), Figures(), None),
    ],
)
def test_more_operations_and_less_of_all_else_is_better(
    ours: Figures, theirs: Figures, times: float | None
) -> None:
    assert ours.times_better_than(theirs) == times


@pytest.mark.parametrize(
    "figures",
    [
        Figures(),
        Figures(rate=1.5, p50=0.25, p95=0.5, bare=2.0),
        Figures(rate=1.5, cpu_us=12.5, router_cpu_us=80.0),
        Figures(resident_kib=200.0, python_kib=100.0),
        Figures(longest=0.25, collector=0.5),
        Figures(rate=9.0, points=(Point(1, 3.0), Point(10, 9.0))),
    ],
)
def test_json_there_and_back(figures: Figures) -> None:
    assert Figures.from_json(figures.to_json()) == figures


def test_the_typical_run_is_the_one_in_the_middle() -> None:
    slow, middle, fast = Figures(rate=1.0), Figures(rate=2.0), Figures(rate=9.0)
    assert typical([fast, slow, middle]) == middle
    assert typical([Figures(resident_kib=3.0)]) == Figures(resident_kib=3.0)
