"""An agent over a perfect network in memory, and how tests wait for its events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any, TypeVar

import trio
from attrs import define, field

from simplex_trio.agent.agent import SMPClientAgent, open_smp_agent
from simplex_trio.agent.config import AgentConfig
from simplex_trio.agent.connections import Connector
from simplex_trio.agent.destination import Destination
from simplex_trio.agent.events import AgentEvent
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.queues import QueueAccess
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.testing.in_memory.connector import simulated_connector
from simplex_trio.testing.network import MemoryNetwork
from simplex_trio.wire.smp.commands import Command
from simplex_trio.wire.smp.messages import Message

from .simulation.router import SimulatedRouter, SimulatedSession

EventT = TypeVar("EventT", bound=AgentEvent)


def key_number(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey(number.to_bytes(32, "big"))


def access(number: int) -> QueueAccess:
    return QueueAccess(b"queue %d" % number, key_number(number))


def add_queues(router: SimulatedRouter, *numbers: int) -> list[QueueAccess]:
    """Queues that the router knows."""
    queues = [access(number) for number in numbers]
    for queue in queues:
        router.add_queue(queue.recipient_id, queue.key.public)
    return queues


@define(eq=False)
class Net:
    """Routers, and a record of who connected to them when."""

    nursery: trio.Nursery
    network: MemoryNetwork = field(factory=lambda: MemoryNetwork(Random(0)))
    routers: list[SimulatedRouter] = field(factory=list)
    attempts: list[tuple[float, Destination]] = field(factory=list)
    _connectors: int = field(default=0, init=False)

    async def add_router(self, **options: Any) -> SimulatedRouter:
        number = len(self.routers)
        router = SimulatedRouter(
            self.network, f"router{number}.test", Random(number), number=number, **options
        )
        self.routers.append(router)
        await router.start(self.nursery)
        return router

    def connector(self, config: AgentConfig | None = None) -> Connector:
        client_config = (config or AgentConfig()).client_config
        self._connectors += 1
        connect = simulated_connector(self.routers, Random(self._connectors), client_config)

        async def recorded(nursery: trio.Nursery, destination: Destination) -> SMPClient:
            self.attempts.append((trio.current_time(), destination))
            return await connect(nursery, destination)

        return recorded

    def times(self) -> list[float]:
        """The times of attempts to connect, from the first one on."""
        return [time - self.attempts[0][0] for time, _ in self.attempts]

    @asynccontextmanager
    async def open_agent(self, config: AgentConfig | None = None) -> AsyncIterator[SMPClientAgent]:
        config = config or AgentConfig()
        async with open_smp_agent(config, connector=self.connector(config)) as agent:
            yield agent


@asynccontextmanager
async def open_net() -> AsyncIterator[Net]:
    async with trio.open_nursery() as nursery:
        yield Net(nursery)
        nursery.cancel_scope.cancel()


async def next_event(agent: SMPClientAgent, kind: type[EventT]) -> EventT:
    """The next event, which must be of this kind."""
    with trio.fail_after(300):
        event = await agent.events.receive()
    assert isinstance(event, kind), event
    return event


async def wait_for(agent: SMPClientAgent, kind: type[EventT]) -> EventT:
    """The next event of a kind; others are passed over."""
    with trio.fail_after(300):
        async for event in agent.events:
            if isinstance(event, kind):
                return event
    raise AssertionError("no such event")


async def until(condition: Callable[[], bool]) -> None:
    """Wait, on virtual time, until something is so."""
    with trio.fail_after(3600):
        while not condition():  # noqa: ASYNC110 - conditions of all kinds, at no cost
            await trio.sleep(0.1)


Answering = Callable[[SimulatedSession, Command], Message | None]


def answer_always(router: SimulatedRouter, answer: Callable[[Command], Message | None]) -> None:
    """Have a router answer by the command alone."""
    router.respond = lambda _session, received: answer(received.command)
