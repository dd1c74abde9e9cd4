"""Notifications from end to end, over routers in memory: real ones for SMP, and a small NTF one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import TypeVar

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.agent.agent import open_smp_agent
from simplex_trio.agent.config import AgentConfig, AgentRole
from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig, Isolation, ProxyUse
from simplex_trio.duplex.errors import NoNotificationToken, PushNotReadable, UnknownConnection
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionDeleted,
    ConnectionReady,
    DuplexEvent,
    NotificationTokenChanged,
    PeerMessage,
    QueueLost,
)
from simplex_trio.duplex.machine.notifying import FIRST_CHECK, NEXT_CHECK
from simplex_trio.duplex.machine.push_records import NotificationMode
from simplex_trio.duplex.store.store import DuplexStore, MemoryDatabase
from simplex_trio.duplex.work.ntf_routers import IDLE
from simplex_trio.engine.calls import EngineConfig
from simplex_trio.errors import ConnectError, DecodeError
from simplex_trio.router.config import RouterConfig
from simplex_trio.router.store.memory import MemoryStore
from simplex_trio.testing.in_memory.connector import simulated_connector
from simplex_trio.testing.network import MemoryNetwork
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.ntf import commands as ntf
from simplex_trio.wire.ntf.statuses import SubscriptionState, TokenState
from simplex_trio.wire.ntf.tokens import DeviceToken, PushProvider
from simplex_trio.wire.versions import SMPVersion
from tests.agent.simulation.own_router import OwnRouter
from tests.duplex.simulation.ntf_router import NTFRouter, Push, Token, simulated_ntf_connector

NOW = 1_800_000_000
CLIENT = SMPClientConfig(engine=EngineConfig(ping_interval=0))
"""Without pings, of which there are many in the days that some tests last."""

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
        self.ntf = NTFRouter(
            *(self.network, "ntf.test", random, self._push),
            routers=self.routers,
            config=AgentConfig(AgentRole.NOTIFIER, CLIENT),
        )

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
        router: int | None = 0,
        subscribes: bool = True,
        isolation: Isolation = Isolation.USER,
    ) -> AsyncIterator[DuplexAgent]:
        """An agent with a router, or with both; ``disk`` is the database of an earlier one."""
        config = DuplexConfig(
            servers=tuple(
                each.address for each in self.routers if router in (None, self.routers.index(each))
            ),
            pq=False,
            isolation=isolation,
            proxy=ProxyUse.NEVER,
            agent=AgentConfig(client=CLIENT, remember_failure=0),
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


async def test_what_happens_to_a_token(autojump_clock: MockClock) -> None:
    async with open_world() as world, world.agent() as alice:
        notifications = alice.notifications
        assert await notifications.token() is None
        for call in (notifications.check, notifications.delete):
            with pytest.raises(NoNotificationToken):
                await call()
        with pytest.raises(DecodeError):
            await notifications.register(DEVICE, world.routers[0].address)
        for minutes in (19, 0, 1 << 16):
            with pytest.raises(ValueError, match="period"):
                await notifications.register(
                    DEVICE, world.ntf.address, mode=NotificationMode.PERIODIC, minutes=minutes
                )
        await world.activate(alice)
        while (await next_of(alice, NotificationTokenChanged)).state is not TokenState.ACTIVE:
            pass
        assert (await notifications.check()).state is TokenState.ACTIVE
        with pytest.raises(PushNotReadable):
            await notifications.open(bytes(24), bytes(100))

        await notifications.register(OTHER_DEVICE, world.ntf.address, minutes=60)
        push = await world.push(is_code=True)
        assert push.device == OTHER_DEVICE
        await notifications.verify(push.nonce, push.sealed)
        await wait_for(lambda: world.token.minutes == 60)
        assert world.token.state is TokenState.ACTIVE

        world.ntf.forget()
        assert (await notifications.check()).state in (TokenState.NEW, TokenState.REGISTERED)
        push = await world.push(is_code=True)
        await notifications.verify(push.nonce, push.sealed)
        await wait_for(lambda: world.token.state is TokenState.ACTIVE)

        await notifications.delete()
        await alice.drain()
        assert not world.ntf.tokens


async def test_deleting_a_token_goes_on_after_a_restart(autojump_clock: MockClock) -> None:
    async with open_world() as world, world.agent(router=1) as bob:
        disk = MemoryDatabase()
        async with world.agent(disk) as alice:
            await connect(alice, bob)
            await world.activate(alice)
            await wait_for(lambda: len(world.ntf.subscribed(DEVICE)) == 1)
            world.ntf.stop()
            await alice.notifications.delete()
            await trio.sleep(5)
        await world.ntf.start(world.nursery)
        assert world.ntf.subscriptions
        async with world.agent(disk) as alice:
            await alice.drain()
        assert not world.ntf.tokens
        assert not world.ntf.subscriptions


@pytest.mark.parametrize("version", [SMPVersion.SHORT_LINKS, SMPVersion.NEW_WITH_NOTIFIER])
@pytest.mark.parametrize("isolation", [Isolation.USER, Isolation.QUEUE])
async def test_queues_of_before_and_after(
    autojump_clock: MockClock, version: int, isolation: Isolation
) -> None:
    """Where the router can, a new queue has its notifier from the start."""
    config = RouterConfig(highest_version=version)
    async with (
        open_world(config) as world,
        world.agent(router=1) as bob,
        world.agent(isolation=isolation) as alice,
    ):
        before = [await connect(alice, bob) for _ in range(3)]
        await world.activate(alice)
        await wait_for(lambda: len(world.ntf.subscribed(DEVICE)) == 3)
        after = await connect(alice, bob)
        silent = await alice.create(notify=False)
        await wait_for(lambda: len(world.ntf.subscribed(DEVICE)) == 4)
        for ours, theirs in (*before, after):
            assert await alice.notifications.is_active(ours)
            world.pushes.clear()
            await bob.send(theirs, b"hello")
            push = await world.push(is_code=False)
            found = await alice.notifications.open(push.nonce, push.sealed)
            assert {each.connection_id for each in found} <= {ours}
        assert not await alice.notifications.is_active(silent.connection_id)


async def test_what_is_not_wanted_any_more_is_undone(autojump_clock: MockClock) -> None:
    async with open_world() as world, world.agent(router=1) as bob, world.agent() as alice:
        notifications = alice.notifications
        ours, theirs = await connect(alice, bob)
        await world.activate(alice)
        await wait_for(lambda: len(world.ntf.subscribed(DEVICE)) == 1)
        await notifications.set_enabled(ours, False)
        await wait_for(lambda: not world.ntf.subscriptions)
        await alice.drain()
        world.pushes.clear()
        await bob.send(theirs, b"in silence")
        await next_of(alice, PeerMessage)
        assert not world.pushes
        await notifications.set_enabled(ours, True)
        await wait_for(lambda: len(world.ntf.subscribed(DEVICE)) == 1)

        await notifications.register(DEVICE, world.ntf.address, mode=NotificationMode.PERIODIC)
        await wait_for(lambda: not world.ntf.subscriptions and world.token.minutes == 20)
        await notifications.register(DEVICE, world.ntf.address)
        await wait_for(lambda: world.ntf.subscriptions and world.token.minutes == 0)

        await alice.delete(ours)
        await wait_for(lambda: not world.ntf.subscriptions)
        with pytest.raises(UnknownConnection):
            await notifications.set_enabled(ours, True)


async def test_subscriptions_are_checked_and_made_anew(autojump_clock: MockClock) -> None:
    async with open_world() as world, world.agent(router=1) as bob, world.agent() as alice:
        ours, theirs = await connect(alice, bob)
        await world.activate(alice)
        await wait_for(lambda: len(world.ntf.subscriptions) == 1)
        (first,) = world.ntf.subscriptions.values()
        await trio.sleep(FIRST_CHECK + 10)
        assert world.ntf.asked.count(ntf.SCHK()) == 1
        await trio.sleep(NEXT_CHECK - 60)
        assert world.ntf.asked.count(ntf.SCHK()) == 1
        first.state = SubscriptionState.END
        await trio.sleep(100)
        await alice.drain()
        (second,) = world.ntf.subscriptions.values()
        assert second.queue.notifier_id != first.queue.notifier_id
        world.pushes.clear()
        await bob.send(theirs, b"hello")
        push = await world.push(is_code=False)
        assert {each.connection_id for each in await alice.notifications.open(*sealed(push))} <= {
            ours
        }


def sealed(push: Push) -> tuple[bytes, bytes]:
    return push.nonce, push.sealed


@pytest.mark.parametrize("isolation", [Isolation.USER, Isolation.QUEUE])
async def test_fetching_one_message_after_the_other(
    autojump_clock: MockClock, isolation: Isolation
) -> None:
    async with open_world() as world, world.agent(router=1) as bob:
        disk = MemoryDatabase()
        async with world.agent(disk, isolation=isolation) as alice:
            ours, theirs = await connect(alice, bob)
            other, their_other = await connect(alice, bob)
        async with world.agent(disk, isolation=isolation, subscribes=False) as alice:
            fetch = alice.notifications.fetch
            assert not await fetch([ours, other, ours])
            for body in (b"one", b"two"):
                await bob.send(theirs, body)
            await bob.send(their_other, b"three")
            await bob.drain()
            assert await fetch([ours, other])
            assert await fetch([ours])  # it waits for the program
            found = [await next_of(alice, PeerMessage) for _ in range(2)]
            assert {each.body for each in found} == {b"one", b"three"}
            for each in found:
                await alice.acknowledge(each, receipt=True)
            assert await fetch([ours, other])
            # The rest comes as ever, once the connection is subscribed to.
            await alice.subscribe([ours])
            assert not await fetch([other])
            message = await next_of(alice, PeerMessage)
            assert message.body == b"two"
            await alice.acknowledge(message)
            await bob.send(theirs, b"four")
            message = await next_of(alice, PeerMessage)
            assert message.body == b"four"
            assert await fetch([ours])
            await alice.acknowledge(message)
            assert not await fetch([ours])
            await alice.drain()
            with pytest.raises(UnknownConnection):
                await fetch(["unknown"])


async def test_nothing_is_left_of_fetching_from_a_deleted_connection(
    autojump_clock: MockClock,
) -> None:
    async with open_world() as world, world.agent(router=1) as bob:
        disk = MemoryDatabase()
        async with world.agent(disk, isolation=Isolation.QUEUE) as alice:
            ours, theirs = await connect(alice, bob)
        await bob.send(theirs, b"hello")
        await bob.drain()
        async with world.agent(disk, isolation=Isolation.QUEUE, subscribes=False) as alice:
            assert await alice.notifications.fetch([ours])
            await alice.delete(ours)
            await alice.drain()
            assert alice._subscriptions._fetched._queues == {}
            await wait_all_tasks_blocked()
            assert alice._agent._connections.connected_to() == []


async def test_fetching_after_a_crash_before_the_acknowledgement(
    autojump_clock: MockClock,
) -> None:
    async with open_world() as world, world.agent(router=1) as bob:
        disk = MemoryDatabase()
        async with world.agent(disk) as alice:
            ours, theirs = await connect(alice, bob)
        for body in (b"one", b"two"):
            await bob.send(theirs, body)
        await bob.drain()
        async with world.agent(disk, subscribes=False) as alice:
            assert await alice.notifications.fetch([ours])
            first = await next_of(alice, PeerMessage)
        async with world.agent(disk, subscribes=False) as alice:
            again = await next_of(alice, PeerMessage)
            assert again.message_id == first.message_id
            await alice.acknowledge(again)
            # The router is told on another connection, which it does not listen to.
            await alice.drain()
            assert await alice.notifications.fetch([ours])
            message = await next_of(alice, PeerMessage)
            assert message.body == b"two"
            await alice.acknowledge(message)
            assert not await alice.notifications.fetch([ours])


async def test_a_router_that_is_away(autojump_clock: MockClock) -> None:
    async with open_world() as world, world.agent(router=1) as bob:
        disk = MemoryDatabase()
        async with world.agent(disk) as alice:
            ours, theirs = await connect(alice, bob)
            other = (await alice.create()).connection_id
        await bob.send(theirs, b"hello")
        await bob.drain()
        async with world.agent(disk, subscribes=False) as alice:
            world.routers[0].stop()
            with pytest.raises(ConnectError):
                await alice.notifications.fetch([ours, other])
            await world.routers[0].start(world.nursery)
            assert await alice.notifications.fetch([ours, other])
            message = await next_of(alice, PeerMessage)
            # It goes away before it is told that the message has come.
            world.routers[0].stop()
            await alice.acknowledge(message)
            with pytest.raises(ConnectError):
                await alice.notifications.fetch([ours])
            await world.routers[0].start(world.nursery)
            assert not await alice.notifications.fetch([ours])


async def test_a_queue_that_is_gone(autojump_clock: MockClock) -> None:
    async with open_world() as world, world.agent(router=1) as bob:
        disk = MemoryDatabase()
        async with world.agent(disk) as alice:
            ours, _ = await connect(alice, bob)
            await alice.drain()
        world.routers[0].stop()
        world.routers[0]._store = MemoryStore()
        await world.routers[0].start(world.nursery)
        async with world.agent(disk, subscribes=False) as alice:
            assert not await alice.notifications.fetch([ours])
            assert await next_of(alice, QueueLost) == QueueLost(ours, deleted=True)


async def test_a_queue_that_is_deleted_while_it_is_read(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world() as world, world.agent(router=1) as bob:
        disk = MemoryDatabase()
        async with world.agent(disk) as alice:
            ours, _ = await connect(alice, bob)
            await alice.drain()
        async with world.agent(disk, subscribes=False) as alice:

            async def get(*_: object) -> None:
                await alice.delete(ours)
                raise RouterError(Code.AUTH)

            monkeypatch.setattr(SMPClient, "get", get)
            assert not await alice.notifications.fetch([ours])
            await alice.drain()
            event = None
            while not isinstance(event, ConnectionDeleted):
                event = await alice.events.receive()
                assert not isinstance(event, QueueLost)


async def test_an_idle_connection_to_the_notification_router_is_closed(
    autojump_clock: MockClock,
) -> None:
    async with open_world() as world, world.agent() as alice:
        await world.activate(alice)
        await alice.drain()
        routers = alice._upkeep._ntf_routers
        assert len(routers._open) == 1
        await trio.sleep(IDLE + 1)
        assert not routers._open
        await alice.notifications.check()


async def test_a_paused_agent_fetches_later(autojump_clock: MockClock) -> None:
    async with open_world() as world, world.agent(router=1) as bob:
        disk = MemoryDatabase()
        async with world.agent(disk) as alice:
            ours, theirs = await connect(alice, bob)
        await bob.send(theirs, b"hello")
        await bob.drain()
        async with world.agent(disk, subscribes=False) as alice, trio.open_nursery() as nursery:
            await alice.pause(within=1)
            fetched: list[bool] = []

            async def fetch() -> None:
                fetched.append(await alice.notifications.fetch([ours]))

            nursery.start_soon(fetch)
            await trio.sleep(100)
            assert not fetched
            alice.resume()
            await wait_for(lambda: fetched)
            assert fetched == [True]


async def test_a_queue_that_is_moved_is_notified_of(autojump_clock: MockClock) -> None:
    """Nothing special is done for it: the new queue gets a notifier, the old one's is forgotten."""
    async with (
        open_world() as world,
        world.agent(router=1) as bob,
        world.agent(router=None) as alice,
    ):
        ours, theirs = await connect(alice, bob)
        await world.activate(alice)
        await wait_for(lambda: len(world.ntf.subscribed(DEVICE)) == 1)
        (before,) = world.ntf.subscribed(DEVICE)
        await alice.rotate(ours)
        await wait_for(lambda: before not in world.ntf.subscribed(DEVICE))
        await wait_for(lambda: len(world.ntf.subscribed(DEVICE)) == 1)
        assert len(world.ntf.subscriptions) == 1
        await alice.drain()
        assert await alice.notifications.is_active(ours)
        world.pushes.clear()
        await bob.send(theirs, b"hello")
        push = await world.push(is_code=False)
        found = await alice.notifications.open(push.nonce, push.sealed)
        assert {each.connection_id for each in found} <= {ours}
        assert (await next_of(alice, PeerMessage)).body == b"hello"
