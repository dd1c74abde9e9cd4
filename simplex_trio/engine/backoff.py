"""When to retry: constant waits at first, then growing ones.  Pure: time is a parameter.

`Backoff` defines the waits, `Retries` tracks one series of attempts.  Random numbers are parameters
too; they keep clients that lost a router at the same moment from reconnecting at the same moment.
"""

from __future__ import annotations

from attrs import define, field
from attrs.validators import and_, ge, gt, le

from simplex_trio.frozen import frozen

__all__ = ["Backoff", "Retries"]


@frozen
class Backoff:
    """How long to wait between attempts, in seconds.

    Waits are ``initial`` long until ``increase_after`` has passed since the first failure; from
    then on each is ``factor`` times the previous one, up to ``maximum``.  Each wait is shortened by
    a random fraction of itself, at most ``jitter``.
    """

    initial: float = field(default=1.0, validator=gt(0))
    increase_after: float = field(default=10.0, validator=ge(0))
    factor: float = field(default=1.5, validator=ge(1))
    maximum: float = field(default=10.0, validator=gt(0))
    jitter: float = field(default=0.3, validator=and_(ge(0), le(1)))

    def next_wait(self, previous: float | None, elapsed: float) -> float:
        """The wait that follows one of ``previous`` seconds; the first one if that is `None`."""
        if previous is None:
            return min(self.initial, self.maximum)
        if elapsed < self.increase_after:
            return previous
        return min(previous * self.factor, self.maximum)

    def shortened(self, wait: float, fraction: float) -> float:
        """``wait`` less its random fraction; ``fraction`` is between 0 and 1."""
        return wait * (1 - self.jitter * fraction)


@define
class Retries:
    """One series of attempts, which ends once a success has lasted.

    A success that breaks before `Backoff.increase_after` has passed counts as a failure; one that
    lasted longer starts a new series when it breaks.
    """

    _backoff: Backoff = field(factory=Backoff)
    _first_failure: float | None = field(default=None, init=False)
    _wait: float | None = field(default=None, init=False)
    _due: float = field(default=0.0, init=False)
    _succeeded: float | None = field(default=None, init=False)

    def wait(self, now: float) -> float:
        """Seconds until the next attempt."""
        return max(self._due - now, 0.0)

    def reset(self) -> None:
        """Forget all failures; the next attempt is due at once."""
        self._first_failure = self._wait = self._succeeded = None
        self._due = 0.0

    def succeeded(self, now: float) -> None:
        """Record a success; there is nothing left to wait for."""
        self._succeeded = now
        self._due = now

    def failed(self, now: float, fraction: float) -> None:
        """Record a failed attempt, or that a success turned out not to work."""
        if self._has_lasted(now):
            self.reset()
        self._succeeded = None
        if self._first_failure is None:
            self._first_failure = now
        self._wait = self._backoff.next_wait(self._wait, now - self._first_failure)
        self._due = now + self._backoff.shortened(self._wait, fraction)

    def broke(self, now: float, fraction: float) -> None:
        """Record that a success has ended; if it had lasted, the next attempt is due very soon."""
        if not self._has_lasted(now):
            self.failed(now, fraction)
            return
        self.reset()
        self._due = now + self._backoff.initial * self._backoff.jitter * fraction

    def _has_lasted(self, now: float) -> bool:
        lasting = self._backoff.increase_after
        return self._succeeded is not None and now - self._succeeded >= lasting
