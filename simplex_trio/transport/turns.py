"""`Turns`: the time of the event loop, shared between connections that ask for costly work.

Checking a signature cannot be interrupted, and everything else waits for it.  So how much of that
is done before the event loop gets to other tasks is bounded for a whole router, not for each of its
connections, and when there is more, connections take turns in the order in which they asked.

Costs are in the unit of `simplex_trio.wire.authorization.Verifier.spent`, ten microseconds or so.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import trio

__all__ = ["BUDGET", "Turns"]

BUDGET: Final = 200
"""What all connections together may spend in a pass of the event loop, or twice that in a bad
moment, before everything else is looked after: a few milliseconds.  It is as much as one connection
may spend in its turn.  Some twenty signatures with Ed25519 reach it, or six with Ed448; a single
command is never divided."""


class Turns:
    """Who may do costly work now.

    Who has nothing costly to do need not ask, and does not wait for those who have.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._spent = 0
        self._waiting: OrderedDict[trio.Event, int] = OrderedDict()
        self._renewal_is_due = False

    @property
    def is_free(self) -> bool:
        """Whether `take` would return at once."""
        return self._spent < self._budget and not self._waiting

    async def take(self, cost: int) -> None:
        """Wait for a turn, in which about ``cost`` is going to be spent.

        Checkpoints only if it waits.  Cancelled, it gives its place to those behind.
        """
        if self.is_free:
            return
        turn = trio.Event()
        self._waiting[turn] = cost
        self._renew_soon()
        try:
            await turn.wait()
        finally:
            self._waiting.pop(turn, None)

    def spend(self, cost: int) -> None:
        """Note what was spent; it may be more than was asked for."""
        self._spent += cost
        if self._spent >= self._budget:
            self._renew_soon()

    def _renew_soon(self) -> None:
        if not self._renewal_is_due:
            self._renewal_is_due = True
            # Called in the next pass of the event loop, after a look at the network.
            trio.lowlevel.current_trio_token().run_sync_soon(self._renew)

    def _renew(self) -> None:
        self._renewal_is_due = False
        self._spent = 0
        promised = 0
        while self._waiting and promised < self._budget:
            turn, cost = self._waiting.popitem(last=False)
            turn.set()
            promised += cost
        if self._waiting:
            self._renew_soon()
