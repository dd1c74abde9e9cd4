"""Time-outs: longer for background work, growing with retries for interactive calls."""

from __future__ import annotations

from simplex_trio.frozen import frozen

__all__ = [
    "BACKGROUND",
    "CONNECT_TIMEOUTS",
    "INTERACTIVE",
    "REQUEST_TIMEOUTS",
    "Patience",
    "Timeouts",
]

_GROWTH = (1, 3 / 2, 9 / 4, 27 / 8)


@frozen
class Patience:
    """How patient a caller is: whether a person waits, and after how many retries.

    Each of the first three retries makes an interactive time-out half as long again.  Background
    work always has the same, longer time-out.
    """

    interactive: bool
    retry: int = 0

    @classmethod
    def after(cls, retry: int) -> Patience:
        """The patience of an interactive caller after ``retry`` earlier attempts."""
        return cls(interactive=True, retry=retry)


BACKGROUND = Patience(interactive=False)
"""No person waits for the outcome."""

INTERACTIVE = Patience(interactive=True)
"""A person waits for the first attempt."""


@frozen
class Timeouts:
    """The time-outs of one kind of operation, in seconds."""

    background: float
    interactive: float

    def stretched(self, factor: float) -> Timeouts:
        """The same, so many times as long."""
        return (
            self if factor == 1 else Timeouts(self.background * factor, self.interactive * factor)
        )

    def seconds(self, patience: Patience) -> float:
        """The time-out for a caller of this patience."""
        if not patience.interactive:
            return self.background
        growth = _GROWTH[min(max(patience.retry, 0), len(_GROWTH) - 1)]
        return self.interactive * growth


CONNECT_TIMEOUTS = Timeouts(background=45, interactive=15)
"""For connecting, from looking up the name to the end of the handshake."""

REQUEST_TIMEOUTS = Timeouts(background=30, interactive=10)
"""For the answer to a command."""
