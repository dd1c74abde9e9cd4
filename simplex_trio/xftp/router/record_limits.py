"""`RecordLimits`: limits for the records about packets."""

from __future__ import annotations

from simplex_trio.frozen import frozen

__all__ = ["MOST_FORGOTTEN", "NO_LIMITS", "ROW_BYTES", "RecordLimits", "Room"]

ROW_BYTES = 256
"""The size of a packet or a recipient in the database, with its part of the indexes: measured with
the longest keys, 200 and 213, and 30 more for packets without a body."""

MOST_FORGOTTEN = 400
"""Packets without a body that are deleted at a time to make room: the number of keys in a block."""


@frozen
class RecordLimits:
    """The most records that a router keeps."""

    packets: int
    rows: int
    """Packets and recipients together."""
    unused_before: int = 0
    """Packets without a body that were registered before this hour make room for others."""


NO_LIMITS = RecordLimits(2**63, 2**63)


@frozen
class Room:
    """The packets and rows that were deleted to make room, and whether there is enough now."""

    packets: int
    rows: int
    is_enough: bool
