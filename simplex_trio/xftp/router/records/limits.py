"""`RecordLimits`: limits for the records about packets; and how many records there are.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from simplex_trio.frozen import frozen

__all__ = ["MOST_FORGOTTEN", "NO_LIMITS", "ROW_BYTES", "RecordCounts", "RecordLimits", "Room"]

ROW_BYTES: Final = 256
"""The size of a packet or a recipient in SQLite, with its part of the indexes: measured with the
longest keys, 200 and 213, and 30 more for packets without a body."""

MOST_FORGOTTEN: Final = 400
"""Packets without a body that are deleted at a time to make room: the number of keys in a block."""


@frozen
class RecordLimits:
    """The most records that a router keeps."""

    packets: int
    rows: int
    """Packets and recipients together."""
    unused_before: int = 0
    """Packets without a body that were registered before this hour make room for others."""


NO_LIMITS: Final = RecordLimits(2**63, 2**63)


@frozen
class Room:
    """The packets and rows to delete to make room, and whether there is enough then."""

    packets: int
    rows: int
    is_enough: bool


class RecordCounts:
    """How many records there are."""

    def __init__(self, packets: int, recipients: int) -> None:
        self.packets: int = packets
        self.rows: int = packets + recipients
        """Packets and recipients."""
        self.forgotten: int = 0
        """Packets without a body that were deleted to make room for others."""

    def most_to_forget(self, packets: int, rows: int, limits: RecordLimits) -> int:
        """The most unused packets that must go before there is room for so many more records."""
        lacking = max(self.packets + packets - limits.packets, self.rows + rows - limits.rows, 0)
        return min(lacking, MOST_FORGOTTEN)

    def room(self, packets: int, rows: int, limits: RecordLimits, unused: Iterable[int]) -> Room:
        """The first of the ``unused`` packets that must go, each given by its recipients."""
        packets += self.packets - limits.packets
        rows += self.rows - limits.rows
        freed_packets = freed_rows = 0
        for recipients in unused:
            if freed_packets >= packets and freed_rows >= rows:
                break
            freed_packets += 1
            freed_rows += 1 + recipients
        is_enough = freed_packets >= packets and freed_rows >= rows
        return Room(freed_packets, freed_rows, is_enough)

    def note_added(self, room: Room, packets: int, rows: int) -> None:
        """Count what was deleted, and what was added if there was room."""
        self.forgotten += room.packets
        self.packets += packets * room.is_enough - room.packets
        self.rows += rows * room.is_enough - room.rows

    def note_deleted(self, recipients: int) -> None:
        """Count a packet out, with its recipients."""
        self.packets -= 1
        self.rows -= 1 + recipients

    def note_recipients_deleted(self, count: int) -> None:
        """Count recipients out."""
        self.rows -= count
