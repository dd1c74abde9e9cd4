"""`Pool`: decides who connects to a destination, who waits, and who gets an old failure.  Pure.

A destination has at most one connection or attempt.  The first caller makes the attempt; concurrent
callers share it and its outcome.  A failure is remembered for a while, so that many callers do not
repeat it one after another; `Pool.ask` can ignore it, as the reconnecting worker does.

An `Attempt` can only be removed while it is still the current one, so late cleanup after an old
connection never removes its successor.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from enum import Enum, auto
from typing import Generic, TypeVar

from attrs import define, field

from simplex_trio.frozen import frozen
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
"""Seconds for which callers get the error of a failed attempt instead of a new attempt."""

MAX_FAILURES = 4096
"""Failures that are remembered, the latest ones; clients of a proxy can ask for any number of
made-up addresses.  A destination whose failure was forgotten is simply tried again."""


class AttemptState(Enum):
    """The state of an attempt."""

    CONNECTING = auto()
    CONNECTED = auto()
    FAILED = auto()
    OVER = auto()
    """The connection has ended, or the attempt was abandoned."""


@define(repr=False, eq=False)
class Attempt(Redacted, Generic[KeyT, ClientT, WaiterT]):
    """One attempt to connect, and the resulting connection.

    The owner of the pool wakes ``waiter`` when the attempt leaves `CONNECTING`.
    """

    destination: KeyT
    waiter: WaiterT
    state: AttemptState = field(default=AttemptState.CONNECTING, init=False)
    client: ClientT | None = field(default=None, init=False)
    error: BaseException | None = field(default=None, init=False)
    failed_at: float = field(default=0.0, init=False)


@frozen
class Connect(Generic[KeyT, ClientT, WaiterT]):
    """The caller makes this new attempt and reports its outcome to the pool."""

    attempt: Attempt[KeyT, ClientT, WaiterT]


@frozen
class Join(Generic[KeyT, ClientT, WaiterT]):
    """An attempt is under way; the caller waits for its outcome."""

    attempt: Attempt[KeyT, ClientT, WaiterT]


@frozen
class Use(Generic[KeyT, ClientT, WaiterT]):
    """There is a connection to use."""

    attempt: Attempt[KeyT, ClientT, WaiterT]


@frozen
class Refuse:
    """The last attempt failed recently; the caller gets its error."""

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
        """The number of connections and attempts."""
        return len(self._attempts)

    @property
    def failure_count(self) -> int:
        """The number of failures that are remembered."""
        return len(self._failures)

    def ask(
        self,
        destination: KeyT,
        now: float,
        new_waiter: Callable[[], WaiterT],
        *,
        despite_failure: bool = False,
    ) -> Decision[KeyT, ClientT, WaiterT]:
        """Decide for a caller that needs a connection; ``despite_failure`` ignores failures."""
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
        """The current connection or attempt of a destination, if any."""
        return self._attempts.get(destination)

    def all(self) -> list[Attempt[KeyT, ClientT, WaiterT]]:
        """All connections and attempts."""
        return list(self._attempts.values())

    def succeed(self, attempt: Attempt[KeyT, ClientT, WaiterT], client: ClientT) -> bool:
        """Record a successful attempt; false if it was abandoned meanwhile."""
        if attempt.state is not AttemptState.CONNECTING:
            return False
        attempt.state = AttemptState.CONNECTED
        attempt.client = client
        self._failures.pop(attempt.destination, None)
        return True

    def fail(
        self, attempt: Attempt[KeyT, ClientT, WaiterT], error: BaseException, now: float
    ) -> bool:
        """Record a failed attempt; false if it was abandoned meanwhile."""
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
        """Remove a connection that has ended, or an abandoned attempt.

        Returns false if it is no longer the current one.
        """
        if self._attempts.get(attempt.destination) is not attempt:
            return False
        del self._attempts[attempt.destination]
        attempt.state = AttemptState.OVER
        attempt.error = error
        return True

    def clear(self, error: BaseException) -> list[Attempt[KeyT, ClientT, WaiterT]]:
        """Remove and return all connections and attempts."""
        attempts = list(self._attempts.values())
        for attempt in attempts:
            self.drop(attempt, error)
        return attempts

    def forget_failures(self) -> None:
        """Forget all failures, so that every destination may be tried again."""
        self._failures.clear()

    def _sweep(self, now: float) -> None:
        failures = self._failures
        while failures:
            oldest = next(iter(failures.values()))
            recent = now - oldest.failed_at < self._remember_failure
            if recent and len(failures) <= self._max_failures:
                return
            failures.popitem(last=False)
