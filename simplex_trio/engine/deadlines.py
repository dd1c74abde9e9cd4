"""`Deadlines`: when waiting callers give up, however many there are.  Pure: time is a parameter.

A cancel scope for each request would cost several times what waiting itself does.  Requests
have one of few time-outs, and those with the same one give up in the order in which they began to
wait.  So for each time-out there is a dictionary in that order: to begin and to end takes constant
time, and the earliest deadline is among the first entries.
"""

from __future__ import annotations

import math
from typing import Generic, TypeVar

__all__ = ["Deadlines"]

WaiterT = TypeVar("WaiterT")


class Deadlines(Generic[WaiterT]):
    """The deadlines of waiters, each of which has one at a time; time never goes back."""

    def __init__(self) -> None:
        self._by_seconds: dict[float, dict[WaiterT, float]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_seconds.values()))

    @property
    def earliest(self) -> float:
        """When the first waiter gives up; infinite if there are none."""
        firsts = (next(iter(each.values())) for each in self._by_seconds.values())
        return min(firsts, default=math.inf)

    def start(self, waiter: WaiterT, seconds: float, now: float) -> float:
        """Let a waiter wait for so long, and return its deadline."""
        waiting = self._by_seconds.get(seconds)
        if waiting is None:
            waiting = self._by_seconds[seconds] = {}
        deadline = waiting[waiter] = now + seconds
        return deadline

    def extend(self, waiter: WaiterT, seconds: float, now: float) -> None:
        """Let a waiter wait for so long again from now on, if it still does."""
        waiting = self._by_seconds.get(seconds)
        if waiting is not None and waiting.pop(waiter, None) is not None:
            waiting[waiter] = now + seconds

    def stop(self, waiter: WaiterT, seconds: float) -> None:
        """Forget a waiter, if it still waits."""
        waiting = self._by_seconds.get(seconds)
        if waiting is not None:
            waiting.pop(waiter, None)
            if not waiting:
                del self._by_seconds[seconds]

    def take_due(self, now: float) -> list[WaiterT]:
        """Remove and return the waiters whose deadlines have come."""
        due: list[WaiterT] = []
        for seconds, waiting in list(self._by_seconds.items()):
            for waiter, deadline in list(waiting.items()):
                if deadline > now:
                    break
                due.append(waiter)
                self.stop(waiter, seconds)
        return due
