"""Plots of a report, as SVG written by hand: bars for all rates, and a line for what scales.

Rates lie far apart, so both have logarithmic axes.  The file needs nothing to be looked at but a
browser, in light or dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from math import ceil, floor, log10

from attrs import frozen

from tests.bench.figures import Point
from tests.bench.report import Report
from tests.bench.rows import Rows

__all__ = ["svg"]

_WIDTH = 900
_LEFT = 210
_RIGHT = 90
_BAR = 14
_GAP = 10
_CHART = 260

_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #222 }
.title { font-weight: 600 } .small { font-size: 11px }
.grid { stroke: #ddd } .ours { fill: #2563eb; stroke: #2563eb } .theirs { fill: #d97706 }
.line { fill: none; stroke: #2563eb; stroke-width: 2 } .page { fill: #fff }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .grid { stroke: #444 } .page { fill: #16181d }
}
""".strip()


@frozen
class _LogAxis:
    """Numbers from one power of ten to another, laid out between two places."""

    low: int
    high: int
    start: float
    end: float

    @classmethod
    def around(cls, values: Iterable[float], start: float, end: float) -> _LogAxis:
        known = list(values)
        low, high = floor(log10(min(known))), ceil(log10(max(known)))
        return cls(low, max(high, low + 1), start, end)

    def at(self, value: float) -> float:
        share = (log10(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> Iterator[float]:
        return (10.0**exponent for exponent in range(self.low, self.high + 1))


def svg(report: Report, groups: Iterable[Rows], other: Report | None = None) -> str:
    """A picture of the report; ``other`` is another client's, drawn beside it."""
    rows = [row for group in groups for row in group if row.name in report.figures]
    parts: list[str] = []
    y = 30.0
    parts.append(_text(20, y, report.label, "title"))
    if other is not None:
        parts.append(f'<rect class="theirs" x="{_LEFT}" y="{y - 10}" width="12" height="12"/>')
        parts.append(_text(_LEFT + 18, y, other.label))
    rates = [(row.name, report.figures[row.name].rate) for row in rows]
    bars = [(name, rate) for name, rate in rates if rate]
    if bars:
        drawn, y = _bars(bars, other, y + 30)
        parts += drawn
    for row in rows:
        points = report.figures[row.name].points
        if len(points) > 1:
            drawn, y = _curve(f"{row.name}: {row.about}", points, y + 40)
            parts += drawn
    return _page(parts, y + 30)


def _page(parts: Iterable[str], height: float) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}">',
            f"<style>{_STYLE}</style>",
            f'<rect class="page" width="{_WIDTH}" height="{height:.0f}"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _bars(
    bars: Sequence[tuple[str, float]], other: Report | None, top: float
) -> tuple[list[str], float]:
    """Operations per second of each row; where the picture goes on below it."""
    theirs = {name: None if other is None else _rate_of(other, name) for name, _ in bars}
    known = [rate for _, rate in bars] + [rate for rate in theirs.values() if rate]
    axis = _LogAxis.around(known, _LEFT, _WIDTH - _RIGHT)
    parts = [_text(_LEFT, top, "operations per second", "small")]
    y = top + _GAP
    for name, rate in bars:
        drawn = [("ours", rate)]
        if their_rate := theirs[name]:
            drawn.append(("theirs", their_rate))
        parts.append(_text(_LEFT - 8, y + len(drawn) * _BAR / 2 + 4, name, anchor="end"))
        for kind, value in drawn:
            end = axis.at(value)
            parts.append(
                f'<rect class="{kind}" x="{_LEFT}" y="{y:.1f}" width="{end - _LEFT:.1f}"'
                f' height="{_BAR - 2}"/>'
            )
            parts.append(_text(end + 5, y + _BAR - 4, _rate(value), "small"))
            y += _BAR
        y += _GAP
    grid = [_line(axis.at(tick), top + _GAP / 2, axis.at(tick), y) for tick in axis.ticks()]
    labels = [_text(axis.at(tick), y + 16, _rate(tick), "small", "middle") for tick in axis.ticks()]
    return grid + parts + labels, y + 20


def _rate_of(report: Report, name: str) -> float | None:
    figures = report.figures.get(name)
    return None if figures is None else figures.rate


def _curve(title: str, points: Sequence[Point], top: float) -> tuple[list[str], float]:
    """A rate over sizes; where the picture goes on below it."""
    bottom = top + _CHART
    across = _LogAxis.around((point.size for point in points), _LEFT, _WIDTH - _RIGHT)
    up = _LogAxis.around((point.rate for point in points), bottom, top + 20)
    parts = [_text(20, top, title, "title")]
    for tick in across.ticks():
        parts.append(_line(across.at(tick), top + 20, across.at(tick), bottom))
        parts.append(_text(across.at(tick), bottom + 16, _rate(tick), "small", "middle"))
    for tick in up.ticks():
        parts.append(_line(_LEFT, up.at(tick), _WIDTH - _RIGHT, up.at(tick)))
        parts.append(_text(_LEFT - 8, up.at(tick) + 4, f"{_rate(tick)}/s", "small", "end"))
    places = [(across.at(point.size), up.at(point.rate)) for point in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts.append(f'<polyline class="line" points="{path}"/>')
    for (x, y), point in zip(places, points, strict=True):
        parts.append(f'<circle class="ours" cx="{x:.1f}" cy="{y:.1f}" r="3"/>')
        parts.append(_text(x, y - 8, _rate(point.rate), "small", "middle"))
    return parts, bottom + 20
