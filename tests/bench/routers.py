"""Rows about our own router: what it carries with more connections, holds, and reads again.

The router is in a process of its own, the clients in this one, so that the machine has to carry
both; only memory and restarting are the router's alone.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from math import ceil
from pathlib import Path
from time import perf_counter

import trio
from attrs import evolve, frozen

from simplex_trio.client.smp.client import SMPClient, open_smp_client
from simplex_trio.client.smp.queues import MessageReceived, ReceivingQueue
from simplex_trio.crypto.keys import Ed25519PrivateKey, Ed25519PublicKey
from simplex_trio.redaction import Redacted
from simplex_trio.router.server import EMBEDDED, open_router
from simplex_trio.router.store.interface import PutQueue
from simplex_trio.router.store.records import QueueRecord
from simplex_trio.router.store.sqlite import open_sqlite_store
from simplex_trio.wire.queue_mode import QueueMode
from tests.bench.figures import Figures, Point
from tests.bench.memory import grown, resident_of
from tests.bench.queues import all_at_once, client_of, create_many, succeeded
from tests.bench.rows import Conditions, Rows, Subject

__all__ = ["ROWS"]

ROWS = Rows("router", "router")

_CONNECTIONS = (1, 100, 1000)
_BODY = bytes(100)
_AT_A_TIME = 20
_QUEUES_OF_ONE = 4000  # a router lets one connection create 5,000 without making it wait


@frozen(repr=False)
class _Mailbox(Redacted):
    """A connection and its one queue."""

    client: SMPClient
    queue: ReceivingQueue

    async def acknowledge(self, count: int) -> None:
        for _ in range(count):
            event = await self.client.events.receive()
            assert isinstance(event, MessageReceived)
            await self.client.acknowledge(self.queue, event.message_id)


@asynccontextmanager
async def _mailboxes(conditions: Conditions, count: int) -> AsyncIterator[list[_Mailbox]]:
    made: list[_Mailbox] = []
    async with AsyncExitStack() as stack:
        for _ in range(count):
            client = await stack.enter_async_context(client_of(conditions))
            made.append(_Mailbox(client, await client.create_queue()))
        yield made
        await all_at_once(
            conditions, count, lambda number: made[number].client.delete(made[number].queue)
        )


@ROWS.row(Subject.ROUTER)
async def deliveries_by_connections(conditions: Conditions) -> Figures:
    """SEND, MSG and ACK with 1, 100 and 1,000 subscribed connections."""
    points = [await _deliver(conditions, conditions.times(each)) for each in _CONNECTIONS]
    return Figures(rate=points[-1].rate, points=tuple(points))


async def _deliver(conditions: Conditions, connections: int) -> Point:
    each = max(1, conditions.times(2000) // connections)
    async with _mailboxes(conditions, connections) as boxes, client_of(conditions) as sender:

        async def send(box: _Mailbox) -> None:
            for _ in range(each):
                await sender.send(box.queue.sender_id, _BODY)

        start = perf_counter()
        async with trio.open_nursery() as nursery:
            for box in boxes:
                nursery.start_soon(box.acknowledge, each)
                nursery.start_soon(send, box)
        return Point(connections, connections * each / (perf_counter() - start))


@ROWS.row(Subject.ROUTER)
async def sends_by_connections(conditions: Conditions) -> Figures:
    """SEND from 1, 100 and 1,000 connections, each one at a time."""
    points = [await _send(conditions, conditions.times(each)) for each in _CONNECTIONS]
    return Figures(rate=points[-1].rate, points=tuple(points))


async def _send(conditions: Conditions, connections: int) -> Point:
    each = max(1, conditions.times(2000) // connections)
    async with AsyncExitStack() as stack:
        owner = await stack.enter_async_context(client_of(conditions))
        queues = await create_many(
            conditions, owner, -(-connections * each // 100), subscribe=False
        )
        senders = [
            await stack.enter_async_context(client_of(conditions)) for _ in range(connections)
        ]

        async def send(number: int) -> None:
            for turn in range(each):
                queue = queues[(number * each + turn) % len(queues)]
                await senders[number].send(queue.sender_id, _BODY)

        start = perf_counter()
        await all_at_once(conditions, connections, send)
        seconds = perf_counter() - start
        succeeded(await owner.delete_many(queues))
        return Point(connections, connections * each / seconds)


@asynccontextmanager
async def _router_process() -> AsyncIterator[tuple[str, int]]:
    """A router of our own with its process id, so that its memory can be looked at."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "tests.bench.embedded"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield (await process.stdout.receive_some()).decode().strip(), process.pid
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            await process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                await pipe.aclose()


@ROWS.row()
async def memory_per_connection(conditions: Conditions) -> Figures:
    """KiB of the router for each of 500 idle connections."""
    count = conditions.times(500)
    async with _router_process() as (address, pid), AsyncExitStack() as stack:
        connect = partial(open_smp_client, address)
        for _ in range(_AT_A_TIME):
            await stack.enter_async_context(connect())
        before = resident_of(pid)
        for _ in range(count):
            await stack.enter_async_context(connect())
        return grown(before, resident_of(pid), count)


@ROWS.row()
async def memory_per_queue(conditions: Conditions) -> Figures:
    """KiB of the router for each of 20,000 queues subscribed to on five connections."""
    count = conditions.times(20_000)
    async with _router_process() as (address, pid), AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(open_smp_client(address))
            for _ in range(ceil(count / _QUEUES_OF_ONE))
        ]
        for client in clients:
            await client.create_queue()
        before = resident_of(pid)
        limit = trio.CapacityLimiter(1000)

        async def create(client: SMPClient) -> None:
            async with limit:
                await client.create_queue()

        async with trio.open_nursery() as nursery:
            for number in range(count):
                nursery.start_soon(create, clients[number % len(clients)])
        return grown(before, resident_of(pid), count)


@ROWS.row()
async def restart(conditions: Conditions) -> Figures:
    """Opening a router on a store with 100,000 queues: queues per second."""
    count = conditions.times(100_000)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "router.sqlite")
        key = Ed25519PrivateKey.generate().public
        async with open_sqlite_store(path) as store:
            for start in range(0, count, 5000):
                batch = [PutQueue(_record(key)) for _ in range(min(5000, count - start))]
                await store.commit(batch)
        start_at = perf_counter()
        async with open_router(evolve(EMBEDDED, store=path)):
            return Figures.of_all(count, perf_counter() - start_at)


def _record(key: Ed25519PublicKey) -> QueueRecord:
    return QueueRecord(
        recipient_id=secrets.token_bytes(24),
        sender_id=secrets.token_bytes(24),
        recipient_keys=(key,),
        dh_secret=secrets.token_bytes(32),
        created_day=20_000,
        updated_day=20_000,
        mode=QueueMode.MESSAGING,
    )
