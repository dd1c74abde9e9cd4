"""How long a client waits: longer in the background, and growing with retries."""

from __future__ import annotations

from attrs import frozen

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
    """How patient a caller is: somebody is waiting for it, perhaps again, or nobody is.

    ``retry`` counts the tries before this one; each of the first three makes an interactive
    time-out half as long again.  In the background every try has the same, longer time.
    """

    interactive: bool
    retry: int = 0

    @classmethod
    def after(cls, retry: int) -> Patience:
        """The patience of somebody who waits for the try after ``retry`` others."""
        return cls(interactive=True, retry=retry)


BACKGROUND = Patience(interactive=False)
"""Nobody is looking at the screen."""

INTERACTIVE = Patience(interactive=True)
"""Somebody waits for the first try."""


@frozen
class Timeouts:
    """Seconds for one kind of waiting."""

    background: float
    interactive: float

    def seconds(self, patience: Patience) -> float:
        """How long to wait."""
        if not patience.interactive:
            return self.background
        growth = _GROWTH[min(max(patience.retry, 0), len(_GROWTH) - 1)]
        return self.interactive * growth


CONNECT_TIMEOUTS = Timeouts(background=45, interactive=15)
"""For everything from the first look-up of a name to the end of the handshake."""

REQUEST_TIMEOUTS = Timeouts(background=30, interactive=10)
"""For the answer to a command."""
