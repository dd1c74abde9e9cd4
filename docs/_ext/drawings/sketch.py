"""What a source of boxes says: where they are, what is in them, between them and around them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from attrs import define, field, frozen

from drawings.routes import Side
from drawings.shapes import Tone
from drawings.source import Arrow, SourceError, Text, arrow, statements, toned
from drawings.text import Style

__all__ = ["Cells", "Edge", "Frame", "Sketch", "sketches"]

_BARE = " (text)"


@frozen
class Cells:
    """Where a box is in the grid: the first column and row, and those behind the last."""

    left: int
    top: int
    right: int
    bottom: int


@frozen
class Edge:
    """An arrow between two boxes, and on which sides if the source says so."""

    arrow: Arrow
    one: str
    other: str
    sides: tuple[Side | None, Side | None]
    label: Text
    tone: Tone


@frozen
class Frame:
    """What is around some boxes."""

    names: tuple[str, ...]
    title: Text
    tone: Tone


@define
class Sketch:
    """What a source says for one of the layouts."""

    cells: Mapping[str, Cells]
    columns: int
    rows: int
    texts: dict[str, Text] = field(factory=dict)
    tones: dict[str, Tone] = field(factory=dict)
    bare: set[str] = field(factory=set)
    edges: list[Edge] = field(factory=list)
    frames: list[Frame] = field(factory=list)
    tight: set[str] = field(factory=set)


def sketches(lines: Sequence[str]) -> Mapping[str, Sketch]:
    """What a source says for wide screens, and for narrow ones if there is something for these."""
    blocks = [
        list(block)
        for is_text, block in groupby(lines, key=lambda line: bool(line.strip()))
        if is_text
    ]
    if len(blocks) < 2:
        raise SourceError("a sketch, an empty line and statements are expected")
    grids = {"wide": blocks.pop(0)}
    if blocks[0][0].strip() == "narrow:":
        grids["narrow"] = blocks.pop(0)[1:]
    said = list(statements([line for block in blocks for line in block]))
    return {kind: _parsed(kind, grid, said) for kind, grid in grids.items()}


def _parsed(kind: str, grid: Sequence[str], said: Iterable[tuple[str, str]]) -> Sketch:
    rows = [_spelled_out(line.split()) for line in grid]
    if len({len(row) for row in rows}) != 1:
        raise SourceError(f"rows of the {kind} sketch have different lengths")
    places: dict[str, list[tuple[int, int]]] = {}
    for y, row in enumerate(rows):
        for x, name in enumerate(row):
            if name != ".":
                places.setdefault(name, []).append((x, y))
    cells = {
        name: Cells(
            min(x for x, _ in known), min(y for _, y in known),
            max(x for x, _ in known) + 1, max(y for _, y in known) + 1,
        )
        for name, known in places.items()
    }  # fmt: skip
    for name, each in cells.items():
        if len(places[name]) != (each.right - each.left) * (each.bottom - each.top):
            raise SourceError(f"the cells of {name!r} are no rectangle")
    sketch = Sketch(cells, len(rows[0]), len(rows))
    for subject, text in said:
        first, _, rest = subject.partition(" ")
        if first in ("wide", "narrow"):
            if first != kind:
                continue
            subject = rest
        _understand(sketch, subject, text)
    if missing := cells.keys() - sketch.texts.keys():
        raise SourceError(f"nothing says what is in {', '.join(sorted(missing))}")
    return sketch


def _spelled_out(row: Sequence[str]) -> Sequence[str]:
    names: list[str] = []
    for name in row:
        names.append(names[-1] if name == "-" and names else name)
    return names


def _understand(sketch: Sketch, subject: str, text: str) -> None:
    name, tone = toned(subject)
    if name in ("rows", "columns") and text == "tight":
        sketch.tight.add(name)
    elif name.startswith("["):
        names = tuple(name.strip("[]").split())
        _check_known(sketch, names)
        sketch.frames.append(Frame(names, Text.parse(text, Style.LABEL), tone))
    elif found := arrow(name):
        (one, side), (other, other_side) = map(_end, (found.one, found.other))
        _check_known(sketch, (one, other))
        label = Text.parse(text, Style.LABEL)
        sketch.edges.append(Edge(found, one, other, (side, other_side), label, tone))
    elif name.removesuffix(_BARE) in sketch.cells:
        is_bare = name.endswith(_BARE)
        if is_bare:
            name = name.removesuffix(_BARE)
            sketch.bare.add(name)
        sketch.texts[name] = Text.parse(text, Style.NOTE if is_bare else Style.TITLE)
        sketch.tones[name] = tone
    else:
        _check_known(sketch, (name,))


def _check_known(sketch: Sketch, names: Iterable[str]) -> None:
    for name in names:
        if name not in sketch.cells:
            raise SourceError(f"there is no box {name!r}")


def _end(text: str) -> tuple[str, Side | None]:
    name, _, side = text.partition(".")
    try:
        return name, Side(side) if side else None
    except ValueError:
        raise SourceError(f"a box has no side {side!r}") from None
