"""Events of a connection, and the bounded buffer in which they wait to be read.

Answers and events share one stream of blocks.  If a program that does not read its events could
stop the reader, it would also stop the answers it waits for, so events wait in a buffer.  The
buffer is bounded in bytes; at the bound the connection is dropped, which loses nothing, since
messages that were not acknowledged come again.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Generic, TypeVar

import attrs
from attrs import define, frozen

from simplex_trio.client.event_reader import EventReader
from simplex_trio.errors import SimplexError
from simplex_trio.redaction import Redacted

__all__ = [
    "EVENT_LIMIT",
    "MAX_FOLDED",
    "ErrorEvent",
    "EventBuffer",
    "EventStream",
    "ExpiredResponse",
    "Notice",
    "UnexpectedResponse",
    "held_bytes",
]

EVENT_LIMIT = 64 * 1024 * 1024
"""Bytes of unread events at which a connection is dropped: some 4,000 blocks."""

MAX_FOLDED = 8
"""Unread notifications about one queue that are kept; a further one takes the place of the newest,
because all they say is that something is there."""

EventT = TypeVar("EventT")


@frozen(repr=False)
class Notice(Redacted):
    """A message that the router sent by itself (or that answered and is an event too)."""

    entity_id: bytes
    message: object


@frozen(repr=False)
class ExpiredResponse(Redacted):
    """The answer to a command whose caller had stopped waiting: a message or an error."""

    entity_id: bytes
    command: object
    result: object


@frozen(repr=False)
class UnexpectedResponse(Redacted):
    """An answer to nothing that was asked, or about another entity than was asked about."""

    entity_id: bytes
    result: object


@frozen(repr=False)
class ErrorEvent(Redacted):
    """Something unasked that could not be read, or an error that the router told to nobody."""

    entity_id: bytes
    error: SimplexError


@define(eq=False)
class _Entry(Generic[EventT]):
    event: EventT
    weight: int
    fold_key: object


def held_bytes(value: Any) -> int:
    """About how many bytes of content a value holds on to, through the values inside it."""
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
    """Unread events in order.  Pure: it decides what is kept and when it is too much."""

    def __init__(self, *, limit: int = EVENT_LIMIT, max_folded: int = MAX_FOLDED) -> None:
        self._limit = limit
        self._max_folded = max_folded
        self._entries: deque[_Entry[EventT]] = deque()
        self._folding: dict[object, list[_Entry[EventT]]] = {}
        self._weight = 0
        self.folded: int = 0
        """How many events have taken the place of an older one."""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def weight(self) -> int:
        """Bytes held by unread events."""
        return self._weight

    def put(self, event: EventT, weight: int, fold_key: object = None) -> bool:
        """Keep ``event``; False if the bound was reached, and then it is not kept."""
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
        """The oldest unread event."""
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

    It ends when the connection has ended and everything has been read.  Several tasks may read;
    each event goes to one of them.  Closing it only stops the reading.
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
        """For the connection: hand over an event; False if there are too many unread bytes."""
        if self._ended:
            return True
        kept = self._buffer.put(event, weight, fold_key)
        if kept:
            self._readers.unpark()
        return kept
