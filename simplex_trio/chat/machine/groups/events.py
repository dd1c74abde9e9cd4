"""Everything that members say in groups, and what follows from each of it."""

from __future__ import annotations

from simplex_trio.chat.machine.groups import changes, content, forwarding, members
from simplex_trio.chat.machine.groups.arriving import Rules
from simplex_trio.chat.machine.groups.forwarding import pass_on

__all__ = ["RULES", "pass_on"]

RULES: Rules = {**content.RULES, **members.RULES, **changes.RULES, **forwarding.RULES}
