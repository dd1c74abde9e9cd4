"""`RecentBodies`: bodies of messages that were just stored and will most likely be read at once."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

__all__ = ["MAX_BYTES", "RecentBodies"]

MAX_BYTES: Final = 8 * 1024 * 1024
"""Enough for the messages of a busy second; older ones are read from the store again."""


class RecentBodies:
    """The latest bodies by the sequence numbers of their messages, up to so many bytes."""

    def __init__(self, limit: int = MAX_BYTES) -> None:
        self._limit = limit
        self._bodies: OrderedDict[int, bytes] = OrderedDict()
        self._size = 0

    def put(self, sequence: int, body: bytes) -> None:
        """Remember a body, and forget the oldest ones if there are too many."""
        self._bodies[sequence] = body
        self._size += len(body)
        while self._size > self._limit:
            _, oldest = self._bodies.popitem(last=False)
            self._size -= len(oldest)

    def get(self, sequence: int) -> bytes | None:
        """A body, if it is still remembered."""
        return self._bodies.get(sequence)
