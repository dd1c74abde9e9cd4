"""Events for any number of subscribers, none of whom holds up anybody else."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import trio

from simplex_trio.katzenpost.messages.events import Event, EventsDropped, event_size

__all__ = ["EventHub", "Subscription"]


class Subscription(trio.abc.ReceiveChannel[Event]):
    """One subscriber's events, for ``async for`` or `receive`.

    It ends when the client is closed and everything has been read.  Who does not read loses events:
    beyond the limits none is kept, and an `EventsDropped` says how many are missing at that place.
    """

    def __init__(self, hub: EventHub, known: Iterable[Event]) -> None:
        self._hub = hub
        self._unread: deque[Event] = deque(known)
        self._unread_bytes = sum(map(event_size, self._unread))
        self._dropped = 0
        self._readers = trio.lowlevel.ParkingLot()
        self._ended = False
        self._closed = False

    def __repr__(self) -> str:
        return f"<Subscription: {len(self._unread)} unread>"

    async def receive(self) -> Event:
        """The next event, in order.  Cancelled, it has taken none.

        Raises `trio.EndOfChannel` after the last one, `trio.ClosedResourceError` after `aclose`.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while not (self._closed or self._unread or self._dropped or self._ended):
            await self._readers.park()
        event = self.receive_nowait()
        await trio.lowlevel.cancel_shielded_checkpoint()
        return event

    def receive_nowait(self) -> Event:
        """The next event if one is there; otherwise `trio.WouldBlock`, or what `receive` raises."""
        if self._closed:
            raise trio.ClosedResourceError
        if self._unread:
            event = self._unread.popleft()
            self._unread_bytes -= event_size(event)
            return event
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            return EventsDropped(dropped)
        raise trio.EndOfChannel if self._ended else trio.WouldBlock

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

    def end(self) -> None:
        """For the hub: no further event will come."""
        self._ended = True
        self._readers.unpark_all()


class EventHub:
    """Hands each event to everybody who subscribed before it happened.

    For each subscriber it keeps ``most_events`` that are unread, of ``most_bytes`` together; one
    that is larger than that by itself is kept alone.
    """

    def __init__(self, most_events: int, most_bytes: int) -> None:
        self._most_events = most_events
        self._most_bytes = most_bytes
        self._subscribers: list[Subscription] = []
        self._ended = False

    def subscribe(self, known: Iterable[Event]) -> Subscription:
        """A new subscriber, who first gets what is known so far."""
        subscription = Subscription(self, known)
        if self._ended:
            subscription.end()
        else:
            self._subscribers.append(subscription)
        return subscription

    def has_room(self, events: int, size: int, more: int) -> bool:
        """Whether beside so many unread events, of this size together, one more is kept."""
        return events < self._most_events and (not events or size + more <= self._most_bytes)

    def leave(self, subscription: Subscription) -> None:
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
