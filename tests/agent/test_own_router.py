"""An agent and this project's router, over real TLS on loopback, in real time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
import trio
from attrs import define, evolve, field

from simplex_trio.agent.agent import SMPClientAgent, open_smp_agent
from simplex_trio.agent.config import AgentConfig
from simplex_trio.agent.events import Connected, Disconnected, RouterEvent
from simplex_trio.client.backoff import Backoff
from simplex_trio.client.queues import MessageReceived, ReceivingQueue
from simplex_trio.crypto.credentials import generate_router_credentials
from simplex_trio.errors import SimplexError
from simplex_trio.router.server import EMBEDDED, Router, open_router
from simplex_trio.router.store.memory import MemoryStore
from simplex_trio.transport.tls import utc_now

QUICK = AgentConfig(
    backoff=Backoff(initial=0.02, increase_after=60, maximum=0.05), remember_failure=0
)
QUEUES = 1000
RESTARTS = 20


@define(eq=False)
class Restarting:
    """A router that comes back with the same address and the same queues."""

    store: MemoryStore = field(factory=MemoryStore)
    config: object = EMBEDDED
    credentials: object = field(factory=lambda: generate_router_credentials(now=utc_now()))

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
    bodies: dict[bytes, int] = field(factory=dict)
    connected: int = 0
    _news: trio.Event = field(factory=trio.Event)

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            async for event in self.agent.events:
                if isinstance(event, Connected):
                    self.connected += 1
                if isinstance(event, RouterEvent) and isinstance(event.event, MessageReceived):
                    message = event.event
                    self.bodies[message.body] = self.bodies.get(message.body, 0) + 1
                    nursery.start_soon(self._acknowledge, event, message)
                self._news.set()
                self._news = trio.Event()

    async def _acknowledge(self, event: RouterEvent, message: MessageReceived) -> None:
        try:
            client = await self.agent.client(event.server)
            await client.acknowledge(self.queues[message.recipient_id], message.message_id)
        except SimplexError:
            pass  # it comes again

    async def wait_until(self, condition: object) -> None:
        while not condition():  # type: ignore[operator]
            await self._news.wait()


async def send_until_accepted(agent: SMPClientAgent, server: object, sender_id: bytes, body: bytes) -> None:
    while True:
        try:
            await (await agent.client(server)).send(sender_id, body)  # type: ignore[arg-type]
            return
        except SimplexError:
            await trio.sleep(0.01)


async def test_a_thousand_queues_receive_while_their_router_is_killed_again_and_again() -> None:
    random = Random(0)
    restarting = Restarting()
    async with open_smp_agent(QUICK) as agent, open_smp_agent(QUICK) as sender:
        async with restarting.up() as router:
            address = router.address
            client = await agent.client(address)
            queues: dict[bytes, ReceivingQueue] = {}

            async def create() -> None:
                queue = await client.create_queue(subscribe=False)
                queues[queue.recipient_id] = queue

            async with trio.open_nursery() as nursery:
                for _ in range(QUEUES):
                    nursery.start_soon(create)
        agent.subscribe(address, queues.values())
        receiver = Receiver(agent, queues)
        sent: set[bytes] = set()

        async def send(queue: ReceivingQueue, body: bytes) -> None:
            await send_until_accepted(sender, address, queue.sender_id, body)
            sent.add(body)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receiver.run)
            async with trio.open_nursery() as sending:
                for restart in range(RESTARTS):
                    before = receiver.connected
                    async with restarting.up():
                        for number, queue in enumerate(random.choices(list(queues.values()), k=50)):
                            sending.start_soon(send, queue, b"%d of %d" % (number, restart))
                        await receiver.wait_until(lambda: receiver.connected > before)
                        await trio.sleep(random.uniform(0, 0.1))
                async with restarting.up():
                    await receiver.wait_until(lambda: len(receiver.bodies) == 50 * RESTARTS)
                    assert agent.statistics().pending_queues == 0
                    assert agent.statistics().active_queues == QUEUES
            nursery.cancel_scope.cancel()
        assert len(sent) == 50 * RESTARTS
        assert sent <= receiver.bodies.keys()


async def test_a_message_through_a_proxy_whose_connection_to_the_relay_is_cut() -> None:
    relay = Restarting()
    async with (
        open_router() as proxy,
        open_smp_agent(QUICK) as recipient,
        open_smp_agent(QUICK) as sender,
    ):
        async with relay.up() as router:
            address = router.address
            queue = await (await recipient.client(address)).create_queue()
            recipient.subscribe(address, [queue])
            through = await sender.relay(proxy.address, address)
            await through.send(queue.sender_id, b"before")
        # The proxy's session with the relay is gone, and so is the recipient's connection.
        async with relay.up():
            while True:
                try:
                    await (await sender.relay(proxy.address, address)).send(
                        queue.sender_id, b"after"
                    )
                    break
                except SimplexError:
                    await trio.sleep(0.05)
            received: list[bytes] = []
            with trio.fail_after(60):
                async for event in recipient.events:
                    if isinstance(event, RouterEvent) and isinstance(event.event, MessageReceived):
                        received.append(event.event.body)
                        client = await recipient.client(address)
                        await client.acknowledge(queue, event.event.message_id)
                        if b"after" in received:
                            break
            assert set(received) == {b"before", b"after"}
