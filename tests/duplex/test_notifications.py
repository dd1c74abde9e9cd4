"""Notifications from end to end, over routers in memory: real ones for SMP, and a small NTF one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import TypeVar

import trio
from trio.testing import MockClock

from simplex_trio.agent.agent import open_smp_agent
from simplex_trio.agent.config import AgentConfig
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig, Isolation, ProxyUse
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionReady,
    DuplexEvent,
    PeerMessage,
)
from simplex_trio.duplex.machine.push_records import NotificationMode
from simplex_trio.duplex.store.store import DuplexStore, MemoryDatabase
from simplex_trio.router.config import RouterConfig
from simplex_trio.testing.network import MemoryNetwork
from simplex_trio.wire.ntf.statuses import TokenState
from simplex_trio.wire.ntf.tokens import DeviceToken, PushProvider
from tests.agent.simulation.connector import simulated_connector
from tests.agent.simulation.own_router import OwnRouter
from tests.duplex.simulation.ntf_router import NTFRouter, Push, Token, simulated_ntf_connector

NOW = 1_800_000_000
DEVICE = DeviceToken(PushProvider.APNS_TEST, b"abcd" * 8)
OTHER_DEVICE = DeviceToken(PushProvider.APNS_TEST, b"ef01" * 8)

EventT = TypeVar("EventT", bound=DuplexEvent)


class World:
    """Two SMP routers, a notification router, and what devices were pushed."""

    def __init__(self, nursery: trio.Nursery, config: RouterConfig | None = None) -> None:
        self.random = random = Random(1)
        self.nursery = nursery
        self.network = MemoryNetwork(random)
        self.routers = [
            OwnRouter(self.network, f"router{number}.test", random, number=number, config=config)
            for number in range(2)
        ]
        self.pushes: list[Push] = []
        self.pushed = trio.Event()
        self.ntf = NTFRouter(self.network, "ntf.test", random, self._push, routers=self.routers)

    def _push(self, push: Push) -> None:
        self.pushes.append(push)
        self.pushed.set()
        self.pushed = trio.Event()

    async def start(self) -> None:
        for router in self.routers:
            await router.start(self.nursery)
        await self.ntf.start(self.nursery)

    async def push(self, *, is_code: bool) -> Push:
        """The next push of a kind; those of the other are left out."""
        while True:
            while self.pushes:
                push = self.pushes.pop(0)
                if push.is_code is is_code:
                    return push
            await self.pushed.wait()

    @asynccontextmanager
    async def agent(
        self,
        disk: MemoryDatabase | None = None,
        *,
        router: int = 0,
        subscribes: bool = True,
        isolation: Isolation = Isolation.USER,
    ) -> AsyncIterator[DuplexAgent]:
        """An agent; ``disk`` is the database of an earlier one."""
        config = DuplexConfig(
            servers=(self.routers[router].address,),
            pq=False,
            isolation=isolation,
            proxy=ProxyUse.NEVER,
            agent=AgentConfig(remember_failure=0),
            clock=lambda: NOW + trio.current_time(),
        )
        database = MemoryDatabase(None if disk is None else disk.connection)
        store = DuplexStore(database)
        client = config.agent.client
        connector = simulated_connector(self.routers, self.random, client)
        ntf_connector = simulated_ntf_connector([self.ntf], self.random, client)
        async with open_smp_agent(config.agent, connector=connector) as below:
            agent = DuplexAgent(
                config, store, below, None, subscribes=subscribes, ntf_connector=ntf_connector
            )
            async with trio.open_nursery() as nursery:
                await nursery.start(agent.run)
                yield agent
                nursery.cancel_scope.cancel()
        await store.aclose()

    async def activate(
        self, agent: DuplexAgent, mode: NotificationMode = NotificationMode.INSTANT
    ) -> None:
        """Register a device, and wait until it is active."""
        await agent.notifications.register(DEVICE, self.ntf.address, mode=mode)
        push = await self.push(is_code=True)
        await agent.notifications.verify(push.nonce, push.sealed)
        await wait_for(lambda: self.token.state is TokenState.ACTIVE)

    @property
    def token(self) -> Token:
        (token,) = self.ntf.tokens.values()
        return token


async def wait_for(condition: Callable[[], object]) -> None:
    with trio.fail_after(1000):
        while not condition():  # noqa: ASYNC110 - what it is about says nothing
            await trio.sleep(0.1)


async def next_of(agent: DuplexAgent, kind: type[EventT]) -> EventT:
    with trio.fail_after(1000):
        async for event in agent.events:
            if isinstance(event, kind):
                return event
    raise AssertionError("the agent has ended")


async def connect(alice: DuplexAgent, bob: DuplexAgent) -> tuple[str, str]:
    invitation = await alice.create()
    theirs = await bob.join(invitation.link, b"Bob")
    ours = await alice.accept(await next_of(alice, ConfirmationReceived))
    await next_of(alice, ConnectionReady)
    await next_of(bob, ConnectionReady)
    return ours, theirs


@asynccontextmanager
async def open_world(config: RouterConfig | None = None) -> AsyncIterator[World]:
    async with trio.open_nursery() as nursery:
        world = World(nursery, config)
        await world.start()
        yield world
        nursery.cancel_scope.cancel()


async def test_a_push_is_opened_and_the_message_fetched(
    autojump_clock: MockClock,
) -> None:
    async with open_world() as world, world.agent(router=1) as bob:
        disk = MemoryDatabase()
        async with world.agent(disk) as alice:
            ours, theirs = await connect(alice, bob)
            await world.activate(alice)
            await wait_for(lambda: len(world.ntf.subscribed(DEVICE)) == 1)
            assert await alice.notifications.is_active(ours)
        await bob.send(theirs, b"hello")
        push = await world.push(is_code=False)
        async with world.agent(disk, subscribes=False) as alice:
            (notification,) = await alice.notifications.open(push.nonce, push.sealed)
            assert notification.connection_id == ours
            assert await alice.notifications.fetch([notification])
            message = await next_of(alice, PeerMessage)
            assert message.body == b"hello"
            assert message.broker_timestamp == notification.message_at
            await alice.acknowledge(message, receipt=True)
            assert not await alice.notifications.fetch([ours])
            assert await alice.notifications.open(push.nonce, push.sealed) == []
