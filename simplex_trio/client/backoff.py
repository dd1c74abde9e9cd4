"""When to try again: a steady wait at first, then growing ones.  Pure: time comes in.

`Backoff` says how long the waits are, `Retries` where one series of tries stands.  Random numbers
come in as well: everybody who lost the same router at the same moment must not come back to it in
the same moment.
"""

from __future__ import annotations

from attrs import define, field, frozen
from attrs.validators import and_, ge, gt, le

__all__ = ["Backoff", "Retries"]


@frozen
class Backoff:
    """How long to wait between tries, in seconds.

    The first waits take ``initial``; once ``increase_after`` has passed since the first failure,
    each is ``factor`` times the one before, up to ``maximum``.  Every wait is then shortened by a
    random part of itself, at most ``jitter``.
    """

    initial: float = field(default=1.0, validator=gt(0))
    increase_after: float = field(default=10.0, validator=ge(0))
    factor: float = field(default=1.5, validator=ge(1))
    maximum: float = field(default=10.0, validator=gt(0))
    jitter: float = field(default=0.3, validator=and_(ge(0), le(1)))

    def next_wait(self, previous: float | None, elapsed: float) -> float:
        """The full wait after the one of length ``previous``; the first if that is `None`."""
        if previous is None:
            return min(self.initial, self.maximum)
        if elapsed < self.increase_after:
            return previous
        return min(previous * self.factor, self.maximum)

    def shortened(self, wait: float, random: float) -> float:
        """``wait`` less its random part; ``random`` is from 0 to 1."""
        return wait * (1 - self.jitter * random)


@define
class Retries:
    """One series of tries, which ends when what was tried has held for a while.

    Something that succeeds and breaks again at once goes on being tried as if it had failed: only
    what lasted for `Backoff.increase_after` starts a new series when it breaks.
    """

    _backoff: Backoff = field(factory=Backoff)
    _first_failure: float | None = field(default=None, init=False)
    _wait: float | None = field(default=None, init=False)
    _due: float = field(default=0.0, init=False)
    _succeeded: float | None = field(default=None, init=False)

    def wait(self, now: float) -> float:
        """Seconds until the next try."""
        return max(self._due - now, 0.0)

    def reset(self) -> None:
        """Forget all failures: the next try is due at once."""
        self._first_failure = self._wait = self._succeeded = None
        self._due = 0.0

    def succeeded(self, now: float) -> None:
        """Note that a try succeeded; there is nothing to wait for any more."""
        self._succeeded = now
        self._due = now

    def failed(self, now: float, random: float) -> None:
        """Note that a try failed, or that what had succeeded does not do what it should."""
        if self._has_lasted(now):
            self.reset()
        self._succeeded = None
        if self._first_failure is None:
            self._first_failure = now
        self._wait = self._backoff.next_wait(self._wait, now - self._first_failure)
        self._due = now + self._backoff.shortened(self._wait, random)

    def broke(self, now: float, random: float) -> None:
        """Note that what had succeeded ended; if it had lasted, the next try is due very soon."""
        if not self._has_lasted(now):
            self.failed(now, random)
            return
        self.reset()
        self._due = now + self._backoff.initial * self._backoff.jitter * random

    def _has_lasted(self, now: float) -> bool:
        lasting = self._backoff.increase_after
        return self._succeeded is not None and now - self._succeeded >= lasting
