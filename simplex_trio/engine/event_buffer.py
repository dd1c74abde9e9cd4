"""The bounded buffer in which the events of a connection wait to be read.

Answers and events arrive in one stream of blocks.  A program that does not read its events must not
block its own answers, so events are buffered.  The buffer is bounded in bytes; at the limit the
connection is dropped, which loses nothing, because unacknowledged messages are redelivered.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Generic, TypeVar

import attrs
from attrs import define

from simplex_trio.engine.event_reader import EventReader

__all__ = ["EVENT_LIMIT", "MAX_FOLDED", "EventBuffer", "EventStream", "held_bytes"]

EVENT_LIMIT = 64 * 1024 * 1024
"""Bytes of unread events at which a connection is dropped: about 4,000 blocks."""

MAX_FOLDED = 8
"""Unread notifications about one queue that are kept; a further one replaces the newest, because
each only says that there are messages."""

EventT = TypeVar("EventT")


@define(eq=False)
class _Entry(Generic[EventT]):
    event: EventT
    weight: int
    fold_key: object


def held_bytes(value: Any) -> int:
    """Roughly how many bytes of content a value and the values inside it hold."""
    match value:
        case bytes() | str():
            return len(value)
        case tuple():
            return sum(held_bytes(each) for each in value)
        case _ if attrs.has(type(value)):
            names = (each.name for each in attrs.fields(type(value)))
            return sum(held_bytes(getattr(value, name)) for name in names)
        case _:
            return 0


class EventBuffer(Generic[EventT]):
    """Unread events in order, with a limit on their bytes.  Pure."""

    def __init__(self, *, limit: int = EVENT_LIMIT, max_folded: int = MAX_FOLDED) -> None:
        self._limit = limit
        self._max_folded = max_folded
        self._entries: deque[_Entry[EventT]] = deque()
        self._folding: dict[object, list[_Entry[EventT]]] = {}
        self._weight = 0
        self.folded: int = 0
        """How many events have replaced an older one."""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def weight(self) -> int:
        """Bytes held by unread events."""
        return self._weight

    def put(self, event: EventT, weight: int, fold_key: object = None) -> bool:
        """Add an event; returns false, and does not add it, if that would exceed the limit."""
        unread = [] if fold_key is None else self._folding.get(fold_key, [])
        newest = unread[-1] if len(unread) >= self._max_folded else None
        weight_then = self._weight + weight - (0 if newest is None else newest.weight)
        if weight_then > self._limit:
            return False
        self._weight = weight_then
        if newest is not None:
            newest.event, newest.weight = event, weight
            self.folded += 1
            return True
        entry = _Entry(event, weight, fold_key)
        self._entries.append(entry)
        if fold_key is not None:
            self._folding.setdefault(fold_key, []).append(entry)
        return True

    def pop(self) -> EventT:
        """Remove and return the oldest unread event."""
        entry = self._entries.popleft()
        self._weight -= entry.weight
        if entry.fold_key is not None:
            unread = self._folding[entry.fold_key]
            unread.remove(entry)
            if not unread:
                del self._folding[entry.fold_key]
        return entry.event


class EventStream(EventReader[EventT]):
    """The events of a connection, for ``async for`` or `receive`.

    It ends once the connection has ended and everything has been read.  Several tasks may read;
    each event goes to one of them.  Closing it only stops reading.
    """

    def __init__(self, buffer: EventBuffer[EventT]) -> None:
        super().__init__()
        self._buffer = buffer

    def __repr__(self) -> str:
        return f"<EventStream: {len(self._buffer)} unread>"

    def _has_events(self) -> bool:
        return bool(self._buffer)

    def _pop(self) -> EventT:
        return self._buffer.pop()

    def put(self, event: EventT, weight: int, fold_key: object = None) -> bool:
        """Add an event; returns false if the limit of unread bytes is reached."""
        if self._ended:
            return True
        kept = self._buffer.put(event, weight, fold_key)
        if kept and self._readers:
            self._readers.unpark()
        return kept
