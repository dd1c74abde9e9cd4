"""Events for any number of subscribers; a slow one does not delay the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import trio

from simplex_trio.engine.event_reader import EventReader
from simplex_trio.katzenpost.messages.events import Event, EventsDropped, event_size

__all__ = ["EventHub", "EventSubscription"]


class EventSubscription(EventReader[Event]):
    """One subscriber's events, for ``async for`` or `receive`.

    It ends when the client is closed and all events are read.  A slow subscriber loses events:
    beyond the limits none is kept, and an `EventsDropped` says how many are missing at that place.
    """

    def __init__(self, hub: EventHub, known: Iterable[Event]) -> None:
        super().__init__()
        self._hub = hub
        self._unread: deque[Event] = deque(known)
        self._unread_bytes = sum(map(event_size, self._unread))
        self._dropped = 0

    def __repr__(self) -> str:
        return f"<EventSubscription: {len(self._unread)} unread>"

    def _has_events(self) -> bool:
        return bool(self._unread or self._dropped)

    def _pop(self) -> Event:
        if self._unread:
            event = self._unread.popleft()
            self._unread_bytes -= event_size(event)
            return event
        dropped, self._dropped = self._dropped, 0
        return EventsDropped(dropped)

    async def aclose(self) -> None:
        """Stop receiving; the client then keeps nothing for this subscriber."""
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """As `aclose`, without a checkpoint."""
        self._closed = True
        self._unread.clear()
        self._unread_bytes = 0
        self._hub.leave(self)
        self._readers.unpark_all()

    def put(self, event: Event) -> None:
        """For the hub: one more event."""
        size = event_size(event)
        if self._dropped or not self._hub.has_room(len(self._unread), self._unread_bytes, size):
            self._dropped += 1
        else:
            self._unread.append(event)
            self._unread_bytes += size
        self._readers.unpark()


class EventHub:
    """Hands each event to all who had subscribed before it happened.

    For each subscriber it keeps ``most_events`` that are unread, of ``most_bytes`` together; one
    that is larger than that by itself is kept alone.
    """

    def __init__(self, most_events: int, most_bytes: int) -> None:
        self._most_events = most_events
        self._most_bytes = most_bytes
        self._subscribers: list[EventSubscription] = []
        self._ended = False

    def subscribe(self, known: Iterable[Event]) -> EventSubscription:
        """A new subscriber, which first gets the current state."""
        subscription = EventSubscription(self, known)
        if self._ended:
            subscription.end()
        else:
            self._subscribers.append(subscription)
        return subscription

    def has_room(self, events: int, size: int, more: int) -> bool:
        """Whether beside so many unread events, of this size together, one more is kept."""
        return events < self._most_events and (not events or size + more <= self._most_bytes)

    def leave(self, subscription: EventSubscription) -> None:
        """Forget a subscriber."""
        if subscription in self._subscribers:
            self._subscribers.remove(subscription)

    def put(self, event: Event) -> None:
        """Hand over an event; this never waits."""
        for subscription in self._subscribers:
            subscription.put(event)

    def end(self) -> None:
        """No further event will come."""
        self._ended = True
        for subscription in self._subscribers:
            subscription.end()
        self._subscribers.clear()
