"""`Transaction`: what one decision changes, in the store and in memory.

The router decides in memory and at once, so that the next decision already builds on it; the store
hears of it a moment later, and may refuse.  So each change comes with the way back.  Decisions that
build on a refused one are taken back before it, in the opposite order.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import Factory, define

from simplex_trio.router.store.interface import Change

__all__ = ["Transaction"]


@define(eq=False)
class Transaction:
    """Changes that become durable together, already made in memory."""

    changes: list[Change] = Factory(list)
    _way_back: list[Callable[[], None]] = Factory(list)

    def __bool__(self) -> bool:
        return bool(self.changes)

    def add(self, change: Change, take_back: Callable[[], None]) -> None:
        """Note a change just made in memory, and what unmakes it there."""
        self.changes.append(change)
        self._way_back.append(take_back)

    def roll_back(self) -> None:
        """Unmake in memory what was noted, the latest first; nothing is left to be stored."""
        while self._way_back:
            self._way_back.pop()()
        self.changes.clear()
