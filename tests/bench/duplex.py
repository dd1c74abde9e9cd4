"""Rows about connections of two programs: connecting, messages one way and both, many connections.

Agents have their stores on the disk.  Who receives messages one way is in another process, as peers
are; where messages alternate only one side works at a time, and both are in this one.  As a program
it is that peer, or measures how long an agent with many connections takes to start, and what memory
they take, in a process that has done nothing else.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import trio
from attrs import frozen

from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionReady,
    DuplexEvent,
    MessageSent,
    PeerMessage,
    ReceiptReceived,
    RotationPhase,
    RotationProgress,
    RouterUp,
)
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.wire.addresses import ServerAddress
from tests.bench.children import ask_child
from tests.bench.figures import Figures, Point
from tests.bench.memory import grown, resident_of
from tests.bench.rows import Conditions, Rows, Subject

__all__ = ["ROWS"]

ROWS = Rows("duplex", "connections of two programs", Subject.ROUTER)

_BODY = bytes(100)
_CONNECTIONS = (1, 100, 1000)
_WARM_UP = 5

EventT = TypeVar("EventT", bound=DuplexEvent)


class _Way(Enum):
    """What comes back for each message."""

    ONE = "one"
    RECEIPTS = "receipts"
    BOTH = "both"
    """A message and a receipt, which is answered by a receipt."""


@frozen
class _Pair:
    """Two agents, and the two ends of each of their connections."""

    first: DuplexAgent
    second: DuplexAgent
    ends: list[tuple[str, str]]


async def _next(agent: DuplexAgent, kind: type[EventT]) -> EventT:
    async for event in agent.events:
        if isinstance(event, kind):
            return event
    raise AssertionError("the agent has ended")


async def _connect(first: DuplexAgent, second: DuplexAgent, *, pq: bool) -> tuple[str, str]:
    invitation = await first.create(pq=pq)
    theirs = await second.join(invitation.link, pq=pq)
    ours = await first.accept(await _next(first, ConfirmationReceived))
    await _next(first, ConnectionReady)
    await _next(second, ConnectionReady)
    return ours, theirs


@asynccontextmanager
async def _pair(conditions: Conditions, count: int, *, pq: bool = True) -> AsyncIterator[_Pair]:
    address = conditions.addresses[Subject.ROUTER]
    with tempfile.TemporaryDirectory() as folder:
        async with (
            open_duplex_agent(Path(folder, "first.db"), servers=[str(address)]) as first,
            open_duplex_agent(Path(folder, "second.db"), servers=[str(address)]) as second,
        ):
            ends = [await _connect(first, second, pq=pq) for _ in range(count)]
            yield _Pair(first, second, ends)


@ROWS.row()
async def duplex_connect(conditions: Conditions) -> Figures:
    """Connecting by an invitation, until both sides are ready."""
    async with _pair(conditions, _WARM_UP) as pair:
        seconds = []
        for _ in range(conditions.times(40)):
            start = perf_counter()
            await _connect(pair.first, pair.second, pq=True)
            seconds.append(perf_counter() - start)
        return Figures.of_each(seconds)


@asynccontextmanager
async def _to_peer(
    conditions: Conditions, connections: int, count: int, way: _Way
) -> AsyncIterator[tuple[DuplexAgent, list[str], trio.Process]]:
    """An agent, and its connections to one in another process that reads so many messages."""
    address = str(conditions.addresses[Subject.ROUTER])
    with tempfile.TemporaryDirectory() as folder:
        async with open_duplex_agent(Path(folder, "sender.db"), servers=[address]) as agent:
            links = [(await agent.create()).link for _ in range(connections)]
            process = await trio.lowlevel.open_process(
                [
                    sys.executable,
                    "-m",
                    "tests.bench.duplex",
                    "read",
                    str(count),
                    way.value,
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            try:
                assert process.stdin is not None
                await process.stdin.send_all("\n".join([address, *links, "", ""]).encode())
                left = connections
                while left:
                    event = await agent.events.receive()
                    if isinstance(event, ConfirmationReceived):
                        await agent.accept(event)
                    left -= isinstance(event, ConnectionReady)
                yield agent, await agent.connections(), process
            finally:
                process.kill()
                with trio.CancelScope(shield=True):
                    await process.wait()


async def _send_all(conditions: Conditions, connections: int, messages: int, way: _Way) -> Point:
    """Messages to a peer in another process, until that has acknowledged all of them."""
    each = max(1, conditions.times(messages) // connections)
    count = each * connections
    async with _to_peer(conditions, connections, count, way) as (agent, ends, peer):

        async def send(connection_id: str) -> None:
            for _ in range(each):
                await agent.send(connection_id, _BODY)

        start = perf_counter()
        async with trio.open_nursery() as nursery:
            for connection_id in ends:
                nursery.start_soon(send, connection_id)
            nursery.start_soon(_read, agent, count, way)
            assert peer.stdout is not None
            assert await peer.stdout.receive_some()
        count *= 2 if way is _Way.BOTH else 1
        return Point(connections, count / (perf_counter() - start))


async def _read(agent: DuplexAgent, count: int, way: _Way) -> None:
    """What the sender reads: that each message has come, and as many from the peer if so."""
    expected = MessageSent if way is _Way.ONE else ReceiptReceived
    told, messages = count, count if way is _Way.BOTH else 0
    async for event in agent.events:
        if isinstance(event, PeerMessage):
            await agent.acknowledge(event, receipt=True)
            messages -= 1
        told -= isinstance(event, expected)
        if told == messages == 0:
            return


def _sizes(conditions: Conditions) -> list[int]:
    """Each number of connections, once."""
    return list(dict.fromkeys(conditions.times(each) for each in _CONNECTIONS))


@ROWS.row()
async def duplex_one_way(conditions: Conditions) -> Figures:
    """Messages one way over 1, 100 and 1,000 connections, acknowledged by the program."""
    points = [await _send_all(conditions, size, 1000, _Way.ONE) for size in _sizes(conditions)]
    return Figures(rate=points[0].rate, points=tuple(points))


@ROWS.row()
async def duplex_receipts(conditions: Conditions) -> Figures:
    """Messages one way over one connection, each with a receipt that comes back."""
    return Figures(rate=(await _send_all(conditions, 1, 500, _Way.RECEIPTS)).rate)


@ROWS.row()
async def duplex_both_ways(conditions: Conditions) -> Figures:
    """Messages both ways over 1, 100 and 1,000 connections, each answered, and with a receipt."""
    points = [await _send_all(conditions, size, 1000, _Way.BOTH) for size in _sizes(conditions)]
    return Figures(rate=points[0].rate, points=tuple(points))


async def _alternate(conditions: Conditions, *, pq: bool) -> Figures:
    async with _pair(conditions, 1, pq=pq) as pair:
        [(ours, theirs)] = pair.ends
        sides = ((pair.first, ours, pair.second), (pair.second, theirs, pair.first))
        seconds = []
        for turn in range(conditions.times(300)):
            sender, connection_id, receiver = sides[turn % 2]
            start = perf_counter()
            await sender.send(connection_id, _BODY)
            await receiver.acknowledge(await _next(receiver, PeerMessage))
            seconds.append(perf_counter() - start)
        return Figures.of_each(seconds)


@ROWS.row()
async def duplex_alternating(conditions: Conditions) -> Figures:
    """One message at a time, in turns, so that each takes a step of the ratchet."""
    return await _alternate(conditions, pq=False)


@ROWS.row()
async def duplex_alternating_kem(conditions: Conditions) -> Figures:
    """The same with the post-quantum KEM."""
    return await _alternate(conditions, pq=True)


@ROWS.row()
async def duplex_rotation(conditions: Conditions) -> Figures:
    """Queues of 1,000 connections moved, all at once: moves per second until all are completed."""
    count = conditions.times(1000)
    async with _to_peer(conditions, count, 1, _Way.ONE) as (agent, ends, _):
        start = perf_counter()
        async with trio.open_nursery() as nursery:
            for connection_id in ends:
                nursery.start_soon(agent.rotate, connection_id)
            left = count
            while left:
                event = await _next(agent, RotationProgress)
                left -= event.phase is RotationPhase.COMPLETED
        return Figures(rate=count / (perf_counter() - start))


@ROWS.row()
async def duplex_start(conditions: Conditions) -> Figures:
    """Starting with 10,000 connections until all are subscribed to: connections per second, KiB."""
    address = str(conditions.addresses[Subject.ROUTER])
    count = conditions.times(10_000)
    answer = await ask_child("tests.bench.duplex", str(count), text=address)
    return Figures.from_json(json.loads(answer))


# --- the child ----------------------------------------------------------------------------------


async def _invite_many(path: Path, address: ServerAddress, count: int) -> None:
    async with open_duplex_agent(path, servers=[address]) as agent:
        limit = trio.CapacityLimiter(50)

        async def invite() -> None:
            async with limit:
                await agent.create(pq=False)

        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(invite)


async def _start(path: Path, address: ServerAddress, count: int) -> Figures:
    gc.collect()
    before = resident_of()
    start = perf_counter()
    async with open_duplex_agent(path, servers=[address]) as agent:
        left = count
        async for event in agent.events:
            if isinstance(event, RouterUp):
                left -= len(event.connection_ids)
                if left <= 0:
                    break
        seconds = perf_counter() - start
        gc.collect()
        memory = grown(before, resident_of(), count)
        return Figures(count / seconds, resident_kib=memory.resident_kib)


async def _peer(count: int, way: _Way) -> None:
    """Join the links on the standard input, read so many messages, and say so."""
    address, *links = iter(lambda: sys.stdin.readline().strip(), "")
    with tempfile.TemporaryDirectory() as folder:
        async with open_duplex_agent(Path(folder, "reader.db"), servers=[address]) as agent:
            for link in links:
                await agent.join(link)
            messages, receipts = count, count if way is _Way.BOTH else 0
            async for event in agent.events:
                if isinstance(event, PeerMessage):
                    await agent.acknowledge(event, receipt=way is not _Way.ONE)
                    if way is _Way.BOTH:
                        await agent.send(event.connection_id, _BODY)
                    messages -= 1
                receipts -= isinstance(event, ReceiptReceived)
                if messages == receipts == 0:
                    break
            print("done", flush=True)
            await agent.drain()
            await trio.sleep_forever()


async def _main() -> None:
    """Make the connections in one process, and start with them in another one."""
    if sys.argv[1] == "read":
        await _peer(int(sys.argv[2]), _Way(sys.argv[3]))
    count, *made = sys.argv[1:]
    text = sys.stdin.read().strip()
    address = ServerAddress.parse(text)
    if made:
        print(json.dumps((await _start(Path(made[0]), address, int(count))).to_json()))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "agent.db")
        await _invite_many(path, address, int(count))
        print(await ask_child("tests.bench.duplex", count, str(path), text=text))


if __name__ == "__main__":
    trio.run(_main)
