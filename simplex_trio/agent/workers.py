"""`Workers`: which servers have somebody who sees to their subscriptions.  Pure.

The rule: a worker is never started without work, there are never two for one server, and none ends
while there is work.  It holds because both questions take their place in the table and look at the
work in one step: whoever adds work asks `may_start` after adding it, and a worker that `goes_on`
does not let go on ends without doing anything else.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["Workers"]

KeyT = TypeVar("KeyT", bound=Hashable)


class Workers(Generic[KeyT]):
    """The servers that have a worker."""

    def __init__(self) -> None:
        self._working: set[KeyT] = set()

    def __len__(self) -> int:
        return len(self._working)

    def __contains__(self, key: object) -> bool:
        return key in self._working

    def __repr__(self) -> str:
        return f"<Workers: {len(self._working)}>"

    def may_start(self, key: KeyT, *, has_work: bool) -> bool:
        """Whether the caller must start a worker now, which is then in the table."""
        if not has_work or key in self._working:
            return False
        self._working.add(key)
        return True

    def goes_on(self, key: KeyT, *, has_work: bool) -> bool:
        """For a worker: whether it goes on; if not it is out of the table, and returns."""
        if not has_work:
            self._working.discard(key)
        return has_work
