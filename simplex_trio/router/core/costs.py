"""What commands cost the event loop. Pure.

The unit is that of `simplex_trio.wire.authorization.Verifier.spent`.
"""

from __future__ import annotations

from typing import Final

from simplex_trio.wire.authorization import AGREEMENT_COST, verification_cost
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.smp.commands import NEW, NKEY, RFWD, Command

__all__ = ["COMMAND_COST", "agreement_cost", "cryptography_cost"]

COMMAND_COST: Final = 5
"""The cost of any command, for reading, deciding and answering it."""

# Key agreements in each command; generating a key for one counts as another.
_AGREEMENTS: Final[dict[type[Command], int]] = {NEW: 2, NKEY: 2, RFWD: 2}


def agreement_cost(command: Command) -> int:
    """The cost of the key agreements in a command, which verifiers do not count."""
    return _AGREEMENTS.get(type(command), 0) * AGREEMENT_COST


def cryptography_cost(received: ReceivedCommand[Command]) -> int:
    """The least that the cryptography of a command costs; 0 for most that need no key."""
    return verification_cost(received.transmission) + agreement_cost(received.command)
