"""`Transacting`: the calls of a `DuplexAgent` for several things at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from simplex_trio.duplex.agent_terms import AgentTerms
from simplex_trio.duplex.errors import UnknownConnection
from simplex_trio.duplex.event_stream import DuplexEvents
from simplex_trio.duplex.machine.step import Step
from simplex_trio.duplex.transaction import (
    Transaction,
    run_transaction,
)
from simplex_trio.duplex.work.core import Core
from simplex_trio.duplex.work.watches import Watches

__all__ = ["Transacting"]

T = TypeVar("T")


class Transacting:
    """Steps in the agent's store that a program decides about."""

    _core: Core
    _events: DuplexEvents
    _terms: AgentTerms
    _watches: Watches

    async def transact(
        self,
        decide: Callable[[Transaction], T],
        *,
        takes_event: bool = False,
        durable: bool = True,
    ) -> T:
        """Make several calls, and change records of the program's own, in one transaction.

        ``decide`` is called with a `Transaction`, which has the calls of the agent that need no
        network, and `Transaction.kept`, the program's records.  When this returns what ``decide``
        does, all of that is stored; if ``decide`` raises, nothing is, and its error is raised here.
        So a message can be acknowledged together with what was learned from it and the answer to
        it, and no crash comes between.

        ``decide`` is a plain function, and runs in the thread of the store, which everything else
        waits for: it should take milliseconds.  **It may be called again after it has failed or
        even returned**, so it must change nothing but the transaction.  With ``takes_event`` the
        event that this task has received last from `events` is taken in the same transaction, if it
        is no `PeerMessage`.  Without ``durable`` a loss of power may undo a transaction from which
        no work follows; then a `StoreError` may also mean that all is stored and may be undone.

        If it is cancelled before it is its turn, nothing happens; later, it is too late.
        """
        number = self._events.in_hand if takes_event else None

        def take(step: Step) -> tuple[T, list[str]]:
            if number is not None:
                step.rows.delete_events([number])
            return run_transaction(step, self._terms, decide)

        value, _ = await self._core.step(
            take, durable=True if durable else None, stored=self._transacted
        )
        if number is not None:
            self._events.taken(number)
        return value

    def _transacted(self, outcome: tuple[object, list[str]]) -> None:
        for connection_id in outcome[1]:
            self._watches.failed(connection_id, UnknownConnection())

    def _step_of(self, decide: Callable[[Transaction], T]) -> Callable[[Step], T]:
        return lambda step: run_transaction(step, self._terms, decide)[0]
