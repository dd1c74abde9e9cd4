"""Boxes on a grid, with arrows between them and frames around them.

A source begins with a sketch: rows of names, one for each cell.  A name in several cells is one box
that has all of them, ``-`` is the name on its left again, and ``.`` is an empty cell.  After an
empty line come statements, one a line::

    callers  outbox  send
    callers  table   receive

    callers: Tasks of the program / that call methods
    outbox (blue): Outbox / `engine.outbox`
    callers -> outbox: requests
    table.right <- receive.left
    [outbox table send receive]: One cancel scope

The last one is a frame.  A box that is called ``(text)`` is that, without lines around it.  ``rows:
tight`` and ``columns: tight`` put boxes close together.  A second sketch, behind a line
``narrow:``, is for phones, and statements for one of the two layouts begin with ``wide`` or
``narrow``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from drawings.places import Placer
from drawings.routes import Port, route
from drawings.shapes import NARROW, WIDE, Area, Box, Drawing, Item, Line, Look
from drawings.sketch import Cells, Edge, Frame, Sketch, sketches
from drawings.source import Text

__all__ = ["drawings"]

_MARGIN = 16.0
_PAD_DOWN = 8.0
_GAP = 22.0
_AROUND = 13.0
"""Between a frame and what is in it."""
_ABOVE = 4.0
"""What there is more on its upper side, on which its title is."""
_WIDEST_COLUMN = 220
_NARROWEST_COLUMN = 40
"""What a column may take; a word that is longer takes what it needs."""
_TIGHT = 5.0


def drawings(lines: Sequence[str]) -> Mapping[str, Drawing]:
    """The drawing of a source for wide screens, and one for narrow ones if it has a sketch."""
    limits = {"wide": WIDE, "narrow": NARROW}
    return {kind: _draw(sketch, limits[kind]) for kind, sketch in sketches(lines).items()}


def _draw(sketch: Sketch, limit: float, *, aside: float = 0) -> Drawing:
    """Lay out what a source says, if possible within a width.

    ``aside`` is how much of that arrows need that go around boxes.
    """
    areas, texts = _boxes(sketch, limit, limit - 2 * _MARGIN - aside)
    frames = _frames(sketch, areas)
    arrows = _arrows(sketch, areas)
    lines = [line for _, line in arrows]
    left = min(area.left for area in (*areas.values(), *(area for _, area in frames)))
    placer = Placer(
        [*areas.values()],
        [area for _, area in frames],
        lines,
        span=(left, left + limit - 2 * _MARGIN),
    )
    for edge, line in arrows:
        placer.label(edge.label, line)
    for frame, area in frames:
        placer.title(frame.title, area)
    items: list[Item] = [Box(area, Look.FRAME, frame.tone) for frame, area in reversed(frames)]
    for name, area in areas.items():
        items.extend(_box(sketch, name, area, texts[name]))
    drawn = Drawing.of([*items, *lines, *placer.labels], _MARGIN)
    if drawn.width > limit and not aside:
        return _draw(sketch, limit, aside=drawn.width - limit)
    return drawn


def _box(sketch: Sketch, name: str, area: Area, text: Text) -> Iterator[Item]:
    """A box with its text, which begins at its left side where nothing is around it."""
    if name not in sketch.bare:
        yield Box(area, Look.BOX, sketch.tones[name])
        yield from text.centered(area)
    else:
        yield Box(area, Look.BARE)
        yield from text.labels(area.left, area.center - text.height / 2, anchor="start")


def _boxes(
    sketch: Sketch, limit: float, most: float
) -> tuple[Mapping[str, Area], Mapping[str, Text]]:
    """Where the boxes are, and their texts in as many lines as they need."""
    across, down = _gaps(sketch, limit)
    columns = list(_places(_widths(sketch, most - sum(across), across, limit), across))
    spans = {
        name: (columns[each.left][0], columns[each.right - 1][1])
        for name, each in sketch.cells.items()
    }
    texts = {
        name: sketch.texts[name].fitted(right - left + 0.1 - 2 * _padding(sketch, name, limit))
        for name, (left, right) in spans.items()
    }
    rows = list(_places(_heights(sketch, texts, down), down))
    areas = {
        name: Area(spans[name][0], rows[each.top][0], spans[name][1], rows[each.bottom - 1][1])
        for name, each in sketch.cells.items()
    }
    return areas, texts


def _places(sizes: Sequence[float], gaps: Sequence[float]) -> Iterator[tuple[float, float]]:
    """From where to where each of them goes; there is a gap before each, and one at the end."""
    place = 0.0
    for size, gap in zip(sizes, gaps, strict=False):
        place += gap
        yield place, place + size
        place += size


def _is_beside(one: Cells, other: Cells) -> bool:
    """Whether they have rows in common, and so a gap between columns between them."""
    return one.top < other.bottom and other.top < one.bottom


def _gaps(sketch: Sketch, limit: float) -> tuple[list[float], list[float]]:
    """How much there is before each column and each row, and behind the last."""
    gaps = {name: _TIGHT if name in sketch.tight else _GAP for name in ("columns", "rows")}
    across = [0.0, *([gaps["columns"]] * (sketch.columns - 1)), 0.0]
    down = [0.0, *([gaps["rows"]] * (sketch.rows - 1)), 0.0]
    for edge in sketch.edges:
        one, other = sketch.cells[edge.one], sketch.cells[edge.other]
        if not edge.label.lines:
            continue
        label = edge.label.fitted(_label_width(limit))
        if _is_beside(one, other):
            place = min(one.right, other.right)
            across[place] = max(across[place], label.width + 24)
        else:
            place = min(one.bottom, other.bottom)
            down[place] = max(down[place], label.height + 18)
    for place, more in _room_for_frames(sketch, across=True).items():
        across[place] += more
    for place, more in _room_for_frames(sketch, across=False).items():
        down[place] += more
    return across, down


def _label_width(limit: float) -> float:
    return 120 if limit > NARROW else 64


def _padding(sketch: Sketch, name: str, limit: float) -> float:
    """What a box has on either side of its text."""
    if name in sketch.bare:
        return 3
    return 11 if limit > NARROW else 7


def _room_for_frames(sketch: Sketch, *, across: bool) -> Mapping[int, float]:
    """What frames take before each column or row, those around others more than these."""
    starts: dict[tuple[str, ...], float] = {}
    ends: dict[tuple[str, ...], float] = {}
    spans = {frame.names: _span(sketch, frame.names, across=across) for frame in sketch.frames}
    for names in sorted(spans, key=len):  # inner ones first
        inside = [each for each in starts if set(each) < set(names)]
        first, last = spans[names]
        before = [starts[each] for each in inside if spans[each][0] == first]
        behind = [ends[each] for each in inside if spans[each][1] == last]
        starts[names] = max(before, default=0) + _AROUND + (0 if across else _ABOVE)
        ends[names] = max(behind, default=0) + _AROUND
    found: dict[int, float] = {}
    for place in {place for span in spans.values() for place in span}:
        before = [starts[names] for names, (first, _) in spans.items() if first == place]
        behind = [ends[names] for names, (_, last) in spans.items() if last == place]
        found[place] = max(before, default=0) + max(behind, default=0)
    return found


def _span(sketch: Sketch, names: Sequence[str], *, across: bool) -> tuple[int, int]:
    """The first column or row of some boxes, and the one behind the last."""
    cells = [sketch.cells[name] for name in names]
    if across:
        return min(each.left for each in cells), max(each.right for each in cells)
    return min(each.top for each in cells), max(each.bottom for each in cells)


def _widths(sketch: Sketch, room: float, gaps: Sequence[float], limit: float) -> list[float]:
    """How wide the columns are: as their texts ask for, in more lines if there is less room."""
    for most in range(_WIDEST_COLUMN, _NARROWEST_COLUMN, -6):
        widths = _widths_within(sketch, most, gaps, limit)
        if sum(widths) <= room:
            break
    return widths


def _widths_within(sketch: Sketch, most: float, gaps: Sequence[float], limit: float) -> list[float]:
    """How wide the columns are, if none is wider than this because of a text that can be broken."""
    widths = [0.0] * sketch.columns
    for name, cells in sorted(sketch.cells.items(), key=lambda each: each[1].right - each[1].left):
        span = range(cells.left, cells.right)
        between = sum(gaps[cells.left + 1 : cells.right])
        padding = 2 * _padding(sketch, name, limit)
        text = sketch.texts[name].fitted(most * len(span) + between - padding)
        missing = text.width + padding - between - sum(widths[each] for each in span)
        if missing > 0:
            for each in span:
                widths[each] += missing / len(span)
    return widths


def _heights(sketch: Sketch, texts: Mapping[str, Text], gaps: Sequence[float]) -> list[float]:
    heights = [0.0] * sketch.rows
    for name, cells in sorted(sketch.cells.items(), key=lambda each: each[1].bottom - each[1].top):
        span = range(cells.top, cells.bottom)
        between = sum(gaps[cells.top + 1 : cells.bottom])
        padding = 0 if name in sketch.bare else _PAD_DOWN
        wanted = texts[name].height + 2 * padding
        missing = wanted - between - sum(heights[each] for each in span)
        if missing > 0:
            for each in span:
                heights[each] += missing / len(span)
    return heights


def _frames(sketch: Sketch, areas: Mapping[str, Area]) -> list[tuple[Frame, Area]]:
    """Where the frames are, inner ones first."""
    known: list[tuple[Frame, Area]] = []
    for frame in sorted(sketch.frames, key=lambda each: len(each.names)):
        inside = [area for each, area in known if set(each.names) < set(frame.names)]
        around = Area.around([*(areas[name] for name in frame.names), *inside]).grown(_AROUND)
        top = around.top - _ABOVE
        known.append((frame, Area(around.left, top, around.right, around.bottom)))
    return known


def _arrows(sketch: Sketch, areas: Mapping[str, Area]) -> list[tuple[Edge, Line]]:
    """The ways of arrows; those between the same two boxes are beside each other."""
    by_pair: dict[frozenset[str], list[Edge]] = {}
    for edge in sketch.edges:
        by_pair.setdefault(frozenset((edge.one, edge.other)), []).append(edge)
    found: list[tuple[Edge, Line]] = []
    for edges in by_pair.values():
        for number, edge in enumerate(edges, start=1):
            ports = (Port(areas[edge.one], edge.sides[0]), Port(areas[edge.other], edge.sides[1]))
            points = route(*ports, number / (len(edges) + 1))
            shape = edge.arrow
            found.append((edge, Line(points, shape.starts, shape.ends, shape.dashed, edge.tone)))
    return found
