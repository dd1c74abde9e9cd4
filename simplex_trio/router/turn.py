"""`Turn`: how many commands of a block are decided before other connections get their turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import trio

from simplex_trio.router.core.costs import AGREEMENT_COSTS, COMMAND_COST, cryptography_cost
from simplex_trio.transport.turns import BUDGET, Turns
from simplex_trio.wire.reading import ReceivedCommand, RefusedTransmission
from simplex_trio.wire.smp.commands import Command

__all__ = ["Turn"]


class Turn:
    """The turns of one connection while it decides what has come.

    A command with cryptography needs a turn in the router's `Turns`.  Other commands need none, but
    after `BUDGET` the task yields to others.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._has_begun = False
        self._spent = 0

    @property
    def is_over(self) -> bool:
        """Whether it is time to `end` it."""
        return self._spent >= BUDGET

    def allows(
        self,
        received: ReceivedCommand[Command],
        is_accepted_ahead: Callable[[ReceivedCommand[Command]], bool],
    ) -> bool:
        """Whether a command can be decided now; if not, `begin` comes first.

        ``is_accepted_ahead`` is asked whether there is nothing left to check about it.
        """
        if self._has_begun or not cryptography_cost(received):
            return True
        self._has_begun = self._turns.is_free
        if self._has_begun:
            return True
        return type(received.command) not in AGREEMENT_COSTS and is_accepted_ahead(received)

    async def begin(self, left: Iterable[ReceivedCommand[Command] | RefusedTransmission]) -> None:
        """Wait for this connection's turn; ``left`` is the rest of the block."""
        expected = 0
        for each in left:
            if isinstance(each, ReceivedCommand):
                expected += cryptography_cost(each)
            if expected >= BUDGET:
                break
        await self._turns.take(expected)
        self._has_begun = True

    def spend(self, command: Command, verification: int) -> None:
        """Note that a command was decided; ``verification`` is what checking it has cost."""
        cryptography = verification + AGREEMENT_COSTS.get(type(command), 0)
        if cryptography:
            self._turns.spend(cryptography)
        self._spent += COMMAND_COST + cryptography

    def spend_on_refusal(self) -> None:
        """Note that a transmission was refused as it cannot be read."""
        self._spent += COMMAND_COST

    async def end(self) -> None:
        """End the turn, and let other tasks run."""
        self.forget()
        await trio.lowlevel.checkpoint()

    def forget(self) -> None:
        """Begin anew after a wait, in which other tasks have run."""
        self._has_begun = False
        self._spent = 0
