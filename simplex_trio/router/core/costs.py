"""What commands cost the event loop. Pure.

The unit is that of `simplex_trio.wire.authorization.Verifier.spent`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from simplex_trio.wire.authorization import AGREEMENT_COST, verification_cost
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.smp.commands import NEW, NKEY, RFWD, Command

__all__ = ["AGREEMENT_COSTS", "COMMAND_COST", "cryptography_cost"]

COMMAND_COST: Final = 3
"""The cost of any command, for reading, deciding and answering it."""

AGREEMENT_COSTS: Final[Mapping[type[Command], int]] = dict.fromkeys(
    (NEW, NKEY, RFWD), 2 * AGREEMENT_COST
)
"""The cost of the key agreements in commands that have any, which verifiers do not count.

There is one in each of these; generating a key for it counts as another."""


def cryptography_cost(received: ReceivedCommand[Command]) -> int:
    """The least that the cryptography of a command costs; 0 for most that need no key."""
    return verification_cost(received.transmission) + AGREEMENT_COSTS.get(type(received.command), 0)
