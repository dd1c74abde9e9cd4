"""Parties beside each other, and what they say to each other, the earliest on top.

A source begins with a line that names the parties, and says what to write above each if that is
something else.  After an empty line come statements, one a line::

    Alice (blue) | A = The router of A | Bob (green)

    Alice: makes an invitation
    Alice -> A: NEW
    & Bob: waits
    A..Bob: what both of them know
    --: later

A line that begins with ``&`` is level with the one before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile

from attrs import define, field, frozen

from drawings.shapes import NARROW, WIDE, Area, Box, Drawing, Item, Label, Line, Look, Tone
from drawings.source import SourceError, Text, arrow, statements, toned
from drawings.text import Style

__all__ = ["drawings"]

_MARGIN = 14.0
_PAD = 7.0
_ROW = 13.0
"""Between what is said and what comes next."""
_LEAST = 62.0
"""What a label has, even if its arrow is shorter."""
_LEAST_NOTE = 112.0
"""What a note has, even if its lane is narrower."""


@frozen
class _Lane:
    name: str
    head: Text
    tone: Tone


@define
class _Layout:
    """What has been laid out so far."""

    lanes: Sequence[_Lane]
    centers: Mapping[str, float]
    spacing: float
    top: float
    """Where the row begins that is laid out."""
    bottom: float
    """Where it ends, as far as is known."""
    items: list[Item] = field(factory=list)

    @property
    def half(self) -> float:
        """Half of what a lane has for itself."""
        return self.spacing / 2 - 3


def drawings(lines: Sequence[str]) -> Mapping[str, Drawing]:
    """The drawing of a source for wide screens, and for narrow ones."""
    head = list(takewhile(str.strip, lines))
    lanes = [_lane(part) for part in " ".join(head).split("|")]
    said = list(statements(lines[len(head) :]))
    return {kind: _draw(lanes, said, limit) for kind, limit in _LIMITS.items()}


_LIMITS = {"wide": WIDE, "narrow": NARROW}


def _lane(text: str) -> _Lane:
    named, _, head = text.partition(" = ")
    name, tone = toned(named)
    return _Lane(name, Text.parse(head or name), tone)


def _draw(lanes: Sequence[_Lane], said: Sequence[tuple[str, str]], limit: float) -> Drawing:
    spacing = (limit - 2 * _MARGIN) / len(lanes)
    centers = {lane.name: spacing * (number + 0.5) for number, lane in enumerate(lanes)}
    heads = [lane.head.fitted(spacing - 2 * _PAD - 4) for lane in lanes]
    height = max(head.height for head in heads) + 2 * _PAD
    layout = _Layout(lanes, centers, spacing, height + _ROW, height + _ROW)
    for subject, text in said:
        _add(layout, subject, text)
    end = layout.bottom + _ROW
    below: list[Item] = []
    for lane, head in zip(lanes, heads, strict=True):
        x = centers[lane.name]
        half = min(head.width / 2 + 12, spacing / 2 - 2)
        area = Area(x - half, 0, x + half, height)
        below += [
            Line([(x, height), (x, end)], kind="life"),
            Box(area, Look.BOX, lane.tone),
            *head.centered(area),
        ]
    return Drawing.of([*below, *layout.items], _MARGIN)


def _add(layout: _Layout, subject: str, text: str) -> None:
    if subject.startswith("&"):
        subject = subject[1:].strip()
    else:
        layout.top = layout.bottom + _ROW
    name, tone = toned(subject)
    if name == "--":
        _pause(layout, text)
    elif found := arrow(name):
        one, other = _center(layout, found.one), _center(layout, found.other)
        start, end = (found.starts, found.ends)
        room = max(abs(one - other) - 16, _LEAST)
        label = Text.parse(text, Style.LABEL).fitted(room)
        y = layout.top + label.height + 3
        layout.items.append(Line([(one, y), (other, y)], start, end, found.dashed, tone))
        layout.items.extend(label.labels((one + other) / 2, layout.top))
        layout.bottom = max(layout.bottom, y + 2)
    elif ".." in name:
        left, right = sorted(_center(layout, each.strip()) for each in name.split(".."))
        _note(layout, Area(left - layout.half, 0, right + layout.half, 0), text, tone)
    else:
        x = _center(layout, name)
        _note(layout, Area(x - layout.half, 0, x + layout.half, 0), text, tone)


def _center(layout: _Layout, name: str) -> float:
    if name not in layout.centers:
        raise SourceError(f"there is no lane {name!r}")
    return layout.centers[name]


def _note(layout: _Layout, span: Area, text: str, tone: Tone) -> None:
    fitted = Text.parse(text, Style.NOTE).fitted(max(span.width, _LEAST_NOTE) - 2 * _PAD)
    half = fitted.width / 2 + _PAD + 2
    if span.width > layout.spacing:
        half = max(half, span.width / 2)
    most = layout.spacing * len(layout.lanes)
    middle = min(max(span.middle, half), most - half)
    area = Area(middle - half, layout.top, middle + half, layout.top + fitted.height + 8)
    layout.items += [Box(area, Look.BOX, tone), *fitted.centered(area)]
    layout.bottom = max(layout.bottom, area.bottom)


def _pause(layout: _Layout, text: str) -> None:
    """A line across, with what happens meanwhile."""
    width = layout.spacing * len(layout.lanes)
    label = Label(width / 2, layout.top, text, Style.LABEL)
    y = layout.top + Label.height(Style.LABEL) / 2
    half = label.area.width / 2 + 8
    for left, right in ((0.0, width / 2 - half), (width / 2 + half, width)):
        layout.items.append(Line([(left, y), (right, y)], kind="grid"))
    layout.items.append(label)
    layout.bottom = max(layout.bottom, layout.top + Label.height(Style.LABEL))
