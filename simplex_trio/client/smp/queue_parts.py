"""`QueueParts`: queues and their keys in order, in dictionaries of limited size.  Pure.

A dictionary of a million queues would hold up the event loop for a good part of a second when it
is joined to another one, and for some hundredths whenever it grows.  In parts, either takes as long
as one part does, and the memory of a part is given back as soon as it is empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

__all__ = ["PART", "QueueParts"]

PART = 1 << 17
"""Queues at which a part is full: it grows within some milliseconds, and a million queues are in
eight parts, each of which may have to be looked into."""

_JOINED = 1 << 12
"""A part of another table that has no more queues is joined to the last part here, so that many
sessions which end early do not leave many parts."""


class QueueParts:
    """Queues and their keys in the order in which they were added; each is in one part."""

    __slots__ = ("_joined", "_part", "_parts")

    def __init__(self, *, part: int = PART, joined: int = _JOINED) -> None:
        self._parts: list[dict[bytes, bytes]] = []  # never empty ones
        self._part = part
        self._joined = joined

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[bytes]:
        """The ids in order; nothing may be added or removed meanwhile."""
        return chain.from_iterable(self._parts)

    def __contains__(self, queue_id: bytes) -> bool:
        return any(queue_id in part for part in self._parts)

    def get(self, queue_id: bytes) -> bytes | None:
        """The keys of a queue, if it is here."""
        for part in self._parts:
            keys = part.get(queue_id)
            if keys is not None:
                return keys
        return None

    def put(self, queue_id: bytes, keys: bytes) -> None:
        """Add a queue at the end, or replace its keys where it is."""
        for part in self._parts:
            if queue_id in part:
                part[queue_id] = keys
                return
        self.add(queue_id, keys)

    def add(self, queue_id: bytes, keys: bytes) -> None:
        """Add a queue that is not here at the end."""
        if not self._parts or len(self._parts[-1]) >= self._part:
            self._parts.append({})
        self._parts[-1][queue_id] = keys

    def pop(self, queue_id: bytes) -> bytes | None:
        """Remove a queue and return its keys, if it is here."""
        for number, part in enumerate(self._parts):
            keys = part.pop(queue_id, None)
            if keys is not None:
                if not part:
                    del self._parts[number]
                return keys
        return None

    def drop_parts(self) -> Iterator[None]:
        """Drop all queues, and yield after each part of them but the last."""
        while self._parts:
            self._parts.pop()
            if self._parts:
                yield

    def take(self, others: QueueParts) -> None:
        """Add other queues, none of which are here, at the end; they must not be used again."""
        for part in others._parts:
            if self._parts and len(part) <= self._joined and len(self._parts[-1]) < self._part:
                self._parts[-1].update(part)
            else:
                self._parts.append(part)

    def snapshot(self) -> Iterator[bytes]:
        """The ids in order, while queues may be added and removed.

        What is added meanwhile may be among them, and what is removed too.
        """
        remaining = self._parts[::-1]
        while remaining:
            yield from tuple(remaining.pop())  # no part is kept that may become empty meanwhile
