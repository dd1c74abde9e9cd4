"""`Workers`: the servers with a running worker.  Pure.

A worker is never started without work, no server has two, and none ends while there is work.  This
holds because each question reads the table and the work in one step: `may_start` is called after
work was added, and a worker returns as soon as `goes_on` says no.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["Workers"]

KeyT = TypeVar("KeyT", bound=Hashable)


class Workers(Generic[KeyT]):
    """The servers with a running worker."""

    def __init__(self) -> None:
        self._working: set[KeyT] = set()

    def __len__(self) -> int:
        return len(self._working)

    def __contains__(self, key: object) -> bool:
        return key in self._working

    def __repr__(self) -> str:
        return f"<Workers: {len(self._working)}>"

    def may_start(self, key: KeyT, *, has_work: bool) -> bool:
        """Whether the caller must start a worker now; it is then in the table."""
        if not has_work or key in self._working:
            return False
        self._working.add(key)
        return True

    def goes_on(self, key: KeyT, *, has_work: bool) -> bool:
        """Whether a worker goes on; if not, it is out of the table and must return."""
        if not has_work:
            self._working.discard(key)
        return has_work
