"""Places for the labels of arrows and the titles of frames, where nothing else is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from drawings.shapes import Area, Label, Line
from drawings.source import Text

__all__ = ["Placer"]

_BESIDE = 6.0
"""Between an arrow and its label."""
_LEVEL = 30.0
"""How long the part of an arrow is at least that a label is above of."""
_WIDEST = 130.0
"""How wide a label is at most that is beside an arrow."""
_ON_EDGE = 12.0
"""How far from the corner of its frame a title begins."""

_Candidate = Sequence[Label]


class Placer:
    """Finds places one after the other; what has a place is in ``labels``.

    ``span`` is from where to where there is room.
    """

    def __init__(
        self, boxes: Sequence[Area], frames: Sequence[Area], lines: Sequence[Line], *,
        span: tuple[float, float],
    ) -> None:  # fmt: skip
        self._boxes, self._frames, self._lines = boxes, frames, lines
        self._left, self._right = span
        self.labels: list[Label] = []

    def label(self, text: Text, line: Line) -> None:
        """Place the label of an arrow: above what is level, or else beside it."""
        if text.lines:
            candidates = [list(each) for each in _beside(text, line.points)]
            self._place(candidates, [area for each in self._lines for area in each.areas()])

    def title(self, text: Text, frame: Area) -> None:
        """Place the title of a frame, on one of its edges."""
        half = text.height / 2
        left, right = frame.left + _ON_EDGE, frame.right - _ON_EDGE
        candidates = [
            list(text.labels(x, y - half, anchor=anchor))
            for y in (frame.top, frame.bottom)
            for x, anchor in ((left, "start"), (right, "end"), (frame.middle, "middle"))
        ]
        self._place(candidates, [area for each in self._lines for area in each.areas()], frame)

    def _place(
        self, candidates: Sequence[_Candidate], lines: Iterable[Area], own: Area | None = None
    ) -> None:
        edges = [edge for frame in self._frames if frame is not own for edge in _edges(frame)]
        taken = [*self._boxes, *(each.area for each in self.labels), *lines, *edges]
        taken = [each.grown(0.5) for each in taken]
        free = (
            each
            for each in candidates
            if not any(label.area.overlaps(area) for label in each for area in taken)
            and all(self._left <= label.area.left for label in each)
            and all(label.area.right <= self._right for label in each)
        )
        self.labels.extend(next(free, candidates[0]))


def _edges(area: Area) -> Iterator[Area]:
    corners = (
        (area.left, area.top), (area.right, area.top),
        (area.right, area.bottom), (area.left, area.bottom), (area.left, area.top),
    )  # fmt: skip
    return Line(corners).areas()


def _beside(text: Text, points: Sequence[tuple[float, float]]) -> Iterator[Iterator[Label]]:
    """Where the label of an arrow may be, the best place first."""
    parts = list(pairwise(points))
    (x1, y1), (x2, y2) = max(parts, key=lambda each: abs(each[0][0] - each[1][0]))
    if abs(x1 - x2) > _LEVEL:
        for margin in (10, -20):
            fitted = text.fitted(abs(x1 - x2) - margin)
            yield fitted.labels((x1 + x2) / 2, y1 - fitted.height - 3)
            yield fitted.labels((x1 + x2) / 2, y1 + 4)
    (x1, y1), (x2, y2) = max(parts, key=lambda each: abs(each[0][1] - each[1][1]))
    if y1 == y2:
        return
    for width in (_WIDEST, _WIDEST * 0.7, _WIDEST * 0.5):
        fitted = text.fitted(width)
        for share in (0.5, 0.35, 0.65, 0.25, 0.75):
            top = y1 + (y2 - y1) * share - fitted.height / 2
            yield fitted.labels(x1 + _BESIDE, top, anchor="start")
            yield fitted.labels(x1 - _BESIDE, top, anchor="end")
