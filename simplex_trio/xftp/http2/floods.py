"""`FloodGuard`: how much useless traffic one connection may cause.  Pure: time comes in.

HTTP/2 has many frames that cost the sender nothing and the receiver something: pings, settings,
requests that are taken back at once, empty data.  Each of them is paid for from an allowance that
grows with time and with useful work; who has used it up is sent away.
"""

from __future__ import annotations

from attrs import define, field

__all__ = ["FloodGuard"]


@define
class FloodGuard:
    """An allowance of ``burst`` points that refills by ``per_second``."""

    burst: float = 2000
    per_second: float = 100
    _left: float = field(init=False)
    _at: float | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._left = self.burst

    def spend(self, cost: float, now: float) -> bool:
        """Pay for something; whether there was enough."""
        if self._at is not None:
            self.earn((now - self._at) * self.per_second)
        self._at = now
        self._left -= cost
        return self._left >= 0

    def earn(self, points: float) -> None:
        """Note useful work, which pays for the frames that go with it."""
        self._left = min(self._left + points, self.burst)
