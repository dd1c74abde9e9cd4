"""`Pace`: how much each of many may have done for it, so that none can have too much done."""

from __future__ import annotations

__all__ = ["Pace"]

_SWEEP = 1000


class Pace:
    """A budget for each key: ``burst`` units at once, and ``rate`` more of them each second.

    A key that spends more has to wait.  Nothing is kept of those who have all of their budget.
    """

    def __init__(self, burst: float, rate: float) -> None:
        self._burst = burst
        self._rate = rate
        self._due: dict[str, float] = {}
        """When each will have all of its budget again."""

    def wait_for(self, key: str, now: float) -> float:
        """After how many seconds more can be done for this one."""
        return max(0.0, self._due.get(key, now) - now - self._burst / self._rate)

    def spend(self, key: str, units: float, now: float) -> None:
        """So much was done for this one."""
        if not units:
            return
        if len(self._due) >= _SWEEP:
            self._due = {each: due for each, due in self._due.items() if due > now}
        self._due[key] = max(now, self._due.get(key, now)) + units / self._rate
