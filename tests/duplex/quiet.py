"""Agents and routers in one virtual time, in a network without any trouble of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import trio
from attrs import define, evolve, field

from simplex_trio.agent.destination import Destination
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig, ProxyUse
from simplex_trio.duplex.events import ConfirmationReceived, ConnectionReady, DuplexEvent
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.duplex.store.store import MemoryFile
from simplex_trio.testing.in_memory.connector import simulated_connector
from simplex_trio.testing.network import MemoryNetwork
from tests.agent.simulation.own_router import OwnRouter

__all__ = ["Quiet", "next_event", "open_quiet"]

_NOW = 1_800_000_000

EventT = TypeVar("EventT", bound=DuplexEvent)


@define(eq=False)
class Quiet:
    """Routers, and a record of the attempts to connect to them."""

    nursery: trio.Nursery
    network: MemoryNetwork = field(factory=lambda: MemoryNetwork(Random(0)))
    routers: list[OwnRouter] = field(factory=list)
    attempts: list[tuple[float, Destination]] = field(factory=list)
    stuck: set[str] = field(factory=set)
    """Routers that take connections and then say nothing."""
    _agents: int = field(default=0, init=False)

    async def add_router(self, **options: Any) -> OwnRouter:
        number = len(self.routers)
        router = OwnRouter(
            *(self.network, f"router{number}.test", Random(number)),
            number=number,
            relays=self.routers,
            **options,
        )
        self.routers.append(router)
        await router.start(self.nursery)
        return router

    def stop(self) -> None:
        """All routers are out of reach."""
        for router in self.routers:
            router.stop()

    async def start(self) -> None:
        """They can be reached again."""
        for router in self.routers:
            await router.start(self.nursery)

    @asynccontextmanager
    async def open_agent(
        self, path: Path | MemoryFile | None = None, **options: Any
    ) -> AsyncIterator[DuplexAgent]:
        """An agent in memory with all routers for its queues, unless ``options`` say otherwise."""
        self._agents += 1
        servers = [router.address for router in self.routers]
        now = trio.lowlevel.current_clock().current_time  # in any thread
        defaults = DuplexConfig(
            tuple(servers), pq=False, proxy=ProxyUse.NEVER, clock=lambda: _NOW + now()
        )
        config = evolve(defaults, **options)
        connect = simulated_connector(self.routers, Random(self._agents), config.agent.client)

        async def recorded(nursery: trio.Nursery, destination: Destination) -> SMPClient:
            self.attempts.append((trio.current_time(), destination))
            if str(destination.server.hosts[0]) in self.stuck:
                await trio.sleep_forever()
            return await connect(nursery, destination)

        async with open_duplex_agent(path, config=config, connector=recorded) as agent:
            yield agent


@asynccontextmanager
async def open_quiet(routers: int = 1) -> AsyncIterator[Quiet]:
    async with trio.open_nursery() as nursery:
        quiet = Quiet(nursery)
        for _ in range(routers):
            await quiet.add_router()
        yield quiet
        nursery.cancel_scope.cancel()


async def next_event(agent: DuplexAgent, kind: type[EventT]) -> EventT:
    """The next event of a kind; others are left out."""
    with trio.fail_after(7 * 24 * 3600):
        async for event in agent.events:
            if isinstance(event, kind):
                return event
    raise AssertionError("the agent has ended")


async def connect(first: DuplexAgent, second: DuplexAgent, **options: Any) -> tuple[str, str]:
    """The ids of a connection that ``second`` has joined."""
    invitation = await first.create(**options)
    theirs = await second.join(invitation.link)
    ours = await first.accept(await next_event(first, ConfirmationReceived))
    await next_event(first, ConnectionReady)
    await next_event(second, ConnectionReady)
    return ours, theirs
