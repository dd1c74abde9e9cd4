"""`EventQueues`: unread events, in order for each destination.  Pure.

Destinations take turns, so that a busy router does not hold up the events of the others.
Deliveries have little room here; beyond it they stay in the buffer of their connection.  The
agent's own events are always accepted, because nothing that the agent does may wait for the reader.
Three rules bound them:

* a connection that came and went unread leaves only what it settled for good;
* of several failures to connect in a row only the latest is kept;
* every other event answers a call of the program.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

from simplex_trio.agent.destination import Destination
from simplex_trio.agent.events import (
    AgentEvent,
    CannotConnect,
    Connected,
    Disconnected,
    RouterEvent,
    ServiceDisconnected,
    ServiceSubscribed,
    Subscribed,
)

__all__ = ["DELIVERY_ROOM", "MAX_LEFT_OVER", "EventQueues"]

DELIVERY_ROOM = 32
"""Unread deliveries of one destination: up to half a megabyte.  Further ones wait in the buffer of
the connection, which has a limit of its own."""

MAX_LEFT_OVER = 1024
"""Unread deliveries of one destination that may outlive their connections; further ones are
dropped.  Messages do not count: without room they are always dropped, as the router redelivers
them."""

_PASSING = (Connected, Subscribed, ServiceSubscribed)
"""Events that no longer matter once the connection is gone."""


class _EventQueue:
    __slots__ = ("deliveries", "events")

    def __init__(self) -> None:
        self.events: deque[AgentEvent] = deque()
        self.deliveries = 0


class EventQueues:
    """Unread events by destination."""

    def __init__(self, *, room: int = DELIVERY_ROOM, max_left_over: int = MAX_LEFT_OVER) -> None:
        self._room = room
        self._most = room + max_left_over
        self._queues: OrderedDict[Destination, _EventQueue] = OrderedDict()  # never empty ones
        self._count = 0
        self.dropped: int = 0
        """Deliveries that were dropped with their connections, messages not counted."""

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"<EventQueues: {self._count} unread>"

    def has_room(self, destination: Destination) -> bool:
        """Whether a delivery from there should be put now."""
        queue = self._queues.get(destination)
        return queue is None or queue.deliveries < self._room

    def is_half_empty(self, destination: Destination) -> bool:
        """Whether there is enough room to be worth waking the task that waits for it."""
        queue = self._queues.get(destination)
        return queue is None or queue.deliveries <= self._room // 2

    def put(self, event: AgentEvent) -> None:
        """Add an event, whether there is room or not."""
        if isinstance(event, CannotConnect):
            self._remove(event.destination, lambda unread: isinstance(unread, CannotConnect))
        queue = self._queues.setdefault(event.destination, _EventQueue())
        queue.events.append(event)
        queue.deliveries += isinstance(event, RouterEvent)
        self._count += 1

    def put_left_over(self, event: RouterEvent) -> None:
        """Add an event of a connection that has ended, unless there are too many already."""
        queue = self._queues.get(event.destination)
        if queue is not None and queue.deliveries >= self._most:
            self.dropped += 1
        else:
            self.put(event)

    def end_session(self, *events: Disconnected | ServiceDisconnected) -> None:
        """Add the events for the end of a connection, after all of its other events.

        If its `Connected` is still unread, its events are dropped instead.
        """
        destination, session_id = events[0].destination, events[0].session_id
        if not self._remove(
            destination,
            lambda unread: isinstance(unread, Connected) and unread.session_id == session_id,
        ):
            for event in events:
                self.put(event)
            return
        self._remove(
            destination,
            lambda unread: isinstance(unread, _PASSING) and unread.session_id == session_id,
        )

    def pop(self) -> AgentEvent | None:
        """Remove and return the oldest event of the next destination; `None` if there are none."""
        if not self._queues:
            return None
        destination, queue = next(iter(self._queues.items()))
        event = queue.events.popleft()
        queue.deliveries -= isinstance(event, RouterEvent)
        self._count -= 1
        if queue.events:
            self._queues.move_to_end(destination)
        else:
            del self._queues[destination]
        return event

    def _remove(self, destination: Destination, unwanted: Callable[[AgentEvent], bool]) -> bool:
        """Remove unread events that are not deliveries; whether there were any."""
        queue = self._queues.get(destination)
        if queue is None:
            return False
        kept = deque(event for event in queue.events if not unwanted(event))
        removed = len(queue.events) - len(kept)
        queue.events = kept
        self._count -= removed
        if not kept:
            del self._queues[destination]
        return removed > 0
