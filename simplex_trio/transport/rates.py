"""`Rates`: how often connections come from each address.  Pure.

An address may use up a burst at once, which comes back at a steady rate.  For each address there is
one number, the time at which all of its burst will have come back; when that is past, nothing needs
to be remembered.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from simplex_trio.transport.networks import Origin

__all__ = ["MOST_ORIGINS", "Rates"]

MOST_ORIGINS: Final = 100_000
"""Addresses that are remembered, some 20 MiB; beyond that, those whose last connection is longest
ago are forgotten, which is to their advantage."""


class Rates:
    """A limit for each of any number of addresses."""

    def __init__(self, burst: int, per_second: float, *, most: int = MOST_ORIGINS) -> None:
        self._most = most
        self._whole_at: OrderedDict[Origin, float] = OrderedDict()
        self.change(burst, per_second)

    def __len__(self) -> int:
        return len(self._whole_at)

    def change(self, burst: int, per_second: float) -> None:
        """Apply another limit from now on."""
        self._step = 1 / per_second
        self._longest = burst * self._step

    def take(self, origin: Origin, now: float) -> bool:
        """Whether another connection may come from this address; it counts if so."""
        whole_at = max(self._whole_at.get(origin, now), now) + self._step
        if whole_at - now > self._longest + self._step / 2:  # a half, for what adding rounds off
            return False
        self._whole_at[origin] = whole_at
        self._whole_at.move_to_end(origin)
        self._forget(now)
        return True

    def _forget(self, now: float) -> None:
        while self._whole_at:
            oldest = next(iter(self._whole_at))
            if self._whole_at[oldest] > now and len(self._whole_at) <= self._most:
                break
            del self._whole_at[oldest]
