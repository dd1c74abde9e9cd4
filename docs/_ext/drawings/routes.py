"""The way of an arrow from one box to another, along the axes."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from attrs import frozen

from drawings.shapes import Area

__all__ = ["Port", "Side", "route"]

Point = tuple[float, float]

_OUT = 20.0
"""How far an arrow goes around, that leaves and comes on the same side."""


class Side(Enum):
    """Where an arrow leaves a box, or comes to it."""

    LEFT = "left"
    TOP = "top"
    RIGHT = "right"
    BOTTOM = "bottom"

    @property
    def is_level(self) -> bool:
        """Whether an arrow leaves it to the left or right."""
        return self in (Side.LEFT, Side.RIGHT)


@frozen
class Port:
    """A box, and the side of it if a source says so."""

    area: Area
    side: Side | None = None

    def at(self, side: Side, along: float) -> Point:
        """A place on one of its sides."""
        match side:
            case Side.LEFT:
                return self.area.left, along
            case Side.RIGHT:
                return self.area.right, along
            case Side.TOP:
                return along, self.area.top
            case Side.BOTTOM:
                return along, self.area.bottom

    def middle(self, side: Side) -> Point:
        """The middle of one of its sides."""
        return self.at(side, self.area.center if side.is_level else self.area.middle)


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


def _guessed(one: Area, other: Area) -> tuple[Side, Side]:
    """The sides that face each other."""
    if one.left < other.right and other.left < one.right:
        return (Side.BOTTOM, Side.TOP) if one.top < other.top else (Side.TOP, Side.BOTTOM)
    if one.top < other.bottom and other.top < one.bottom:
        return (Side.RIGHT, Side.LEFT) if one.left < other.left else (Side.LEFT, Side.RIGHT)
    out = Side.RIGHT if one.left < other.left else Side.LEFT
    return out, Side.TOP if one.top < other.top else Side.BOTTOM


def route(one: Port, other: Port, share: float = 0.5) -> Sequence[Point]:
    """The corners of an arrow, the ends included.

    ``share`` is how far along the sides that face each other it is, if there are several.
    """
    guessed = _guessed(one.area, other.area)
    out, into = one.side or guessed[0], other.side or guessed[1]
    if out is into:
        return _around(one, other, out)
    if out.is_level != into.is_level:
        start, end = one.middle(out), other.middle(into)
        return [start, (end[0], start[1]) if out.is_level else (start[0], end[1]), end]
    low, high = _common(one.area, other.area, level=out.is_level)
    if low < high:
        along = _between(low, high, share)
        return [one.at(out, along), other.at(into, along)]
    start, end = one.middle(out), other.middle(into)
    if out.is_level:
        turn = (start[0] + end[0]) / 2
        return [start, (turn, start[1]), (turn, end[1]), end]
    turn = (start[1] + end[1]) / 2
    return [start, (start[0], turn), (end[0], turn), end]


def _common(one: Area, other: Area, *, level: bool) -> tuple[float, float]:
    if level:
        return max(one.top, other.top), min(one.bottom, other.bottom)
    return max(one.left, other.left), min(one.right, other.right)


def _around(one: Port, other: Port, side: Side) -> Sequence[Point]:
    start, end = one.middle(side), other.middle(side)
    match side:
        case Side.LEFT:
            turn = min(start[0], end[0]) - _OUT
        case Side.RIGHT:
            turn = max(start[0], end[0]) + _OUT
        case Side.TOP:
            turn = min(start[1], end[1]) - _OUT
        case Side.BOTTOM:
            turn = max(start[1], end[1]) + _OUT
    if side.is_level:
        return [start, (turn, start[1]), (turn, end[1]), end]
    return [start, (start[0], turn), (end[0], turn), end]
