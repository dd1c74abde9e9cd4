"""An agent and its clients while their calls are cancelled at random and connections are cut."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import trio

from simplex_trio.agent.agent import SMPClientAgent, open_smp_agent, start_smp_agent
from simplex_trio.agent.events import RouterEvent
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.queues import MessageReceived, ReceivingQueue
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.errors import SimplexError
from simplex_trio.router.server import open_router
from simplex_trio.testing.cable import Cable, open_cable
from simplex_trio.wire.addresses import ServerAddress
from tests.agent.test_own_router import QUICK
from tests.cancelling import Call, Cancelled, rounds, until_idle

QUEUES = 5
LABELS = ("", "other")
SECONDS = 30.0


class Program:
    """What a program does with an agent, one call at a time."""

    def __init__(
        self, agent: SMPClientAgent, router: ServerAddress, proxy: ServerAddress, cable: Cable
    ) -> None:
        self.agent = agent
        self.router = router
        self.proxy = proxy
        self.cable = cable
        self.queues: list[ReceivingQueue] = []
        """Those that are to last."""
        self.calls: dict[str, Call] = {
            "agent.client": self.connect,
            "agent.relay": self.send_through_a_proxy,
            "agent.events": self.read_events,
            "agent.subscribe": self.subscribe,
            "agent.unsubscribe": self.unsubscribe,
            "agent.move": self.move,
            "agent.remove": self.remove,
            "agent.network_came_back": self.come_back,
            "another agent": self.open_another,
            "an agent that is closed": self.close_another,
            "client.ping": self.ping,
            "client.create_queue": self.create_and_delete,
            "client.subscribe": self.subscribe_once,
            "client.queue_info": self.ask_about_a_queue,
            "client.enable_notifications": self.enable_notifications,
            "client.send": self.send,
            "a cut": self.cut,
        }

    async def _client(self, chosen: Random) -> SMPClient:
        return await self.agent.client(self.cable.address, label=chosen.choice(LABELS))

    async def connect(self, chosen: Random) -> None:
        await self._client(chosen)

    async def ping(self, chosen: Random) -> None:
        await (await self._client(chosen)).ping()

    async def send_through_a_proxy(self, chosen: Random) -> None:
        through = await self.agent.relay(self.proxy, self.router)
        await through.send(chosen.choice(self.queues).sender_id, b"through a proxy")

    async def send(self, chosen: Random) -> None:
        client = await self._client(chosen)
        await client.send(chosen.choice(self.queues).sender_id, b"message")

    async def subscribe_once(self, chosen: Random) -> None:
        await (await self._client(chosen)).subscribe(chosen.choice(self.queues))

    async def ask_about_a_queue(self, chosen: Random) -> None:
        await (await self._client(chosen)).queue_info(chosen.choice(self.queues))

    async def enable_notifications(self, chosen: Random) -> None:
        client, key = await self._client(chosen), Ed25519PrivateKey.generate()
        queue = chosen.choice(self.queues)
        notifier = await client.enable_notifications(queue, key.public)
        await client.subscribe_notifications(notifier.notifier_id, key)
        await client.disable_notifications(queue)

    async def create_and_delete(self, chosen: Random) -> None:
        client = await self._client(chosen)
        queue = await client.create_queue()
        await client.get(queue)
        await client.secure(queue, Ed25519PrivateKey.generate().public)
        await client.suspend(queue)
        await client.delete(queue)

    async def read_events(self, _: Random) -> None:
        for _number in range(5):
            await self.acknowledge(await self.agent.events.receive())

    async def acknowledge(self, event: object) -> None:
        if isinstance(event, RouterEvent) and isinstance(event.event, MessageReceived):
            message = event.event
            for queue in self.queues:
                if queue.recipient_id == message.recipient_id:
                    client = await self.agent.client(event.server)
                    await client.acknowledge(queue, message.message_id)

    async def subscribe(self, chosen: Random) -> None:
        await trio.lowlevel.checkpoint()
        self.agent.subscribe(
            self.cable.address, [chosen.choice(self.queues)], label=chosen.choice(LABELS)
        )

    async def unsubscribe(self, chosen: Random) -> None:
        await trio.lowlevel.checkpoint()
        ids = [chosen.choice(self.queues).recipient_id]
        self.agent.unsubscribe(self.cable.address, ids, label=chosen.choice(LABELS))

    async def move(self, chosen: Random) -> None:
        await trio.lowlevel.checkpoint()
        ids = [chosen.choice(self.queues).recipient_id]
        source = chosen.choice(LABELS)
        target = chosen.choice(LABELS)
        self.agent.move(self.cable.address, ids, label=source, to_label=target)

    async def remove(self, chosen: Random) -> None:
        await trio.lowlevel.checkpoint()
        self.agent.remove(self.cable.address, label=chosen.choice(LABELS))

    async def come_back(self, _: Random) -> None:
        await trio.lowlevel.checkpoint()
        self.agent.network_came_back()

    async def open_another(self, _: Random) -> None:
        async with open_smp_agent(QUICK) as another:
            await (await another.client(self.cable.address)).ping()

    async def close_another(self, chosen: Random) -> None:
        async with trio.open_nursery() as nursery:
            another = await start_smp_agent(nursery, QUICK)
            nursery.start_soon(self._use, another)
            for _ in range(chosen.randrange(20)):
                await trio.lowlevel.checkpoint()
            await another.aclose()

    async def _use(self, another: SMPClientAgent) -> None:
        with suppress(SimplexError, trio.ClosedResourceError):
            await (await another.client(self.cable.address)).ping()

    async def cut(self, _: Random) -> None:
        self.cable.cut()
        try:
            await trio.lowlevel.checkpoint()
        finally:
            self.cable.mend()

    # --- whether all is well ------------------------------------------------------------------

    async def check(self) -> None:
        """A message to each queue comes, whatever has been cancelled before."""
        for label in LABELS:
            self.agent.unsubscribe(
                self.cable.address, [each.recipient_id for each in self.queues], label=label
            )
        self.agent.subscribe(self.cable.address, self.queues)
        missing = set()
        for queue in self.queues:
            body = b"to " + queue.recipient_id
            missing.add(body)
            await self._send_surely(queue, body)
        while missing:
            event = await self.agent.events.receive()
            if isinstance(event, RouterEvent) and isinstance(event.event, MessageReceived):
                missing.discard(event.event.body)
            with suppress(SimplexError):  # it comes again
                await self.acknowledge(event)

    async def _send_surely(self, queue: ReceivingQueue, body: bytes) -> None:
        while True:
            try:
                await (await self.agent.client(self.router)).send(queue.sender_id, body)
            except SimplexError:
                await trio.sleep(0.001)  # the queue is full of what was sent before
            else:
                return


async def test_calls_of_an_agent() -> None:
    cancelled = Cancelled()
    async with (
        open_router() as router,
        open_router() as proxy,
        open_cable(router.address) as cable,
    ):
        before = trio.lowlevel.current_statistics().tasks_living
        async with open_smp_agent(QUICK) as agent:
            program = Program(agent, router.address, proxy.address, cable)
            client = await agent.client(router.address)
            program.queues = [await client.create_queue(subscribe=False) for _ in range(QUEUES)]
            await program.send_through_a_proxy(Random(0))
            with_proxy = None
            for chosen in rounds(12):
                await cancelled.some_of(program.calls, chosen)
                with trio.fail_after(SECONDS):
                    await program.check()
                for label in LABELS:
                    agent.remove(cable.address, label=label)
                agent.remove(proxy.address)
                agent.remove(router.address)
                if with_proxy is None:
                    await trio.testing.wait_all_tasks_blocked(0.05)
                    with_proxy = trio.lowlevel.current_statistics().tasks_living
                await until_idle(with_proxy)
        # The proxy keeps its connection to the relay, which has four tasks here, and there as many.
        await until_idle(with_proxy or before)
    cancelled.check(program.calls)
