"""Everything that members say in groups, and what follows from each of it."""

from __future__ import annotations

from collections.abc import Sequence

from simplex_trio.chat.machine.groups import content
from simplex_trio.chat.machine.groups.arriving import Arrival, Rules

__all__ = ["RULES", "pass_on"]

RULES: Rules = {**content.RULES}


def pass_on(allowed: Sequence[Arrival]) -> None:
    """Pass on what members say to those that are not connected with them."""
