"""Charts: amounts as bars, and two figures for each of several things on one axis.

The source of `bars` has groups, each with a title, and amounts with what is written beside them::

    client: 93 µs
    tasks: 44.1 µs, 47%
    requests: 17.4 µs, 19%

    router: 39 µs
    ...

`compared` draws two columns of a table.  Its source says what they have, their numbers, where the
names of the things are column 0, and what the figures are.  Figures lie far apart, so the axis is
logarithmic::

    here: 1
    the reference: 2
    µs of processor time; less is better
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from math import floor, log10

from attrs import frozen

from drawings.shapes import NARROW, WIDE, Area, Box, Dot, Drawing, Item, Label, Line, Look, Tone
from drawings.source import SourceError, statements
from drawings.text import Style, width_of

__all__ = ["Comparison", "bars", "compared"]

_MARGIN = 16.0
_BAR = 12.0
_GAP = 8.0
_BESIDE = 6.0
_LIMITS = {"wide": WIDE, "narrow": NARROW}
_TONES = (Tone.BLUE, Tone.AMBER)
_NUMBER = re.compile(r"-?[\d,]*\.?\d+")


def _number(text: str) -> float | None:
    """The figure that a text begins with."""
    found = _NUMBER.match(text.strip())
    return None if found is None else float(found[0].replace(",", ""))


# --- amounts -------------------------------------------------------------------------------------


@frozen
class _Amount:
    name: str
    text: str
    value: float


def bars(lines: Sequence[str]) -> Mapping[str, Drawing]:
    """Bars for the amounts of a source, all on one scale."""
    groups = [
        list(statements(list(block)))
        for is_text, block in groupby(lines, key=lambda line: bool(line.strip()))
        if is_text
    ]
    read = [(": ".join(title), [_amount(*each) for each in rest]) for title, *rest in groups]
    return {kind: _bars(read, limit) for kind, limit in _LIMITS.items()}


def _amount(name: str, text: str) -> _Amount:
    value = _number(text)
    if value is None:
        raise SourceError(f"{name!r} has no amount")
    return _Amount(name, text, value)


def _bars(groups: Sequence[tuple[str, Sequence[_Amount]]], limit: float) -> Drawing:
    amounts = [amount for _, known in groups for amount in known]
    beside = max(width_of(each.text, Style.LABEL) for each in amounts) + _BESIDE
    is_wide = limit > NARROW
    left = max(width_of(each.name, Style.NOTE) for each in amounts) + _BESIDE if is_wide else 0.0
    scale = (limit - 2 * _MARGIN - left - beside) / max(each.value for each in amounts)
    items: list[Item] = []
    y = 0.0
    for title, known in groups:
        items.append(Label(0, y, title, Style.TITLE, "start"))
        y += Label.height(Style.TITLE) + _GAP
        for amount in known:
            height = Label.height(Style.NOTE)
            if is_wide:
                items.append(Label(left - _BESIDE, y, amount.name, Style.NOTE, "end"))
            else:
                items.append(Label(0, y, amount.name, Style.NOTE, "start"))
                y += height
            end = left + max(amount.value * scale, 1)
            middle = y + height / 2
            bar = Area(left, middle - _BAR / 2, end, middle + _BAR / 2)
            items.append(Box(bar, Look.BAR, Tone.BLUE))
            top = middle - Label.height(Style.LABEL) / 2
            items.append(Label(end + _BESIDE, top, amount.text, Style.LABEL, "start"))
            y += height + 5
        y += 2 * _GAP
    return Drawing.of(items, _MARGIN)


# --- two figures ---------------------------------------------------------------------------------


@frozen
class _Pair:
    """The two figures of one thing."""

    name: str
    one: float
    other: float


@frozen
class Comparison:
    """What is compared: the names of two columns, their numbers, and what the figures are."""

    names: tuple[str, str]
    columns: tuple[int, int]
    unit: str

    @classmethod
    def parse(cls, lines: Sequence[str]) -> Comparison:
        """The source of a comparison."""
        said = list(statements(lines))
        if len(said) != 3 or not all(number.isdecimal() for _, number in said[:2]):
            raise SourceError("two columns with their numbers, and what they have, are expected")
        (one, first), (other, second), unit = said
        return cls((one, other), (int(first), int(second)), ": ".join(filter(None, unit)))

    def pairs(self, rows: Iterable[Sequence[str]]) -> Sequence[_Pair]:
        """The figures of a table, without rows that lack one."""
        found: list[_Pair] = []
        for row in rows:
            one, other = (_number(row[column]) for column in self.columns)
            if one and other:
                found.append(_Pair(row[0], one, other))
        return found


def compared(comparison: Comparison, rows: Iterable[Sequence[str]]) -> Mapping[str, Drawing]:
    """Both figures of each thing in a table, joined by a line."""
    pairs = comparison.pairs(rows)
    if not pairs:
        raise SourceError("no row has both figures")
    return {kind: _compared(comparison, pairs, limit) for kind, limit in _LIMITS.items()}


@frozen
class _Axis:
    """Numbers laid out between two places, each as far from the next as their ratio says."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The place of a number."""
        share = log10(value / self.low) / log10(self.high / self.low)
        return self.start + share * (self.end - self.start)

    @property
    def ticks(self) -> Sequence[float]:
        """The round numbers on it, and only powers of ten if there are many."""
        known = [step for step in _steps(self.low) if step <= self.high * 1.01]
        room = (self.end - self.start) / _LEAST_BETWEEN
        return known if len(known) <= room else [step for step in known if _is_power(step)]


