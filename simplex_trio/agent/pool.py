"""`Pool`: who connects to a destination, who waits for it, and which failure still counts.  Pure.

There is at most one connection or attempt for each destination.  Whoever asks first makes the
attempt; whoever asks meanwhile shares it and its outcome.  A failure is remembered for a while, so
that many callers do not all try in vain one after the other; `Pool.ask` can be told to look past
it, as whoever is in charge of reconnecting does.

Each `Attempt` stands for itself: it can be taken out of the pool only as long as it is still the
one that is there, so that cleaning up late after an old connection never removes its successor.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from enum import Enum, auto
from typing import Generic, TypeVar

from attrs import define, field, frozen

from simplex_trio.redaction import Redacted

__all__ = [
    "MAX_FAILURES",
    "REMEMBER_FAILURE",
    "Attempt",
    "AttemptState",
    "Connect",
    "Join",
    "Pool",
    "Refuse",
    "Use",
]

KeyT = TypeVar("KeyT", bound=Hashable)
ClientT = TypeVar("ClientT")
WaiterT = TypeVar("WaiterT")

REMEMBER_FAILURE = 30.0
"""Seconds for which a failed attempt is the answer to everybody who asks."""

MAX_FAILURES = 4096
"""Failures that are remembered, the latest ones: a proxy is asked for any address that somebody
makes up.  A destination whose failure was forgotten is simply tried again."""


class AttemptState(Enum):
    """What has become of an attempt."""

    CONNECTING = auto()
    CONNECTED = auto()
    FAILED = auto()
    OVER = auto()
    """The connection is gone, or the attempt was given up."""


@define(repr=False, eq=False)
class Attempt(Redacted, Generic[KeyT, ClientT, WaiterT]):
    """One try at connecting, and the connection that came of it.

    ``waiter`` is whatever the owner of the pool wakes when the attempt leaves `CONNECTING`.
    """

    destination: KeyT
    waiter: WaiterT
    state: AttemptState = field(default=AttemptState.CONNECTING, init=False)
    client: ClientT | None = field(default=None, init=False)
    error: BaseException | None = field(default=None, init=False)
    failed_at: float = field(default=0.0, init=False)


@frozen
class Connect(Generic[KeyT, ClientT, WaiterT]):
    """The asker makes this new attempt and tells the pool how it went."""

    attempt: Attempt[KeyT, ClientT, WaiterT]


@frozen
class Join(Generic[KeyT, ClientT, WaiterT]):
    """Somebody is connecting; the asker waits for that."""

    attempt: Attempt[KeyT, ClientT, WaiterT]


@frozen
class Use(Generic[KeyT, ClientT, WaiterT]):
    """There is a connection."""

    attempt: Attempt[KeyT, ClientT, WaiterT]


@frozen
class Refuse:
    """The last attempt failed, not long ago."""

    error: BaseException


Decision = (
    Connect[KeyT, ClientT, WaiterT]
    | Join[KeyT, ClientT, WaiterT]
    | Use[KeyT, ClientT, WaiterT]
    | Refuse
)


class Pool(Generic[KeyT, ClientT, WaiterT]):
    """The connections of one agent by destination."""

    def __init__(
        self, *, remember_failure: float = REMEMBER_FAILURE, max_failures: int = MAX_FAILURES
    ) -> None:
        self._remember_failure = remember_failure
        self._max_failures = max_failures
        self._attempts: dict[KeyT, Attempt[KeyT, ClientT, WaiterT]] = {}
        self._failures: OrderedDict[KeyT, Attempt[KeyT, ClientT, WaiterT]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Pool: {len(self._attempts)} connections, {len(self._failures)} failures>"

    def __len__(self) -> int:
        """How many connections and attempts there are."""
        return len(self._attempts)

    @property
    def failure_count(self) -> int:
        """How many failures are remembered."""
        return len(self._failures)

    def ask(
        self,
        destination: KeyT,
        now: float,
        new_waiter: Callable[[], WaiterT],
        *,
        despite_failure: bool = False,
    ) -> Decision[KeyT, ClientT, WaiterT]:
        """Say what somebody does who needs a connection; ``despite_failure`` always tries."""
        attempt = self._attempts.get(destination)
        if attempt is not None:
            if attempt.state is AttemptState.CONNECTED:
                return Use(attempt)
            return Join(attempt)
        self._sweep(now)
        failure = self._failures.get(destination)
        if failure is not None and not despite_failure:
            assert failure.error is not None
            return Refuse(failure.error)
        attempt = Attempt[KeyT, ClientT, WaiterT](destination, new_waiter())
        self._attempts[destination] = attempt
        return Connect(attempt)

    def current(self, destination: KeyT) -> Attempt[KeyT, ClientT, WaiterT] | None:
        """The destination's connection or attempt, if there is one."""
        return self._attempts.get(destination)

    def succeed(self, attempt: Attempt[KeyT, ClientT, WaiterT], client: ClientT) -> bool:
        """Note that an attempt led to a connection; False if it had been given up meanwhile."""
        if attempt.state is not AttemptState.CONNECTING:
            return False
        attempt.state = AttemptState.CONNECTED
        attempt.client = client
        self._failures.pop(attempt.destination, None)
        return True

    def fail(
        self, attempt: Attempt[KeyT, ClientT, WaiterT], error: BaseException, now: float
    ) -> bool:
        """Note that an attempt failed; False if it had been given up meanwhile."""
        if attempt.state is not AttemptState.CONNECTING:
            return False
        attempt.state = AttemptState.FAILED
        attempt.error = error
        attempt.failed_at = now
        del self._attempts[attempt.destination]
        self._failures.pop(attempt.destination, None)
        if self._remember_failure > 0:
            self._failures[attempt.destination] = attempt
        self._sweep(now)
        return True

    def drop(self, attempt: Attempt[KeyT, ClientT, WaiterT], error: BaseException) -> bool:
        """Take a connection, or an attempt that is given up, out of the pool.

        False if it is not there any more, whoever has taken its place.
        """
        if self._attempts.get(attempt.destination) is not attempt:
            return False
        del self._attempts[attempt.destination]
        attempt.state = AttemptState.OVER
        attempt.error = error
        return True

    def clear(self, error: BaseException) -> list[Attempt[KeyT, ClientT, WaiterT]]:
        """Take everything out of the pool; returns what was there."""
        attempts = list(self._attempts.values())
        for attempt in attempts:
            self.drop(attempt, error)
        return attempts

    def forget_failures(self) -> None:
        """Let everybody try again."""
        self._failures.clear()

    def _sweep(self, now: float) -> None:
        failures = self._failures
        while failures:
            oldest = next(iter(failures.values()))
            recent = now - oldest.failed_at < self._remember_failure
            if recent and len(failures) <= self._max_failures:
                return
            failures.popitem(last=False)
