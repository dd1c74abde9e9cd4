"""The operations of this client that go on until they are answered, and those to be cancelled.

`InFlight` is one that somebody waits for.  When nobody waits any more the daemon has to be told, or
it would go on for ever, which is a debt until it is known to have been paid.
"""

from __future__ import annotations

from collections.abc import Iterator

import trio
from attrs import define, field

from simplex_trio.katzenpost.errors import OperationInProgress
from simplex_trio.katzenpost.operations import OperationKey

__all__ = ["CANCEL_DELAYS", "MAX_DEBTS", "Debts", "InFlight", "OperationTable"]

CANCEL_DELAYS = (0.0, 2.0, 10.0, 60.0)
"""Seconds before each try to cancel what nobody waits for.

An operation that still waits in the daemon's queue is not found there, and the daemon answers as if
all were well.  So one that was not answered itself is cancelled again a few times."""

MAX_DEBTS = 1000
"""Operations that are to be cancelled; beyond it the oldest is left to the daemon, which ends it
when this client closes."""


@define(eq=False, repr=False)
class InFlight:
    """An operation that somebody waits for."""

    key: OperationKey
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    sent: bool = False
    """Whether the daemon may know of it."""
    answered: bool = False
    """Whether the daemon has ended it."""

    def cancel(self) -> None:
        """Wake whoever waits."""
        self.scope.cancel()


class OperationTable:
    """What is in flight, by key."""

    def __init__(self) -> None:
        self._operations: dict[OperationKey, InFlight] = {}

    def __len__(self) -> int:
        return len(self._operations)

    def __iter__(self) -> Iterator[OperationKey]:
        return iter(tuple(self._operations))

    def start(self, key: OperationKey) -> InFlight:
        """Enter an operation; raises `OperationInProgress` if it is there already.

        Of two with the same key the daemon could only ever cancel one.
        """
        if key in self._operations:
            raise OperationInProgress("this operation is in progress already")
        operation = self._operations[key] = InFlight(key)
        return operation

    def end(self, operation: InFlight) -> None:
        """Nobody waits for it any more."""
        del self._operations[operation.key]

    def get(self, key: OperationKey) -> InFlight | None:
        return self._operations.get(key)


@define(eq=False)
class _Debt:
    due: float
    tries: int = 0


class Debts:
    """Operations that the daemon has yet to be told to end.  Pure: time comes in."""

    def __init__(self) -> None:
        self._debts: dict[OperationKey, _Debt] = {}

    def __len__(self) -> int:
        return len(self._debts)

    def owe(self, key: OperationKey, now: float) -> None:
        """Somebody has stopped waiting for an operation that the daemon may know."""
        self._debts.pop(key, None)
        self._debts[key] = _Debt(now + CANCEL_DELAYS[0])
        if len(self._debts) > MAX_DEBTS:
            del self._debts[next(iter(self._debts))]

    def settle(self, key: OperationKey) -> None:
        """The operation has ended, or is wanted again."""
        self._debts.pop(key, None)

    def forget_all(self) -> None:
        """The daemon has forgotten its operations."""
        self._debts.clear()

    def due_at(self) -> float | None:
        """When the next cancel is due."""
        return min((debt.due for debt in self._debts.values()), default=None)

    def take_due(self, now: float) -> list[OperationKey]:
        """What is to be cancelled now; each counts as tried."""
        due = [key for key, debt in self._debts.items() if debt.due <= now]
        for key in due:
            debt = self._debts[key]
            debt.tries += 1
            if debt.tries < len(CANCEL_DELAYS):
                debt.due = now + CANCEL_DELAYS[debt.tries]
            else:
                del self._debts[key]
        return due
