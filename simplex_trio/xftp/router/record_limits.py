"""`RecordLimits`: how much a router keeps about packets, beside their bodies."""

from __future__ import annotations

from attrs import frozen

__all__ = ["MOST_FORGOTTEN", "NO_LIMITS", "ROW_BYTES", "RecordLimits", "Room"]

ROW_BYTES = 256
"""What a packet or a recipient takes in the database, with its part of the indexes: measured with
the longest keys, 200 and 213, and 30 for packets that wait for their bodies."""

MOST_FORGOTTEN = 400
"""Packets without a body that are forgotten at a time: as many as there are keys in a block."""


@frozen
class RecordLimits:
    """How much a router keeps about packets."""

    packets: int
    rows: int
    """Packets and recipients together."""
    unused_before: int = 0
    """Packets that were registered before this hour and have no body make room for others."""


NO_LIMITS = RecordLimits(2**63, 2**63)


@frozen
class Room:
    """What was forgotten to make room, and whether there is some now."""

    packets: int
    rows: int
    is_enough: bool
