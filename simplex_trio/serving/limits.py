"""`TokenBucket`: a limit for a rate.  Pure."""

from __future__ import annotations

from attrs import define, field

__all__ = ["TokenBucket"]


@define(eq=False)
class TokenBucket:
    """A bucket of at most ``burst`` tokens, full at first, that refills by ``per_second``."""

    burst: float
    per_second: float
    _tokens: float = field(init=False)
    _at: float | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._tokens = self.burst

    def take(self, now: float) -> float:
        """Take a token; returns how many seconds to wait before using it."""
        if self._at is not None:
            self._tokens = min(self.burst, self._tokens + (now - self._at) * self.per_second)
        self._at = now
        self._tokens -= 1
        return max(0.0, -self._tokens / self.per_second)

    def try_take(self, now: float) -> bool:
        """Take a token if there is a whole one; returns whether there was."""
        if self.take(now) == 0:
            return True
        self._tokens += 1
        return False
