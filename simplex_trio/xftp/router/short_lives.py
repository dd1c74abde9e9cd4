"""`ShortLives`: packets that are kept for less than an hour, and when each was registered.  Pure.

Records have the hour of a registration alone, since a router should know no more than it needs.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator

__all__ = ["ShortLives"]


class ShortLives:
    """Packets in the order in which they were registered; as many as a router may have at most."""

    def __init__(self, most: int) -> None:
        self._registered: deque[tuple[float, bytes]] = deque(maxlen=min(most, sys.maxsize))

    def __len__(self) -> int:
        return len(self._registered)

    def add(self, sender_id: bytes, now: float) -> None:
        """Remember a packet that has just been registered."""
        self._registered.append((now, sender_id))

    def take_older(self, than: float) -> Iterator[bytes]:
        """Take out the packets that were registered before this time."""
        while self._registered and self._registered[0][0] <= than:
            yield self._registered.popleft()[1]

    @property
    def oldest(self) -> float | None:
        """When the oldest of them was registered."""
        return self._registered[0][0] if self._registered else None
