"""Queues that another connection has subscribed to."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from simplex_trio.agent.agent import open_smp_agent
from simplex_trio.agent.destination import Destination
from simplex_trio.client.smp.queues import QueueAccess, SealedMessage
from simplex_trio.client.smp.session import SMPCodec
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.errors import UnknownConnection
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionReady,
    DuplexEvent,
    Integrity,
    PeerMessage,
    Problem,
    QueueLost,
    ReceivingProblem,
)
from simplex_trio.duplex.store.store import DuplexStore, MemoryDatabase
from simplex_trio.duplex.work.subscriptions import TAKE_BACK_INTERVAL, TakeBacks
from simplex_trio.testing.in_memory.connector import simulated_connector
from simplex_trio.testing.network import MemoryNetwork
from simplex_trio.wire.smp.messages import MSG
from tests.agent.simulation.own_router import OwnRouter
from tests.duplex.machines import NOW
from tests.duplex.worlds import SERVERS

PLACE = (Destination(SERVERS[0], "user"), b"a queue")


def test_a_queue_is_taken_back_once_in_a_while() -> None:
    take_backs = TakeBacks()
    assert take_backs.may_take_back(PLACE, 0)
    assert not take_backs.may_take_back(PLACE, 1)
    assert take_backs.may_take_back((PLACE[0], b"another"), 1)
    assert not take_backs.may_take_back(PLACE, TAKE_BACK_INTERVAL - 1)
    assert take_backs.may_take_back(PLACE, TAKE_BACK_INTERVAL)
    assert len(take_backs) == 2


def test_queues_that_were_taken_back_long_ago_are_forgotten() -> None:
    take_backs = TakeBacks()
    for number in range(5):
        assert take_backs.may_take_back((PLACE[0], b"%d" % number), number * TAKE_BACK_INTERVAL)
        assert len(take_backs) == 1


@define(eq=False)
class Running:
    """An agent, its disk, and what it has told."""

    agent: DuplexAgent
    disk: sqlite3.Connection
    told: list[DuplexEvent] = field(factory=list)

    def count(self, kind: type[DuplexEvent]) -> int:
        return len([event for event in self.told if isinstance(event, kind)])

    async def read(self) -> None:
        async for event in self.agent.events:
            self.told.append(event)
            match event:
                case ConfirmationReceived():
                    await self.agent.accept(event)
                case PeerMessage():
                    await self.agent.acknowledge(event)


class Net:
    """A router and agents on virtual time, without trouble."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self.random = Random(1)
        self.router = OwnRouter(MemoryNetwork(self.random), "router.test", self.random)
        self.config = DuplexConfig(
            [self.router.address], pq=False, clock=lambda: NOW + trio.current_time()
        )

    @asynccontextmanager
    async def run(self, disk: sqlite3.Connection | None = None) -> AsyncIterator[Running]:
        connector = simulated_connector([self.router], self.random, self.config.agent.client)
        database = MemoryDatabase(disk)
        async with open_smp_agent(self.config.agent, connector=connector) as below:
            agent = DuplexAgent(self.config, DuplexStore(database), below, None)
            running = Running(agent, database.connection)
            async with trio.open_nursery() as nursery:
                await nursery.start(agent.run)
                nursery.start_soon(running.read)
                yield running
                nursery.cancel_scope.cancel()

    async def subscribe_elsewhere(self, running: Running) -> None:
        """Let a connection that takes nothing back subscribe to the queue of an agent."""
        connector = simulated_connector([self.router], self.random, self.config.agent.client)
        (queues,) = (await running.agent._core.read(lambda rows: rows.queues_by_user())).values()
        (queue,) = queues
        client = await connector(self.nursery, Destination(queue.server, "elsewhere"))
        await client.subscribe(QueueAccess(queue.recipient_id, queue.auth_key, queue.delivery_key))


@pytest.fixture
async def net() -> AsyncIterator[Net]:
    async with trio.open_nursery() as nursery:
        net = Net(nursery)
        await net.router.start(nursery)
        yield net
        nursery.cancel_scope.cancel()


