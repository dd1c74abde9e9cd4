"""`RecentBodies`: a cache of messages that were just stored and will most likely be read soon."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from simplex_trio.router.store.records import MessageHead

__all__ = ["ENTRY_SIZE", "MAX_BODIES", "MAX_BYTES", "RecentBodies"]

MAX_BYTES: Final = 8 * 1024 * 1024
"""Enough for the messages of a busy second; older ones are read from the store."""

MAX_BODIES: Final = 16_384
"""Several times as many as a router stores in a second, however short they are."""

ENTRY_SIZE: Final = 256
"""Counted for each entry beside the length of its body: for the object, its place in the table, and
the sequence number."""


class RecentBodies:
    """The latest bodies by the sequence numbers of their messages, bounded in number and bytes.

    A body that outlives its message wastes memory, and does no other harm.
    """

    def __init__(self, max_bytes: int = MAX_BYTES, max_bodies: int = MAX_BODIES) -> None:
        self._max_bytes = max_bytes
        self._max_bodies = max_bodies
        self._bodies: OrderedDict[int, bytes] = OrderedDict()
        self._size = 0

    def put(self, sequence: int, body: bytes) -> None:
        """Add a body, and drop the oldest ones beyond the limits."""
        self._bodies[sequence] = body
        self._size += ENTRY_SIZE + len(body)
        while self._size > self._max_bytes or len(self._bodies) > self._max_bodies:
            _, oldest = self._bodies.popitem(last=False)
            self._size -= ENTRY_SIZE + len(oldest)

    def get(self, sequence: int) -> bytes | None:
        """A body, if it is still here."""
        return self._bodies.get(sequence)

    def forget(self, heads: Iterable[MessageHead]) -> None:
        """Drop the bodies of messages that are deleted, or about to be."""
        for head in heads:
            body = self._bodies.pop(head.sequence, None)
            if body is not None:
                self._size -= ENTRY_SIZE + len(body)

    def __len__(self) -> int:
        return len(self._bodies)

    @property
    def size(self) -> int:
        """About how many bytes all of them take."""
        return self._size
