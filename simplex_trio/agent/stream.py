"""`AgentEvents`: the one stream in which a program reads what all of its connections bring."""

from __future__ import annotations

import trio

from simplex_trio.agent.destination import Destination
from simplex_trio.agent.events import AgentEvent, Disconnected, RouterEvent, ServiceDisconnected
from simplex_trio.agent.lanes import Lanes
from simplex_trio.client.event_reader import EventReader

__all__ = ["AgentEvents"]


class AgentEvents(EventReader[AgentEvent]):
    """The events of an agent, for ``async for`` or `receive`.

    It ends when the agent is closed and everything has been read.  Several tasks may read; each
    event goes to one of them.  Who does not read holds up what routers deliver, and nothing else.
    """

    def __init__(self, lanes: Lanes | None = None) -> None:
        super().__init__()
        self._lanes = Lanes() if lanes is None else lanes
        self._deliverers: dict[Destination, trio.lowlevel.ParkingLot] = {}

    def __repr__(self) -> str:
        return f"<AgentEvents: {len(self._lanes)} unread>"

    # --- for the program ----------------------------------------------------------------------

    @property
    def unread(self) -> int:
        """How many events wait to be read."""
        return len(self._lanes)

    @property
    def dropped(self) -> int:
        """How many deliveries other than messages were lost with connections that ended."""
        return self._lanes.dropped

    async def aclose(self) -> None:
        """Stop reading; what routers deliver then waits for ever."""
        await super().aclose()

    def _has_events(self) -> bool:
        return bool(self._lanes)

    def _pop(self) -> AgentEvent:
        event = self._lanes.pop()
        assert event is not None  # as there are some
        if self._lanes.is_half_empty(event.destination):
            deliverer = self._deliverers.get(event.destination)
            if deliverer is not None:
                deliverer.unpark_all()
        return event

    # --- for the agent ------------------------------------------------------------------------

    def put(self, event: AgentEvent) -> None:
        """Hand over an event; this never waits."""
        self._lanes.put(event)
        self._readers.unpark()

    def put_left_over(self, event: RouterEvent) -> None:
        """Hand over what an ended connection left behind; it may be dropped."""
        self._lanes.put_left_over(event)
        self._readers.unpark()

    def end_session(self, *events: Disconnected | ServiceDisconnected) -> None:
        """Hand over the news that a connection is gone."""
        self._lanes.end_session(*events)
        self._readers.unpark()

    def has_room(self, destination: Destination) -> bool:
        """Whether a delivery from there should be put now."""
        return self._lanes.has_room(destination)

    async def wait_for_room(self, destination: Destination) -> None:
        """Wait until a delivery from there should be put.  A checkpoint only if it waits."""
        while not self._lanes.has_room(destination):
            lot = self._deliverers.setdefault(destination, trio.lowlevel.ParkingLot())
            try:
                await lot.park()
            finally:
                if not lot:
                    self._deliverers.pop(destination, None)
