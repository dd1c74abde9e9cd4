"""`Turns`: limits how much time connections take from the event loop for costly work.

Checking a signature cannot be interrupted, and all other tasks wait for it.  So there is a budget
for each pass of the event loop, for the router as a whole and not for each of its connections.
When there is more to do, connections take turns in the order in which they asked.

Costs are in the unit of `simplex_trio.wire.authorization.Verifier.spent`, ten microseconds or so.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import trio

__all__ = ["BUDGET", "Turns"]

BUDGET: Final = 200
"""What all connections together may spend in a pass of the event loop, or at worst twice that,
before other tasks run: a few milliseconds.  One connection may spend all of it in its turn.  Some
twenty signatures with Ed25519 reach it, or six with Ed448; a single command is never divided."""


class Turns:
    """Decides which connection may do costly work now.

    Tasks without costly work do not ask, and do not wait for those that have some.
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

        Checkpoints only if it waits.  Cancelled, it leaves the queue.
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
