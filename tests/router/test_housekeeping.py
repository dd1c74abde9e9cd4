"""What a router does by itself from time to time."""

from __future__ import annotations

from functools import partial

import trio
from trio.testing import MockClock

from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.router import housekeeping
from simplex_trio.router.config import RouterConfig
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.store.interface import PutService
from simplex_trio.router.store.records import ServiceRecord
from simplex_trio.serving.running import store_counters_regularly
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.commands import NEW, OFF, SEND
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.messages import DELD, IDS, OK
from tests.router.house import NOW, House, RawClient, open_house
from tests.router.stores import ReluctantStore

KEY = Ed25519PrivateKey(b"\x01" * 32)
DH_KEY = X25519PrivateKey(b"\x03" * 32)
DAY = 86400


async def create(client: RawClient, *, subscribe: bool = False) -> IDS:
    ids = await client.ask(NEW(KEY.public, DH_KEY.public, subscribe=subscribe), key=KEY)
    assert isinstance(ids, IDS)
    return ids


async def pass_time(house: House, seconds: float) -> None:
    house.later(seconds)
    await trio.sleep(seconds)


async def test_old_messages_and_suspended_queues_expire(autojump_clock: MockClock) -> None:
    store = ReluctantStore()
    async with open_house(store=store) as house, trio.open_nursery() as nursery:
        nursery.start_soon(housekeeping.expire, house.hub)
        client, other = await house.connect(), await house.connect()
        kept, suspended = await create(client), await create(client, subscribe=True)
        await other.ask(SEND(MessageFlags(), b"old"), kept.sender_id)
        assert await other.ask(OFF(), suspended.recipient_id, KEY) == OK()
        await pass_time(house, 20 * DAY)
        await other.ask(SEND(MessageFlags(), b"new"), kept.sender_id)
        assert house.hub.state.queues.message_count == 2
        await pass_time(house, 1 * DAY + 7300)
        assert house.hub.state.queues.message_count == 1
        assert house.hub.state.queues.for_recipient(suspended.recipient_id) is None
        assert (await client.read()).message == DELD()
        snapshot = await store.load()
        assert [queue.recipient_id for queue in snapshot.queues] == [kept.recipient_id]
        assert [len(heads) for heads in snapshot.messages.values()] == [1]
        counters = house.hub.state.counters
        assert counters[Count.MESSAGES_EXPIRED] == counters[Count.QUEUES_EXPIRED] == 1
        nursery.cancel_scope.cancel()


async def test_services_without_queues_are_forgotten(autojump_clock: MockClock) -> None:
    store = ReluctantStore()
    used_day = NOW // DAY
    records = [
        ServiceRecord(name * 24, ServiceRole.MESSAGING, name * 32, used_day - days)
        for name, days in ((b"a", 90), (b"b", 80))
    ]
    await store.commit([PutService(record) for record in records])
    async with open_house(store=store) as house, trio.open_nursery() as nursery:
        nursery.start_soon(housekeeping.expire, house.hub)
        await trio.sleep(1)
        assert len(house.hub.state.services) == 2
        await pass_time(house, 2 * DAY)
        assert (await store.load()).services == records[1:]
        assert house.hub.state.counters[Count.SERVICES_EXPIRED] == 1
        nursery.cancel_scope.cancel()


async def test_nothing_expires_where_that_is_not_wanted(autojump_clock: MockClock) -> None:
    policy = RouterConfig(queues=QueuePolicy(message_ttl=None, suspended_ttl=None))
    async with open_house(policy) as house, trio.open_nursery() as nursery:
        nursery.start_soon(housekeeping.expire, house.hub)
        client = await house.connect()
        ids = await create(client)
        await client.ask(SEND(MessageFlags(), b"old"), ids.sender_id)
        await client.ask(OFF(), ids.recipient_id, KEY)
        await pass_time(house, 1000 * DAY)
        assert house.hub.state.queues.message_count == 1
        nursery.cancel_scope.cancel()


async def test_many_queues_hold_up_no_client() -> None:
    async with open_house() as house, trio.open_nursery() as nursery:
        client = await house.connect()
        for _ in range(20):
            await client.send(
                *(client.transmission(NEW(KEY.public, DH_KEY.public), key=KEY) for _ in range(60))
            )
        await client.read_all()
        assert len(house.hub.state.queues) == 1200
        turns = 0

        async def count_turns() -> None:
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        nursery.start_soon(count_turns)
        nursery.start_soon(housekeeping.expire, house.hub)
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        assert turns >= 3
        nursery.cancel_scope.cancel()


async def test_counters_are_stored(autojump_clock: MockClock) -> None:
    store = ReluctantStore()
    async with open_house(store=store) as house, trio.open_nursery() as nursery:
        store_counters = partial(housekeeping.store_counters, house.hub)
        nursery.start_soon(store_counters_regularly, store_counters, house.hub.pace, lambda: 300)
        await create(await house.connect())
        await trio.sleep(301)
        assert (await store.load()).statistics[Count.QUEUES_CREATED] == 1
        store.is_full = True
        await create_refused(house)
        await trio.sleep(301)
        assert nursery.child_tasks  # a store that refuses is nothing to give up for
        nursery.cancel_scope.cancel()
    async with open_house(store=store) as house:
        assert house.hub.state.counters[Count.QUEUES_CREATED] == 1


async def create_refused(house: House) -> None:
    client = await house.connect()
    answer = await client.ask(NEW(KEY.public, DH_KEY.public), key=KEY)
    assert not isinstance(answer, IDS)
