"""Rows of the SMP client: whole commands against a router, one connection unless said otherwise.

Recipients have Ed25519 keys, senders X25519 keys.  Bodies have 100 bytes unless said otherwise; one
of 15,900 bytes fills a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import ceil
from time import perf_counter

import trio

from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.queues import MessageReceived, ReceivingQueue
from tests.bench.figures import Figures, Point
from tests.bench.queues import (
    SecuredQueue,
    acknowledge_all,
    all_at_once,
    client_of,
    create_many,
    fill,
    one_by_one,
    open_queues,
    sends,
    succeeded,
)
from tests.bench.rows import Conditions, Rows, Subject

__all__ = ["ROWS"]

ROWS = Rows("client", "SMP client", Subject.ROUTER)

_SMALL, _LARGE = bytes(100), bytes(15_900)
_CALLERS = (1, 4, 16, 64, 256, 1024)


def _queues_for(messages: int) -> int:
    """How many queues take so many messages without getting full: 20, unless there are many."""
    return max(20, ceil(messages / 100))


@ROWS.row(baseline="echo-connect")
async def connect(conditions: Conditions) -> Figures:
    """TCP, TLS and the SMP handshake."""
    seconds = []
    for _ in range(conditions.times(50)):
        start = perf_counter()
        async with client_of(conditions):
            seconds.append(perf_counter() - start)
    return Figures.of_each(seconds)


@ROWS.row(baseline="echo-sequential")
async def ping_sequential(conditions: Conditions) -> Figures:
    """PING, one at a time."""
    async with client_of(conditions) as client:
        return await one_by_one(conditions, conditions.times(1000), lambda _: client.ping())


@ROWS.row()
async def ping_pipelined(conditions: Conditions) -> Figures:
    """PING from 2,000 tasks at once."""
    async with client_of(conditions) as client:
        return await all_at_once(conditions, conditions.times(2000), lambda _: client.ping())


@ROWS.row(baseline="echo-sequential")
async def send_sequential(conditions: Conditions) -> Figures:
    """SEND, one at a time, while a subscriber acknowledges on another connection."""
    count = conditions.times(500)
    async with (
        open_queues(conditions, _queues_for(count)) as (owner, queues),
        client_of(conditions) as sender,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(acknowledge_all, owner, queues)
        figures = await one_by_one(conditions, count, partial(_send, sender, queues))
        nursery.cancel_scope.cancel()
    return figures


@ROWS.row()
async def send_pipelined(conditions: Conditions) -> Figures:
    """SEND from 2,000 tasks at once, to 20 queues."""
    count = conditions.times(2000)
    async with (
        open_queues(conditions, _queues_for(count), subscribe=False) as (_, queues),
        client_of(conditions) as sender,
    ):
        return await all_at_once(conditions, count, partial(_send, sender, queues))


async def _send(sender: SMPClient, queues: Sequence[SecuredQueue], number: int) -> None:
    each = queues[number % len(queues)]
    await sender.send(each.queue.sender_id, _SMALL, each.sender_key)


async def _send_batch(conditions: Conditions, count: int, body: bytes) -> Figures:
    async with (
        open_queues(conditions, _queues_for(count), subscribe=False) as (_, queues),
        client_of(conditions) as sender,
    ):
        calls = sends(queues, count, body)
        watch = conditions.stopwatch()
        succeeded(await sender.request_many(calls))
        return watch.of_all(count)


@ROWS.row()
async def send_batched(conditions: Conditions) -> Figures:
    """The same 2,000 as one batch."""
    return await _send_batch(conditions, conditions.times(2000), _SMALL)


@ROWS.row(baseline="echo-pipelined")
async def send_batched_large(conditions: Conditions) -> Figures:
    """2,000 bodies of 15,900 bytes as one batch."""
    return await _send_batch(conditions, conditions.times(2000), _LARGE)


@ROWS.row()
async def send_by_callers(conditions: Conditions) -> Figures:
    """SEND by 1 to 1,024 tasks, each one at a time: how coalescing scales."""
    points = [await _send_by(conditions, callers) for callers in _CALLERS]
    return Figures(rate=points[-1].rate, points=tuple(points))


async def _send_by(conditions: Conditions, callers: int) -> Point:
    each = conditions.times(max(2, 2000 // callers))
    count = callers * each
    async with (
        open_queues(conditions, _queues_for(count), subscribe=False) as (_, queues),
        client_of(conditions) as sender,
    ):

        async def caller(number: int) -> None:
            for turn in range(each):
                await _send(sender, queues, number * each + turn)

        start = perf_counter()
        await all_at_once(conditions, callers, caller)
        return Point(callers, count / (perf_counter() - start))


@ROWS.row()
async def drain(conditions: Conditions) -> Figures:
    """SUB, then MSG and ACK until 2,000 messages in 20 queues are gone."""
    count = conditions.times(2000)
    async with open_queues(conditions, _queues_for(count), subscribe=False) as (_, queues):
        await fill(conditions, queues, count, _SMALL)
        async with client_of(conditions) as reader:
            watch = conditions.stopwatch()
            succeeded(await reader.subscribe_many([each.queue for each in queues]))
            await acknowledge_all(reader, queues, count)
            return watch.of_all(count)


@ROWS.row(baseline="echo-sequential")
async def round_trip(conditions: Conditions) -> Figures:
    """SEND, MSG, opened, ACK, one at a time, over two connections."""
    async with (
        open_queues(conditions, 1) as (owner, (only,)),
        client_of(conditions) as sender,
    ):

        async def there_and_back(_: int) -> None:
            await sender.send(only.queue.sender_id, _SMALL, only.sender_key)
            event = await owner.events.receive()
            assert isinstance(event, MessageReceived)
            await owner.acknowledge(only.queue, event.message_id)

        return await one_by_one(conditions, conditions.times(300), there_and_back)


@ROWS.row(baseline="echo-sequential")
async def new_sequential(conditions: Conditions) -> Figures:
    """NEW, one at a time."""
    basic_auth = conditions.addresses[Subject.ROUTER].basic_auth
    created: list[ReceivingQueue] = []

    async with client_of(conditions) as owner:

        async def create(_: int) -> None:
            created.append(await owner.create_queue(basic_auth=basic_auth))

        figures = await one_by_one(conditions, conditions.times(200), create)
        succeeded(await owner.delete_many(created))
        return figures


@ROWS.row()
async def new_pipelined(conditions: Conditions) -> Figures:
    """NEW from 1,000 tasks at once."""
    count = conditions.times(1000)
    async with client_of(conditions) as owner:
        watch = conditions.stopwatch()
        created = await create_many(conditions, owner, count)
        figures = watch.of_all(count)
        succeeded(await owner.delete_many(created))
        return figures


@ROWS.row()
async def sub_batch(conditions: Conditions) -> Figures:
    """SUB of 1,000 queues in one call, on a new connection."""
    count = conditions.times(1000)
    async with open_queues(conditions, count, subscribe=False) as (_, queues):
        owned = [each.queue for each in queues]
        async with client_of(conditions) as reader:
            watch = conditions.stopwatch()
            succeeded(await reader.subscribe_many(owned))
            return watch.of_all(count)


@ROWS.row(baseline="echo-sequential")
async def sub_sequential(conditions: Conditions) -> Figures:
    """SUB, one at a time, on a new connection."""
    count = conditions.times(200)
    async with (
        open_queues(conditions, count, subscribe=False) as (_, queues),
        client_of(conditions) as reader,
    ):
        return await one_by_one(
            conditions, count, lambda number: reader.subscribe(queues[number].queue)
        )


@ROWS.row(Subject.RELAY, baseline="echo-sequential")
async def proxied_send_sequential(conditions: Conditions) -> Figures:
    """SEND through the router as a proxy to the relay, one at a time."""
    count = conditions.times(200)
    address = conditions.addresses[Subject.RELAY].address
    basic_auth = conditions.addresses[Subject.ROUTER].basic_auth
    queues_there = open_queues(
        conditions, _queues_for(count), subscribe=False, subject=Subject.RELAY
    )
    async with queues_there as (_, queues), client_of(conditions) as sender:
        relay = sender.relay(address, basic_auth=basic_auth)
        await relay.session()

        async def send(number: int) -> None:
            each = queues[number % len(queues)]
            await relay.send(each.queue.sender_id, _SMALL, each.sender_key)

        return await one_by_one(conditions, count, send)
