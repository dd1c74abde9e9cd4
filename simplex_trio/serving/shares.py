"""`FairShares`: shares a limited number of open files among connections and addresses.  Pure.

Each body in transfer, and each page, is an open file for as long as the client takes.  Slow
clients must not use up the files that the process may open, nor those that other clients need.
So there are limits for the router and for a connection, and between the two a *fair share* for an
address: it may use as many as are still free.  One address gets half of all, two greedy ones a
third each, and so on, and another address always finds some free.

Addresses that are not public have no origin, and count as one: clients behind an onion service or a
reverse proxy share what one address gets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

__all__ = ["FairShares", "Share"]


class FairShares:
    """The shares of all connections of a router."""

    def __init__(self, limit: int, per_connection: int) -> None:
        self._limit = limit
        self._per_connection = per_connection
        self._by_origin: Counter[Hashable] = Counter()
        self.count: int = 0
        """How many are in use."""

    def change(self, limit: int, per_connection: int) -> None:
        """Apply other limits from now on; what is in use beyond them stays until it is returned."""
        self._limit = limit
        self._per_connection = per_connection

    def share(self, origin: Hashable) -> Share:
        """The share of a new connection; ``origin`` is its address as limits count it."""
        return Share(self, origin)

    def take(self, share: Share) -> bool:
        """What `Share.take` calls."""
        free = self._limit - self.count
        if share.count >= self._per_connection or self._by_origin[share.origin] >= free:
            return False
        self.count += 1
        self._by_origin[share.origin] += 1
        return True

    def give_back(self, share: Share) -> None:
        """What `Share.give_back` calls."""
        self.count -= 1
        self._by_origin[share.origin] -= 1
        if not self._by_origin[share.origin]:
            del self._by_origin[share.origin]


class Share:
    """What one connection uses."""

    def __init__(self, shares: FairShares, origin: Hashable) -> None:
        self.origin: Hashable = origin
        self.count: int = 0
        self._shares = shares

    def take(self) -> bool:
        """Take one more, unless a limit is reached; `give_back` returns it."""
        if not self._shares.take(self):
            return False
        self.count += 1
        return True

    def give_back(self) -> None:
        """Return one."""
        self.count -= 1
        self._shares.give_back(self)
