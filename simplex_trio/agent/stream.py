"""`AgentEvents`: one stream with the events of all connections of an agent."""

from __future__ import annotations

import trio

from simplex_trio.agent.destination import Destination
from simplex_trio.agent.event_queues import EventQueues
from simplex_trio.agent.events import AgentEvent, Disconnected, RouterEvent, ServiceDisconnected
from simplex_trio.agent.log import AgentLog
from simplex_trio.engine.event_reader import EventReader

__all__ = ["AgentEvents"]


class AgentEvents(EventReader[AgentEvent]):
    """The events of an agent, for ``async for`` or `receive`.

    It ends when the agent is closed and everything has been read.  Several tasks may read; each
    event goes to one of them.  A slow reader holds up deliveries from routers, and nothing else.
    """

    def __init__(self, log: AgentLog, queues: EventQueues | None = None) -> None:
        super().__init__()
        self._log = log
        self._queues = EventQueues() if queues is None else queues
        self._deliverers: dict[Destination, trio.lowlevel.ParkingLot] = {}

    def __repr__(self) -> str:
        return f"<AgentEvents: {len(self._queues)} unread>"

    # --- for the program ----------------------------------------------------------------------

    @property
    def unread(self) -> int:
        """How many events wait to be read."""
        return len(self._queues)

    @property
    def dropped(self) -> int:
        """Deliveries other than messages that were dropped with their connections."""
        return self._queues.dropped

    async def aclose(self) -> None:
        """Stop reading; from then on deliveries wait in the buffers of their connections."""
        await super().aclose()

    def _has_events(self) -> bool:
        return bool(self._queues)

    def _pop(self) -> AgentEvent:
        event = self._queues.pop()
        assert event is not None  # as there are some
        if self._queues.is_half_empty(event.destination):
            deliverer = self._deliverers.get(event.destination)
            if deliverer is not None:
                deliverer.unpark_all()
        return event

    # --- for the agent ------------------------------------------------------------------------

    def report(self, event: AgentEvent) -> None:
        """Hand over an event about a connection or a subscription, and log it."""
        self._log.note(event)
        self.put(event)

    def put(self, event: AgentEvent) -> None:
        """Hand over an event; this never waits."""
        self._queues.put(event)
        self._readers.unpark()

    def put_left_over(self, event: RouterEvent) -> None:
        """Hand over an event of a connection that has ended; it may be dropped."""
        self._queues.put_left_over(event)
        self._readers.unpark()

    def end_session(self, *events: Disconnected | ServiceDisconnected) -> None:
        """Hand over the events for the end of a connection, and log them."""
        for event in events:
            self._log.note(event)
        self._queues.end_session(*events)
        self._readers.unpark()

    def has_room(self, destination: Destination) -> bool:
        """Whether a delivery from there should be put now."""
        return self._queues.has_room(destination)

    async def wait_for_room(self, destination: Destination) -> None:
        """Wait until a delivery from there should be put.  A checkpoint only if it waits."""
        while not self._queues.has_room(destination):
            lot = self._deliverers.setdefault(destination, trio.lowlevel.ParkingLot())
            try:
                await lot.park()
            finally:
                if not lot:
                    self._deliverers.pop(destination, None)
