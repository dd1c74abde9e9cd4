"""`Lanes`: the events that wait for the program, in order for each destination.  Pure.

Destinations take turns, so that a busy router does not hold up the news of the others.  What
routers deliver has little room, and when that is taken it stays in the buffer of its connection.
What the agent itself has to say is always taken, since nothing that it does may wait for the
reader; that this stays bounded is seen to in three ways:

* a connection that came and went while nobody read leaves no trace but what it settled for good;
* of several failures to connect in a row only the latest is kept;
* everything else answers something that the program asked for.
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

__all__ = ["LANE_ROOM", "MAX_LEFT_OVER", "Lanes"]

LANE_ROOM = 32
"""Unread deliveries for each destination: up to half a megabyte.  Further ones wait in the buffer
of the connection, which has a limit of its own."""

MAX_LEFT_OVER = 1024
"""Unread deliveries that a destination may keep from connections that are gone; beyond, they are
dropped.  Messages are not among them: unless there is room they are dropped in any case, because
the router delivers them again."""

_PASSING = (Connected, Subscribed, ServiceSubscribed)
"""What no longer matters when the connection has gone."""


class _Lane:
    __slots__ = ("deliveries", "events")

    def __init__(self) -> None:
        self.events: deque[AgentEvent] = deque()
        self.deliveries = 0


class Lanes:
    """Unread events by destination."""

    def __init__(self, *, room: int = LANE_ROOM, max_left_over: int = MAX_LEFT_OVER) -> None:
        self._room = room
        self._most = room + max_left_over
        self._lanes: OrderedDict[Destination, _Lane] = OrderedDict()  # none of them is empty
        self._count = 0
        self.dropped: int = 0
        """How many deliveries were dropped with their connections, messages not counted."""

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"<Lanes: {self._count} unread>"

    def has_room(self, destination: Destination) -> bool:
        """Whether a delivery from there should be taken."""
        lane = self._lanes.get(destination)
        return lane is None or lane.deliveries < self._room

    def is_half_empty(self, destination: Destination) -> bool:
        """Whether there is so much room that it is worth waking who waits for it."""
        lane = self._lanes.get(destination)
        return lane is None or lane.deliveries <= self._room // 2

    def put(self, event: AgentEvent) -> None:
        """Take an event, whether there is room or not."""
        if isinstance(event, CannotConnect):
            self._remove(event.destination, lambda unread: isinstance(unread, CannotConnect))
        lane = self._lanes.setdefault(event.destination, _Lane())
        lane.events.append(event)
        lane.deliveries += isinstance(event, RouterEvent)
        self._count += 1

    def put_left_over(self, event: RouterEvent) -> None:
        """Take what a connection has left behind, unless there is too much of that already."""
        lane = self._lanes.get(event.destination)
        if lane is not None and lane.deliveries >= self._most:
            self.dropped += 1
        else:
            self.put(event)

    def end_session(self, *events: Disconnected | ServiceDisconnected) -> None:
        """Take the news that a connection is gone, after all of its other events.

        If nobody has read yet that it was there, all news of it is dropped instead.
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
        """The oldest event of the destination whose turn it is; `None` if there are no events."""
        if not self._lanes:
            return None
        destination, lane = next(iter(self._lanes.items()))
        event = lane.events.popleft()
        lane.deliveries -= isinstance(event, RouterEvent)
        self._count -= 1
        if lane.events:
            self._lanes.move_to_end(destination)
        else:
            del self._lanes[destination]
        return event

    def _remove(self, destination: Destination, unwanted: Callable[[AgentEvent], bool]) -> bool:
        """Remove unread events that are no deliveries; whether there were any."""
        lane = self._lanes.get(destination)
        if lane is None:
            return False
        kept = deque(event for event in lane.events if not unwanted(event))
        removed = len(lane.events) - len(kept)
        lane.events = kept
        self._count -= removed
        if not kept:
            del self._lanes[destination]
        return removed > 0
