"""What tests of agents wait for: the next event of a kind, and a connection."""

from __future__ import annotations

from collections import Counter
from typing import TypeVar

import trio

from simplex_trio.agent.agent import SMPClientAgent
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.events import ConfirmationReceived, ConnectionReady

__all__ = ["connect_agents", "next_event"]

EventT = TypeVar("EventT")


async def next_event(
    agent: DuplexAgent | SMPClientAgent, kind: type[EventT], *, within: float = 60.0
) -> EventT:
    """The next event of a kind; those before it are dropped.

    Raises `AssertionError` if none comes within so many seconds, or the agent is closed, and says
    which other events there were.
    """
    dropped: Counter[str] = Counter()
    why = f"in {within:g} seconds"
    with trio.move_on_after(within):
        async for event in agent.events:
            if isinstance(event, kind):
                return event
            dropped[type(event).__name__] += 1
        why = "before the agent was closed"
    others = ", ".join(f"{count} {name}" for name, count in dropped.items())
    raise AssertionError(f"no {kind.__name__} {why}; other events: {others or 'none'}")


async def connect_agents(first: DuplexAgent, second: DuplexAgent) -> tuple[str, str]:
    """Connect two agents, and return the id that the connection has at the first and the second.

    Both have to be able to reach each other's routers.  Events that have nothing to do with it are
    dropped.  Raises `AssertionError` as `next_event` does.
    """
    invitation = await first.create()
    at_second = await second.join(invitation.link)
    at_first = await first.accept(await next_event(first, ConfirmationReceived))
    await next_event(first, ConnectionReady)
    await next_event(second, ConnectionReady)
    return at_first, at_second
