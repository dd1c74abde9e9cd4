"""Agents and this project's router, over real TLS on loopback, in real time."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from typing import TypeVar

import trio
from attrs import define, evolve, field

from simplex_trio.agent.agent import SMPClientAgent, open_smp_agent
from simplex_trio.agent.config import AgentConfig
from simplex_trio.agent.events import (
    AgentEvent,
    CannotConnect,
    Connected,
    RouterEvent,
    Subscribed,
)
from simplex_trio.client.smp.queues import MessageReceived, ReceivingQueue
from simplex_trio.crypto.credentials import RouterCredentials, generate_router_credentials
from simplex_trio.engine.backoff import Backoff
from simplex_trio.errors import SimplexError, WrongIdentity
from simplex_trio.router.config import RouterConfig
from simplex_trio.router.server import EMBEDDED, Router, open_router
from simplex_trio.router.store.memory import MemoryStore
from simplex_trio.testing.cable import open_cable
from simplex_trio.transport.tls import utc_now
from simplex_trio.wire.addresses import ServerAddress

EventT = TypeVar("EventT", bound=AgentEvent)

QUICK = AgentConfig(
    backoff=Backoff(initial=0.02, increase_after=60, maximum=0.05), remember_failure=0
)
QUEUES = 1000
RESTARTS = int(os.environ.get("SIMPLEX_TRIO_CRASH_ROUNDS", "8"))
AT_A_TIME = 50


@define(eq=False)
class RestartingRouter:
    """A router that comes back with the same address and the same queues."""

    store: MemoryStore = field(factory=MemoryStore)
    config: RouterConfig = EMBEDDED
    credentials: RouterCredentials = field(
        factory=lambda: generate_router_credentials(now=utc_now())
    )

    @asynccontextmanager
    async def up(self) -> AsyncIterator[Router]:
        async with open_router(
            self.config, store=self.store, credentials=self.credentials
        ) as router:
            self.config = evolve(EMBEDDED, ports=router.ports)
            yield router


@define(eq=False)
class Receiver:
    """Reads what an agent brings, and acknowledges it."""

    agent: SMPClientAgent
    queues: dict[bytes, ReceivingQueue]
    bodies: set[bytes] = field(factory=set)
    connected: int = 0
    _news: trio.Event = field(factory=trio.Event)

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            async for event in self.agent.events:
                if isinstance(event, Connected):
                    self.connected += 1
                if isinstance(event, RouterEvent) and isinstance(event.event, MessageReceived):
                    self.bodies.add(event.event.body)
                    nursery.start_soon(self._acknowledge, event.server, event.event)
                self._news.set()
                self._news = trio.Event()

    async def _acknowledge(self, server: ServerAddress, message: MessageReceived) -> None:
        try:
            client = await self.agent.client(server)
            await client.acknowledge(self.queues[message.recipient_id], message.message_id)
        except SimplexError:
            pass  # it comes again

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._news.wait()


async def create_queues(
    agent: SMPClientAgent, address: ServerAddress, count: int
) -> dict[bytes, ReceivingQueue]:
    client = await agent.client(address)
    queues: dict[bytes, ReceivingQueue] = {}

    async def create() -> None:
        queue = await client.create_queue(subscribe=False)
        queues[queue.recipient_id] = queue

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(create)
    return queues


async def test_a_thousand_queues_receive_while_their_router_is_killed_again_and_again() -> None:
    random = Random(0)
    router = RestartingRouter()
    async with open_smp_agent(QUICK) as agent, open_smp_agent(QUICK) as sender:
        async with router.up() as running:
            address = running.address
            queues = await create_queues(agent, address, QUEUES)
        agent.subscribe(address, queues.values())
        receiver = Receiver(agent, queues)

        async def send(queue: ReceivingQueue, body: bytes) -> None:
            while True:
                try:
                    await (await sender.client(address)).send(queue.sender_id, body)
                except SimplexError:
                    await trio.sleep(0.01)
                else:
                    return

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receiver.run)
            async with trio.open_nursery() as sending:
                for restart in range(RESTARTS):
                    before = receiver.connected
                    async with router.up():
                        for number in range(AT_A_TIME):
                            queue = random.choice(list(queues.values()))
                            sending.start_soon(send, queue, b"%d of %d" % (number, restart))
                        await receiver.wait_until(lambda: receiver.connected > before)  # noqa: B023
                        await trio.sleep(random.uniform(0, 0.1))  # and then it is killed
                async with router.up():
                    await receiver.wait_until(
                        lambda: (
                            len(receiver.bodies) == RESTARTS * AT_A_TIME
                            and agent.statistics().active_queues == QUEUES
                        )
                    )
            nursery.cancel_scope.cancel()


async def test_a_router_whose_identity_changed() -> None:
    router = RestartingRouter()
    impostor = RestartingRouter()
    async with open_smp_agent(QUICK) as agent:
        async with router.up() as running:
            address = running.address
            impostor.config = router.config
            queues = await create_queues(agent, address, 1)
            agent.subscribe(address, queues.values())
            await next_of(agent, Subscribed)
        async with impostor.up():
            while not isinstance((await next_of(agent, CannotConnect)).error, WrongIdentity):
                pass  # it was down in between
            assert agent.subscriptions(address).pending == tuple(queues)
        async with router.up():
            assert (await next_of(agent, Subscribed)).queues == tuple(queues)


async def next_of(agent: SMPClientAgent, kind: type[EventT]) -> EventT:
    """The next event of a kind; others are passed over."""
    async for event in agent.events:
        if isinstance(event, kind):
            return event
    raise AssertionError("the events have ended")


async def test_messages_through_a_proxy_whose_connection_to_the_relay_is_cut() -> None:
    random = Random(0)
    async with (
        open_router() as proxy,
        open_router() as relay,
        open_cable(relay.address) as cable,
        open_smp_agent(QUICK) as recipient,
        open_smp_agent(QUICK) as sender,
        trio.open_nursery() as nursery,
    ):
        queues = await create_queues(recipient, relay.address, 1)
        recipient.subscribe(relay.address, queues.values())
        receiver = Receiver(recipient, queues)
        nursery.start_soon(receiver.run)
        (queue,) = queues.values()
        failures: list[SimplexError] = []

        async def send(body: bytes, *, then_cut: bool) -> None:
            while True:
                try:
                    through = await sender.relay(proxy.address, cable.address)
                    await through.send(queue.sender_id, body)
                except SimplexError as exc:
                    failures.append(exc)
                    await trio.sleep(0.01)
                else:
                    break
            if then_cut:  # while others are on their way
                cable.cut()
                cable.mend()

        messages = 0
        while len(failures) < 3:
            unlucky = random.randrange(10)
            async with trio.open_nursery() as sending:
                for number in range(20):
                    messages += 1
                    body = b"message %d" % messages
                    sending.start_soon(partial(send, body, then_cut=number == unlucky))
        await receiver.wait_until(lambda: len(receiver.bodies) == messages)
        nursery.cancel_scope.cancel()
