"""`Board`: what a live table of an agent's servers shows.  Pure: events and times come in."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from attrs import define, field

from simplex_trio.agent.events import (
    AgentEvent,
    CannotConnect,
    Connected,
    Disconnected,
    RouterEvent,
    SubscriptionEnded,
    SubscriptionError,
)
from simplex_trio.cli.addresses import place_of
from simplex_trio.client.smp.queues import MessageReceived
from simplex_trio.wire.addresses import ServerAddress

__all__ = ["WINDOW", "Board", "ServerLine"]

WINDOW = 10.0
"""Seconds over which a rate is taken."""


@define
class _Rate:
    """How often something has happened lately."""

    times: deque[float] = field(factory=deque)

    def note(self, now: float) -> None:
        self.times.append(now)
        self._forget(now)

    def per_second(self, now: float) -> float:
        self._forget(now)
        return len(self.times) / WINDOW

    def _forget(self, now: float) -> None:
        while self.times and self.times[0] < now - WINDOW:
            self.times.popleft()


@define
class ServerLine:
    """The state of a server, as events report it."""

    place: str
    connected: bool = False
    connections: int = 0
    messages: int = 0
    refused: int = 0
    """Subscriptions that the router refused, or moved to another client."""
    trouble: str = ""
    """Why there is no connection, in words."""
    pending: int = 0
    active: int = 0
    rate: _Rate = field(factory=_Rate)

    @property
    def reconnects(self) -> int:
        """How often a lost connection has been made again."""
        return max(self.connections - 1, 0)

    @property
    def state(self) -> str:
        if self.connected:
            return "connected"
        return "trying again" if self.connections or self.trouble else "connecting"


@define
class Board:
    """All servers, in the order in which they were named."""

    servers: dict[ServerAddress, ServerLine]

    @classmethod
    def over(cls, servers: Iterable[ServerAddress]) -> Board:
        return cls({each: ServerLine(place_of(each)) for each in servers})

    def note(self, event: AgentEvent, now: float) -> None:
        """Update the table with an event of the agent."""
        server = self.servers[event.server]
        match event:
            case Connected():
                server.connected, server.trouble = True, ""
                server.connections += 1
            case Disconnected():
                server.connected = False
            case CannotConnect(error=error):
                server.trouble = str(error)
            case SubscriptionError(failures=failures):
                server.refused += len(failures)
            case SubscriptionEnded():
                server.refused += 1
            case RouterEvent(event=MessageReceived()):
                server.messages += 1
                server.rate.note(now)

    def lines(self, now: float) -> list[dict[str, Any]]:
        """The table, row by row."""
        return [
            {
                "server": server.place,
                "state": server.state,
                "pending": server.pending,
                "active": server.active,
                "refused": server.refused,
                "reconnects": server.reconnects,
                "messages": server.messages,
                "messages_per_second": round(server.rate.per_second(now), 2),
                "trouble": server.trouble,
            }
            for server in self.servers.values()
        ]
