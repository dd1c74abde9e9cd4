"""The operations of this client that go on until they are answered, and those to be cancelled.

`InFlight` is an operation with a waiting caller.  Once its caller has gone, the daemon has to
cancel it, or it would resend for ever; `Debts` has the cancels that the daemon has yet to confirm.
"""

from __future__ import annotations

from collections.abc import Iterator

import trio
from attrs import define, field

from simplex_trio.katzenpost.errors import OperationInProgress
from simplex_trio.katzenpost.messages.operations import OperationKey

__all__ = ["CANCEL_DELAYS", "MAX_DEBTS", "Debts", "InFlight", "OperationTable"]

CANCEL_DELAYS = (0.0, 2.0, 10.0, 60.0)
"""Seconds before each attempt to cancel an operation whose caller has gone.

The daemon does not find an operation that still waits in its queue, and reports success.  So an
operation that was not answered itself is cancelled again a few times, and one that a reconnecting
client sent several times is cancelled as many times more."""

MAX_DEBTS = 1000
"""Operations that are to be cancelled; beyond it the oldest is left to the daemon, which ends it
when this client closes."""


@define(eq=False, repr=False)
class InFlight:
    """An operation with a waiting caller."""

    key: OperationKey
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    copies: int = 0
    """How many copies the daemon may have: it resends every copy that it was sent."""
    left_over: bool = False
    """Whether the daemon may have copies from an earlier call, which have to be cancelled first."""
    query_id: bytes = b""
    heard_of: bool = False
    """Whether the daemon has answered it on another connection than it was sent on."""

    def cancel(self) -> None:
        """Wake the caller."""
        self.scope.cancel()

    def one_ended(self) -> None:
        """The daemon has one copy less."""
        self.copies = max(self.copies - 1, 0)

    def forgotten(self) -> None:
        """The daemon has no copy any more."""
        self.copies, self.left_over = 0, False


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
        """The caller has gone."""
        del self._operations[operation.key]

    def get(self, key: OperationKey) -> InFlight | None:
        return self._operations.get(key)

    def note_unasked(self, query_id: bytes) -> None:
        """The daemon has answered an operation on a connection that it was not sent on."""
        for operation in self._operations.values():
            if operation.query_id == query_id:
                operation.heard_of = True
                operation.one_ended()

    def forgotten(self) -> None:
        """The daemon has forgotten all operations."""
        for operation in self._operations.values():
            operation.forgotten()


@define(eq=False)
class _Debt:
    due: float
    copies: int
    tries_left: int
    tries: int = 0


class Debts:
    """Operations that the daemon has yet to cancel.  Pure: the time is an argument."""

    def __init__(self) -> None:
        self._debts: dict[OperationKey, _Debt] = {}

    def __len__(self) -> int:
        return len(self._debts)

    def owe(self, key: OperationKey, now: float, *, copies: int = 1) -> None:
        """The caller of an operation has gone, and the daemon may have so many copies of it."""
        copies += self.settle(key)
        tries = len(CANCEL_DELAYS) - 1 + copies
        self._debts[key] = _Debt(now + CANCEL_DELAYS[0], copies, tries)
        if len(self._debts) > MAX_DEBTS:
            del self._debts[next(iter(self._debts))]

    def settle(self, key: OperationKey) -> int:
        """A new caller wants the operation; returns how many copies the daemon may still have."""
        debt = self._debts.pop(key, None)
        return 0 if debt is None else debt.copies

    def one_ended(self, key: OperationKey) -> None:
        """The daemon has one copy less of the operation."""
        debt = self._debts.get(key)
        if debt is not None:
            debt.copies -= 1
            if not debt.copies:
                del self._debts[key]

    def forget_all(self) -> None:
        """The daemon has forgotten all operations."""
        self._debts.clear()

    def due_at(self) -> float | None:
        """When the next cancel is due."""
        return min((debt.due for debt in self._debts.values()), default=None)

    def take_due(self, now: float) -> OperationKey | None:
        """Take the next operation to cancel, as an attempt; `None` if none is due now."""
        due = self.due_at()
        if due is None or due > now:
            return None
        key, debt = next(item for item in self._debts.items() if item[1].due == due)
        debt.tries += 1
        debt.tries_left -= 1
        if debt.tries_left:
            debt.due = now + CANCEL_DELAYS[min(debt.tries, len(CANCEL_DELAYS) - 1)]
        else:
            del self._debts[key]
        return key
