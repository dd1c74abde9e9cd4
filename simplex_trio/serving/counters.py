"""`Counters`: what a router counts over its whole life, across restarts.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

__all__ = ["Counters"]

CountT = TypeVar("CountT", bound=StrEnum)


class Counters(Generic[CountT]):
    """Numbers that only grow, by name.

    ``counts`` is the enumeration of their names, as the store and the metrics have them.
    ``values`` are the stored counters; those with unknown names, of another version, are kept.
    """

    def __init__(self, counts: type[CountT], values: Mapping[str, int] | None = None) -> None:
        self._values: dict[str, int] = {count.value: 0 for count in counts} | dict(values or {})

    def add(self, count: CountT, number: int = 1) -> None:
        """Increase a counter."""
        self._values[count] += number

    def __getitem__(self, count: CountT) -> int:
        return self._values[count]

    def values(self) -> dict[str, int]:
        """All counters now."""
        return dict(self._values)
