"""`Figures`: what one row came to."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import quantiles
from typing import Any, Self

from attrs import frozen

__all__ = ["Figures", "Point", "typical"]


@frozen
class Point:
    """One point of a row that is measured at several sizes."""

    size: int
    rate: float


@frozen
class Figures:
    """The outcome of a row, of which each row has the parts that mean something for it.

    ``rate`` is in operations per second, the percentiles are in seconds and of single operations.
    Processor time is in microseconds for each operation: of the process that measures, and of the
    router if that is one of our own.
    ``bare`` is how many times what the bare calls would have taken it took.  Memory is in KiB: what
    the process grew by for each thing that the row is about, or the most it ever held, and how much
    of that are Python's objects.  ``longest`` is for how many seconds the event loop was held up at
    most, and ``collector`` the longest garbage collection, which is not in it.
    """

    rate: float | None = None
    p50: float | None = None
    p95: float | None = None
    bare: float | None = None
    cpu_us: float | None = None
    router_cpu_us: float | None = None
    resident_kib: float | None = None
    python_kib: float | None = None
    longest: float | None = None
    collector: float | None = None
    points: tuple[Point, ...] = ()

    @classmethod
    def of_all(cls, count: int, seconds: float) -> Self:
        """Of operations that were done together."""
        return cls(rate=count / seconds)

    @classmethod
    def of_each(cls, seconds: Sequence[float]) -> Self:
        """Of operations that were done one after the other."""
        percentiles = quantiles(seconds, n=20, method="inclusive") if len(seconds) > 1 else None
        return cls(
            rate=len(seconds) / sum(seconds),
            p50=percentiles[9] if percentiles else seconds[0],
            p95=percentiles[18] if percentiles else seconds[0],
        )

    @property
    def cost(self) -> float:
        """What runs of the same row are ranked by: less is better."""
        if self.rate is not None:
            return 1 / self.rate
        return self.resident_kib or self.python_kib or 0.0

    def times_better_than(self, other: Figures) -> float | None:
        """How many times better this is, by the first figure that both have."""
        for ours, theirs, more_is_better in (
            (self.rate, other.rate, True),
            (self.p50, other.p50, False),
            (self.resident_kib, other.resident_kib, False),
        ):
            if ours and theirs:
                return ours / theirs if more_is_better else theirs / ours
        return None

    def to_json(self) -> dict[str, Any]:
        """The figures that are there, times in milliseconds."""
        found = {
            "rate": self.rate,
            "p50_ms": None if self.p50 is None else self.p50 * 1000,
            "p95_ms": None if self.p95 is None else self.p95 * 1000,
            "bare": self.bare,
            "cpu_us": self.cpu_us,
            "router_cpu_us": self.router_cpu_us,
            "resident_kib": self.resident_kib,
            "python_kib": self.python_kib,
            "longest_ms": None if self.longest is None else self.longest * 1000,
            "collector_ms": None if self.collector is None else self.collector * 1000,
            "points": [[point.size, point.rate] for point in self.points] or None,
        }
        return {name: value for name, value in found.items() if value is not None}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Self:
        """What `to_json` wrote, or another program with the same names; other names are ignored."""

        def number(name: str, scale: float = 1.0) -> float | None:
            value = found.get(name)
            return None if value is None else float(value) * scale

        return cls(
            rate=number("rate"),
            p50=number("p50_ms", 0.001),
            p95=number("p95_ms", 0.001),
            bare=number("bare"),
            cpu_us=number("cpu_us"),
            router_cpu_us=number("router_cpu_us"),
            resident_kib=number("resident_kib"),
            python_kib=number("python_kib"),
            longest=number("longest_ms", 0.001),
            collector=number("collector_ms", 0.001),
            points=tuple(Point(int(size), float(rate)) for size, rate in found.get("points", ())),
        )


def typical(runs: Sequence[Figures]) -> Figures:
    """The run in the middle: a real one, rather than an average of things that did not happen."""
    return sorted(runs, key=lambda figures: figures.cost)[(len(runs) - 1) // 2]