async def connect(alice: Running, bob: Running) -> tuple[str, str]:
    invitation = await alice.agent.create()
    joined = await bob.agent.join(invitation.link)
    with trio.fail_after(60):
        # The time is virtual.
        while not (alice.count(ConnectionReady) and bob.count(ConnectionReady)):  # noqa: ASYNC110
            await trio.sleep(1)
    return invitation.connection_id, joined


async def test_a_late_subscription_of_an_earlier_connection_is_not_told(
    net: Net, autojump_clock: MockClock
) -> None:
    async with net.run() as alice, net.run() as bob:
        _, theirs = await connect(alice, bob)
        for number in range(1, 3):
            await net.subscribe_elsewhere(alice)
            await trio.sleep(TAKE_BACK_INTERVAL)
            await bob.agent.send(theirs, b"hello")
            await trio.sleep(1)
            assert alice.count(PeerMessage) == number
        assert not alice.count(QueueLost)


async def test_a_queue_that_is_taken_again_at_once_is_lost_until_it_is_subscribed_to(
    net: Net, autojump_clock: MockClock
) -> None:
    async with net.run() as alice, net.run() as bob:
        mine, theirs = await connect(alice, bob)
        for _ in range(2):
            await net.subscribe_elsewhere(alice)
            await trio.sleep(30)
        assert [event for event in alice.told if isinstance(event, QueueLost)] == [
            QueueLost(mine, deleted=False)
        ]
        await bob.agent.send(theirs, b"hello")
        await trio.sleep(60)
        assert not alice.count(PeerMessage)
        await alice.agent.subscribe([mine])
        await trio.sleep(1)
        assert alice.count(PeerMessage) == 1


async def test_two_programs_with_copies_of_a_store_do_not_fight_for_ever(
    net: Net, autojump_clock: MockClock
) -> None:
    async with net.run() as alice, net.run() as bob:
        await connect(alice, bob)
        copy = MemoryDatabase().connection
        alice.disk.backup(copy)
        async with net.run(copy) as second:
            await trio.sleep(3600)
            assert alice.count(QueueLost) == 1
            assert not second.count(QueueLost)


async def test_a_queue_that_is_deleted_meanwhile_is_not_taken_back(
    net: Net, autojump_clock: MockClock
) -> None:
    async with net.run() as alice, net.run() as bob:
        mine, _ = await connect(alice, bob)
        subscriptions = alice.agent._subscriptions
        (place,) = subscriptions._queues
        async with trio.open_nursery() as nursery:
            nursery.start_soon(alice.agent.delete, mine)
            nursery.start_soon(subscriptions._take_back, *place)
        await alice.agent.drain()
        assert not subscriptions._queues
        assert not alice.agent._agent.subscriptions(place[0].server, label=place[0].label).pending


async def test_a_connection_that_is_not_known_cannot_be_subscribed_to(
    net: Net, autojump_clock: MockClock
) -> None:
    async with net.run() as alice:
        kept = (await alice.agent.create()).connection_id
        deleted = (await alice.agent.create()).connection_id
        await alice.agent.subscribe([kept, deleted])
        await alice.agent.delete(deleted)
        for unknown in (deleted, "never", ""):
            with pytest.raises(UnknownConnection):
                await alice.agent.subscribe([kept, unknown])
        await alice.agent.subscribe([])


async def test_a_message_that_the_router_has_damaged_holds_nothing_up(
    net: Net, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with net.run() as alice, net.run() as bob:
        mine, theirs = await connect(alice, bob)
        damaged: list[bytes] = []
        event = SMPCodec.event

        def damage_one(self: SMPCodec, entity_id: bytes, message: object) -> object:
            if isinstance(message, MSG) and not damaged:
                damaged.append(message.message_id)
                return SealedMessage(entity_id, message.message_id, b"garbage")
            return event(self, entity_id, message)

        monkeypatch.setattr(SMPCodec, "event", damage_one)
        for body in (b"lost", b"comes"):
            await bob.agent.send(theirs, body)
            await trio.sleep(10)
        assert damaged
        assert ReceivingProblem(mine, Problem.MALFORMED) in alice.told
        (message,) = [event for event in alice.told if isinstance(event, PeerMessage)]
        assert message.body == b"comes"
        assert message.integrity is Integrity.SKIPPED
