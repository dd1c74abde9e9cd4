"""Rows about the agent: subscribing, subscribing again, and what subscriptions and servers take.

As a program it measures the memory of one of these in a process that has done nothing else.
"""

from __future__ import annotations

import gc
import json
import sys
from time import perf_counter

import trio

from simplex_trio.agent.agent import SMPClientAgent, open_smp_agent
from simplex_trio.agent.config import AgentConfig
from simplex_trio.agent.events import Subscribed
from simplex_trio.engine.backoff import Backoff
from simplex_trio.wire.addresses import ServerAddress, ServerAddressWithAuth
from tests.bench.children import ask_child
from tests.bench.figures import Figures, Point
from tests.bench.memory import grown, resident_of
from tests.bench.queues import client_of, create_many, succeeded
from tests.bench.rows import Conditions, Rows, Subject

__all__ = ["ROWS"]

ROWS = Rows("agent", "agent", Subject.ROUTER)

_SIZES = (1000, 10_000, 100_000)
_AT_ONCE = 1000
_WARM_UP = 5
_EAGER = AgentConfig(backoff=Backoff(initial=0.001, maximum=0.001, increase_after=1))


@ROWS.row()
async def agent_subscribe(conditions: Conditions) -> Figures:
    """Subscribing to 1,000, 10,000 and 100,000 queues: queues per second."""
    points = [(await _subscribe(conditions, conditions.times(size)))[0] for size in _SIZES]
    return Figures(rate=points[-1].rate, points=tuple(points))


@ROWS.row()
async def agent_resubscribe(conditions: Conditions) -> Figures:
    """The same again after the connection was lost."""
    points = [(await _subscribe(conditions, conditions.times(size)))[1] for size in _SIZES]
    return Figures(rate=points[-1].rate, points=tuple(points))


@ROWS.row()
async def agent_memory_per_subscription(conditions: Conditions) -> Figures:
    """KiB for each of 20,000 subscriptions."""
    return await _in_a_fresh_process("subscriptions", conditions.times(20_000), conditions)


@ROWS.row()
async def agent_memory_per_server(conditions: Conditions) -> Figures:
    """KiB for each of 1,000 connections that an agent holds."""
    return await _in_a_fresh_process("servers", conditions.times(1000), conditions)


async def _in_a_fresh_process(what: str, count: int, conditions: Conditions) -> Figures:
    """Have memory measured where none has been given back before."""
    address = str(conditions.addresses[Subject.ROUTER].address)
    answer = await ask_child("tests.bench.agents", what, str(count), text=address)
    return Figures.from_json(json.loads(answer))


async def _servers(address: ServerAddress, count: int) -> Figures:
    async with open_smp_agent() as agent:
        for number in range(-_WARM_UP, 0):
            await agent.client(address, label=str(number))
        before = resident_of()
        for number in range(count):
            await agent.client(address, label=str(number))
        return grown(before, resident_of(), count)


async def _subscriptions(address: ServerAddress, count: int) -> Figures:
    conditions = Conditions({Subject.ROUTER: ServerAddressWithAuth(address, None)})
    return (await _subscribe(conditions, count))[2]


async def _subscribe(conditions: Conditions, count: int) -> tuple[Point, Point, Figures]:
    """Subscribe, lose the connection, subscribe again; and the memory that the first time took."""
    address = conditions.addresses[Subject.ROUTER].address
    async with client_of(conditions) as owner:
        queues = []
        for start in range(0, count, _AT_ONCE):
            wanted = min(_AT_ONCE, count - start)
            queues += await create_many(conditions, owner, wanted, subscribe=False)
        async with open_smp_agent(_EAGER) as agent:
            client = await agent.client(address)
            gc.collect()
            before = resident_of()
            start_at = perf_counter()
            agent.subscribe(address, queues)
            await _until_active(agent, count)
            first = Point(count, count / (perf_counter() - start_at))
            gc.collect()
            after = resident_of()
            start_at = perf_counter()
            await client.aclose()
            await _until_active(agent, count)
            again = Point(count, count / (perf_counter() - start_at))
        for start in range(0, count, _AT_ONCE):
            succeeded(await owner.delete_many(queues[start : start + _AT_ONCE]))
    return first, again, grown(before, after, count)


async def _until_active(agent: SMPClientAgent, count: int) -> None:
    """Read events until so many queues have been subscribed to."""
    async for event in agent.events:
        if isinstance(event, Subscribed):
            count -= len(event.queues)
            if count <= 0:
                return


async def _main() -> None:
    what, count = sys.argv[1:]
    measure = {"servers": _servers, "subscriptions": _subscriptions}[what]
    address = ServerAddress.parse(sys.stdin.read().strip())
    print(json.dumps((await measure(address, int(count))).to_json()))


if __name__ == "__main__":
    trio.run(_main)
