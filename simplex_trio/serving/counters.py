"""`Counters`: what a router counts over its whole life, across restarts.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

__all__ = ["Counters"]

CountT = TypeVar("CountT", bound=StrEnum)


class Counters(Generic[CountT]):
    """Numbers that only grow, by name.

    ``counts`` has the names, whose values are what the store and the metrics call them.  ``values``
    are those from before; counters with names unknown here, of another version, are kept.
    """

    def __init__(self, counts: type[CountT], values: Mapping[str, int] | None = None) -> None:
        self._values: dict[str, int] = {count.value: 0 for count in counts} | dict(values or {})

    def add(self, count: CountT, number: int = 1) -> None:
        """Count this many more."""
        self._values[count] += number

    def __getitem__(self, count: CountT) -> int:
        return self._values[count]

    def values(self) -> dict[str, int]:
        """All counters now."""
        return dict(self._values)
