"""What drawings are made of, and their SVG."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from html import escape
from itertools import pairwise
from math import hypot

from attrs import frozen

from drawings.text import Style, width_of

__all__ = [
    "NARROW",
    "STYLE",
    "WIDE",
    "Area",
    "Box",
    "Dot",
    "Drawing",
    "Item",
    "Label",
    "Line",
    "Look",
    "Tone",
    "svg",
]

WIDE = 736
"""Pixels that a page has for a drawing on a screen of ordinary size."""

NARROW = 350
"""Pixels that it has on a phone."""

_LINE_HEIGHT = 1.32
"""Of the font's size."""

_ROUNDING = 0.01
_CORNER = 8.0
_HEAD = 7.0
_RADIUS = 5.0


class Tone(Enum):
    """A color, which means the same throughout a drawing."""

    PLAIN = "plain"
    BLUE = "blue"
    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    VIOLET = "violet"
    GREY = "grey"


class Look(Enum):
    """What a box is for."""

    CARD = "card"
    """The ground of the whole drawing."""
    FRAME = "frame"
    """Around other boxes."""
    BOX = "box"
    BARE = "bare"
    """A place for text, without lines."""
    BAR = "bar"
    """An amount in a chart."""


@frozen
class Area:
    """A rectangle."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2

    @property
    def center(self) -> float:
        """How far down the middle is."""
        return (self.top + self.bottom) / 2

    def grown(self, by: float) -> Area:
        """With as much more on each side."""
        return Area(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def contains(self, other: Area) -> bool:
        """Whether another one is inside, edges included."""
        return (
            self.left <= other.left
            and self.top <= other.top
            and other.right <= self.right
            and other.bottom <= self.bottom
        )

    def overlaps(self, other: Area) -> bool:
        """Whether they share more than an edge."""
        return (
            self.left < other.right - _ROUNDING
            and other.left < self.right - _ROUNDING
            and self.top < other.bottom - _ROUNDING
            and other.top < self.bottom - _ROUNDING
        )

    @classmethod
    def around(cls, areas: Iterable[Area]) -> Area:
        """The smallest one that has all of these inside."""
        known = list(areas)
        return cls(
            min(each.left for each in known),
            min(each.top for each in known),
            max(each.right for each in known),
            max(each.bottom for each in known),
        )


@frozen
class Box:
    """A rectangle with a look and a color."""

    area: Area
    look: Look = Look.BOX
    tone: Tone = Tone.PLAIN

    def svg(self) -> str:
        area = self.area
        radius = {Look.CARD: 10, Look.BAR: 2}.get(self.look, 7)
        return (
            f'<rect class="d-{self.look.value} d-{self.tone.value}" x="{area.left:.1f}" '
            f'y="{area.top:.1f}" width="{area.width:.1f}" height="{area.height:.1f}" '
            f'rx="{radius}"/>'
        )


@frozen
class Label:
    """One line of text, around or beside a place."""

    x: float
    top: float
    text: str
    style: Style = Style.NOTE
    anchor: str = "middle"

    @staticmethod
    def height(style: Style) -> float:
        """What a line takes."""
        return style.value * _LINE_HEIGHT

    @property
    def area(self) -> Area:
        width = width_of(self.text, self.style)
        left = self.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor] * width
        return Area(left, self.top, left + width, self.top + self.height(self.style))

    def svg(self) -> str:
        baseline = self.top + self.style.value * 1.02
        return (
            f'<text class="d-{self.style.name.lower()}" x="{self.x:.1f}" '
            f'y="{baseline:.1f}" text-anchor="{self.anchor}">'
            f"{escape(self.text, quote=False)}</text>"
        )


@frozen
class Line:
    """A line through some points, with round corners, and the head of an arrow at either end."""

    points: Sequence[tuple[float, float]]
    starts: bool = False
    ends: bool = False
    dashed: bool = False
    tone: Tone = Tone.PLAIN
    kind: str = "arrow"

    def areas(self) -> Iterator[Area]:
        """The rectangles that it consists of, each without width or height."""
        for (x1, y1), (x2, y2) in pairwise(self.points):
            yield Area(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))

    def svg(self) -> str:
        dashed = " d-dashed" if self.dashed else ""
        parts = [f'<path class="d-{self.kind}{dashed} d-{self.tone.value}" d="{self._path()}"/>']
        if self.ends:
            parts.append(self._head(*self.points[-2], *self.points[-1]))
        if self.starts:
            parts.append(self._head(*self.points[1], *self.points[0]))
        return "".join(parts)

    def _path(self) -> str:
        points = list(self.points)
        parts = ["M{:.1f} {:.1f}".format(*points[0])]
        for before, (x, y), after in zip(points, points[1:], points[2:], strict=False):
            radius = min(_CORNER, _far(before, (x, y)) / 2, _far((x, y), after) / 2)
            (x1, y1), (x2, y2) = _toward((x, y), before, radius), _toward((x, y), after, radius)
            parts.append(f"L{x1:.1f} {y1:.1f}Q{x:.1f} {y:.1f} {x2:.1f} {y2:.1f}")
        parts.append("L{:.1f} {:.1f}".format(*points[-1]))
        return "".join(parts)

    def _head(self, x1: float, y1: float, x2: float, y2: float) -> str:
        length = hypot(x2 - x1, y2 - y1)
        along, across = (x2 - x1) / length, (y2 - y1) / length
        back = x2 - _HEAD * along, y2 - _HEAD * across
        half = _HEAD * 0.52
        one = back[0] - half * across, back[1] + half * along
        other = back[0] + half * across, back[1] - half * along
        corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in ((x2, y2), one, other))
        return f'<polygon class="d-head d-{self.tone.value}" points="{corners}"/>'


def _far(one: tuple[float, float], other: tuple[float, float]) -> float:
    return hypot(other[0] - one[0], other[1] - one[1])


def _toward(place: tuple[float, float], aim: tuple[float, float], by: float) -> tuple[float, float]:
    share = by / (_far(place, aim) or 1)
    return place[0] + (aim[0] - place[0]) * share, place[1] + (aim[1] - place[1]) * share


@frozen
class Dot:
    """A figure in a chart."""

    x: float
    y: float
    tone: Tone

    @property
    def area(self) -> Area:
        return Area(self.x, self.y, self.x, self.y).grown(_RADIUS)

    def svg(self) -> str:
        return (
            f'<circle class="d-dot d-{self.tone.value}" cx="{self.x:.1f}" cy="{self.y:.1f}" '
            f'r="{_RADIUS}"/>'
        )


Item = Box | Dot | Label | Line


@frozen
class Drawing:
    """Everything in a drawing, the lowest things first."""

    width: float
    height: float
    items: Sequence[Item]

    @classmethod
    def of(cls, items: Sequence[Item], margin: float = 18) -> Drawing:
        """A drawing on a card, with these things moved to where it begins."""
        around = Area.around(
            area
            for each in items
            for area in (each.areas() if isinstance(each, Line) else (each.area,))
        ).grown(margin)
        card = Box(around, Look.CARD)
        moved = [_moved(each, -around.left, -around.top) for each in (card, *items)]
        return cls(around.width, around.height, moved)


def _moved(item: Item, right: float, down: float) -> Item:
    match item:
        case Box(area, look, tone):
            moved = Area(area.left + right, area.top + down, area.right + right, area.bottom + down)
            return Box(moved, look, tone)
        case Dot(x, y, tone):
            return Dot(x + right, y + down, tone)
        case Label(x, top, text, style, anchor):
            return Label(x + right, top + down, text, style, anchor)
        case Line(points, starts, ends, dashed, tone, kind):
            places = [(x + right, y + down) for x, y in points]
            return Line(places, starts, ends, dashed, tone, kind)


_COLORS = {
    "light": {
        "ink": "#1b2030", "soft": "#525a6b", "line": "#6d7688", "card": "#f6f7f9",
        "edge": "#e2e5eb", "plain": "#ffffff", "plain-edge": "#b7becb", "blue": "#e0edff",
        "blue-edge": "#3d7fdb", "green": "#dff4e6", "green-edge": "#2f9455", "amber": "#fff0d0",
        "amber-edge": "#bd7f0d", "red": "#fde3df", "red-edge": "#cb4a3e", "violet": "#ece5fd",
        "violet-edge": "#7856c4", "grey": "#e9ecf1", "grey-edge": "#949cac",
    },
    "dark": {
        "ink": "#e8eaf0", "soft": "#aab2c2", "line": "#8b95a9", "card": "#1a1d24",
        "edge": "#2c313b", "plain": "#252a33", "plain-edge": "#566073", "blue": "#1b3252",
        "blue-edge": "#6aa2ee", "green": "#183a27", "green-edge": "#56bb7d", "amber": "#40300c",
        "amber-edge": "#d9a441", "red": "#48201c", "red-edge": "#e8796d", "violet": "#312650",
        "violet-edge": "#a78bea", "grey": "#2b303a", "grey-edge": "#717b8f",
    },
}  # fmt: skip


def _variables(scheme: str) -> str:
    return "".join(f"--d-{name}:{value};" for name, value in _COLORS[scheme].items())


def _rules() -> Iterator[str]:
    yield ".drawing-around{margin:1.2em 0;text-align:center}"
    yield f".drawing{{{_variables('light')}max-width:100%;height:auto}}"
    yield f"@media(prefers-color-scheme:dark){{.drawing{{{_variables('dark')}}}}}"
    for scheme in _COLORS:  # what the switch of a page says counts more than the system
        yield f"[data-theme={scheme}] .drawing{{{_variables(scheme)}}}"
    yield f"@media print{{.drawing,[data-theme] .drawing{{{_variables('light')}}}}}"
    yield '.drawing{font-family:system-ui,"Segoe UI",Roboto,Helvetica,Arial,sans-serif}'
    for style in Style:
        yield f".drawing .d-{style.name.lower()}{{font-size:{style.value:g}px;fill:var(--d-soft)}}"
    yield ".drawing .d-title{font-weight:600;fill:var(--d-ink)}"
    yield ".drawing .d-code,.drawing .d-name{font-family:ui-monospace,Menlo,Consolas,monospace}"
    yield ".drawing .d-name{font-weight:600;fill:var(--d-ink)}"
    yield ".drawing .d-label{fill:var(--d-ink);paint-order:stroke;stroke-width:4px;"
    yield "stroke:var(--d-card);stroke-linejoin:round}"
    yield ".drawing .d-card{fill:var(--d-card);stroke:var(--d-edge)}"
    yield ".drawing .d-bare{fill:none}"
    for tone in Tone:
        name = tone.value
        yield f".drawing .d-box.d-{name}{{fill:var(--d-{name});stroke:var(--d-{name}-edge)}}"
        yield f".drawing .d-frame.d-{name}{{fill:none;stroke:var(--d-{name}-edge);"
        yield "stroke-dasharray:5 4}"
        yield f".drawing .d-bar.d-{name},.drawing .d-dot.d-{name}{{fill:var(--d-{name}-edge)}}"
    yield ".drawing .d-arrow{fill:none;stroke:var(--d-line);stroke-width:1.5}"
    yield ".drawing .d-head{fill:var(--d-line)}"
    for tone in Tone:
        if tone is not Tone.PLAIN:
            yield f".drawing .d-arrow.d-{tone.value}{{stroke:var(--d-{tone.value}-edge)}}"
            yield f".drawing .d-head.d-{tone.value}{{fill:var(--d-{tone.value}-edge)}}"
    yield ".drawing .d-dashed{stroke-dasharray:5 4}"
    yield ".drawing .d-life{fill:none;stroke:var(--d-plain-edge);stroke-dasharray:2 4}"
    yield ".drawing .d-grid{fill:none;stroke:var(--d-edge)}"
    yield ".drawing .d-span{fill:none;stroke:var(--d-grey-edge);stroke-width:2}"
    yield ".d-narrow{display:none}"
    yield "@media(max-width:700px){.d-wide{display:none}.d-narrow{display:inline}}"


STYLE = "\n".join(_rules())
"""The rules for all drawings, which name nothing outside them."""


def svg(drawing: Drawing, alt: str, *, kind: str = "", style: str = STYLE) -> str:
    """A drawing as SVG, with its description, and with rules unless its page has them.

    Its classes begin with ``d-``, since pages have classes and rules of their own.
    """
    width, height = drawing.width, drawing.height
    classes = f"drawing d-{kind}" if kind else "drawing"
    parts = "\n".join(item.svg() for item in drawing.items)
    styled = f"<style>{style}</style>\n" if style else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{classes}" role="img" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.1f} {height:.1f}" '
        f'aria-label="{escape(alt)}">\n{styled}{parts}\n</svg>\n'
    )