_LEAST_BETWEEN = 48
"""Pixels between ticks."""


def _steps(low: float) -> Iterator[float]:
    """Round numbers, 1, 2, 5 and so on, from the last one that is not above ``low``."""
    power = floor(log10(low))
    steps = (
        10.0**exponent * factor for exponent in range(power, power + 12) for factor in (1, 2, 5)
    )
    known = list(steps)
    yield from known[max(number for number, step in enumerate(known) if step <= low) :]


def _is_power(value: float) -> bool:
    return log10(value).is_integer()


def _compared(comparison: Comparison, pairs: Sequence[_Pair], limit: float) -> Drawing:
    is_wide = limit > NARROW
    names = [pair.name for pair in pairs]
    left = max(width_of(each, Style.CODE) for each in names) + 16 if is_wide else 14.0
    values = [value for pair in pairs for value in (pair.one, pair.other)]
    low = next(_steps(min(values)))
    high = next(step for step in _steps(min(values)) if step > low and step >= max(values))
    right = limit - 2 * _MARGIN - width_of(_tick(high), Style.LABEL) / 2
    axis = _Axis(low, high, left, right)
    marks: list[Item] = []
    y = _legend(marks, comparison, limit) + _GAP
    top = y
    height = Label.height(Style.CODE)
    for pair in pairs:
        if is_wide:
            marks.append(Label(left - 16, y, pair.name, Style.CODE, "end"))
        else:
            marks.append(Label(0, y, pair.name, Style.CODE, "start"))
            y += height + 2
        middle = y + height / 2
        places = [(axis.at(value), middle) for value in (pair.one, pair.other)]
        marks.append(Line([(axis.start, middle), (axis.end, middle)], kind="grid"))
        marks.append(Line(places, kind="span"))
        marks.extend(
            Dot(x, middle, tone) for (x, _), tone in reversed([*zip(places, _TONES, strict=True)])
        )
        y += height + 6
    grid: list[Item] = []
    for tick in axis.ticks:
        grid.append(Line([(axis.at(tick), top - 2), (axis.at(tick), y)], kind="grid"))
        grid.append(Label(axis.at(tick), y + 3, _tick(tick), Style.LABEL))
    return Drawing.of([*grid, *marks], _MARGIN)


def _tick(value: float) -> str:
    return f"{value:,g}"


def _legend(marks: list[Item], comparison: Comparison, limit: float) -> float:
    """What the dots and the axis mean; returns where it ends."""
    x, y = 0.0, 0.0
    height = Label.height(Style.NOTE)
    for name, tone in zip(comparison.names, _TONES, strict=True):
        marks.append(Dot(x + 6, y + height / 2, tone))
        marks.append(Label(x + 16, y, name, Style.NOTE, "start"))
        x += 16 + width_of(name, Style.NOTE) + 18
    if x + width_of(comparison.unit, Style.NOTE) > limit - 2 * _MARGIN:
        x, y = 0.0, y + height + 2
    marks.append(Label(x, y, comparison.unit, Style.NOTE, "start"))
    return y + height
