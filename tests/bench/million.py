"""Rows about a million queues: whether anything holds up the event loop.

As a program it is one of the processes that the rows need: a router that has many queues, one that
loads them, or an agent that subscribes to them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from hashlib import sha256
from itertools import islice
from pathlib import Path
from time import perf_counter

import trio
from attrs import evolve

from simplex_trio.agent.agent import SMPClientAgent, open_smp_agent
from simplex_trio.agent.config import AgentConfig
from simplex_trio.agent.events import Subscribed
from simplex_trio.client.smp.queues import QueueAccess
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.engine.backoff import Backoff
from simplex_trio.router.server import EMBEDDED, open_router
from simplex_trio.router.store.interface import PutQueue, Store
from simplex_trio.router.store.memory import MemoryStore
from simplex_trio.router.store.records import QueueRecord
from simplex_trio.router.store.sqlite import open_sqlite_store
from simplex_trio.wire.queue_mode import QueueMode
from tests.bench.children import ask_child, input_ended
from tests.bench.figures import Figures
from tests.bench.memory import grown, resident_of
from tests.bench.rows import Conditions, Rows
from tests.bench.stalls import Stalls, watch_loop

__all__ = ["ROWS"]

ROWS = Rows("million", "a million queues")

_MODULE = "tests.bench.million"
_MILLION = 1_000_000
_TOGETHER = 1000
_KEY = Ed25519PrivateKey(bytes(32))
_EAGER = AgentConfig(backoff=Backoff(initial=0.001, maximum=0.001, increase_after=1))


@ROWS.row()
async def load_1m(conditions: Conditions) -> Figures:
    """Opening a router on a store with 1,000,000 queues: queues per second, longest step."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "router.sqlite"))
        count = str(conditions.times(_MILLION))
        await ask_child(_MODULE, "fill", count, text=path)
        return Figures.from_json(json.loads(await ask_child(_MODULE, "load", count, text=path)))


@ROWS.row()
async def resubscribe_1m(conditions: Conditions) -> Figures:
    """An agent subscribes to 1,000,000 queues, loses the connection, and subscribes again."""
    return (await _resubscribe(conditions))[0]


@ROWS.row()
async def resubscribed_1m(conditions: Conditions) -> Figures:
    """The same, with the figures of the router."""
    return (await _resubscribe(conditions))[1]


async def _resubscribe(conditions: Conditions) -> tuple[Figures, Figures]:
    count = str(conditions.times(_MILLION))
    async with _child("serve", count) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        address = (await process.stdout.receive_some()).decode()
        agents = await ask_child(_MODULE, "subscribe", count, text=address)
        await process.stdin.aclose()
        routers = b"".join([data async for data in process.stdout])
    return Figures.from_json(json.loads(agents)), Figures.from_json(json.loads(routers))


@asynccontextmanager
async def _child(*arguments: str) -> AsyncIterator[trio.Process]:
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", _MODULE, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            await process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    await pipe.aclose()


# --- queues -------------------------------------------------------------------------------------


def _id(kind: bytes, number: int) -> bytes:
    """An id that looks random, as those of routers are, and is the same in each process."""
    return sha256(kind + number.to_bytes(4, "big")).digest()[:24]


def _queues(count: int) -> Iterable[PutQueue]:
    for number in range(count):
        yield PutQueue(
            QueueRecord(
                recipient_id=_id(b"recipient", number),
                sender_id=_id(b"sender", number),
                recipient_keys=(_KEY.public,),
                dh_secret=bytes(28) + number.to_bytes(4, "big"),
                created_day=20_000,
                updated_day=20_000,
                mode=QueueMode.MESSAGING,
            )
        )


async def _put_queues(store: Store, count: int) -> None:
    queues = iter(_queues(count))
    while some := list(islice(queues, _TOGETHER)):
        await store.commit(some)


# --- the processes ------------------------------------------------------------------------------


async def _fill(count: int) -> None:
    async with open_sqlite_store(sys.stdin.read().strip()) as store:
        await _put_queues(store, count)


async def _load(count: int) -> None:
    path = Path(sys.stdin.read().strip())
    async with open_router():  # so that everything is imported
        await trio.lowlevel.checkpoint()
    before = resident_of()
    async with watch_loop() as stalls:
        start = perf_counter()
        async with open_router(evolve(EMBEDDED, store=path)):
            seconds = perf_counter() - start
            memory = grown(before, resident_of(), count)
            await trio.sleep(0.1)  # in which the router looks for the first time for what is old
            _tell(evolve(memory, rate=count / seconds), stalls)


async def _serve(count: int) -> None:
    store = MemoryStore()
    await _put_queues(store, count)
    async with open_router(store=store) as router:
        store = MemoryStore()
        async with watch_loop() as stalls:
            print(router.address, flush=True)
            await input_ended()
    _tell(Figures(), stalls)


async def _subscribe(count: int) -> None:
    address = sys.stdin.read().strip()
    async with watch_loop() as stalls:
        async with open_smp_agent(_EAGER) as agent:
            client = await agent.client(address)
            before = resident_of()
            numbers = iter(range(count))
            while some := list(islice(numbers, _TOGETHER)):
                agent.subscribe(address, map(_access, some))
                await trio.lowlevel.checkpoint()
            await _until_active(agent, count)
            memory = grown(before, resident_of(), count)
            start = perf_counter()
            await client.aclose()
            await _until_active(agent, count)
            seconds = perf_counter() - start
        del agent, client
        await trio.lowlevel.checkpoint()
    _tell(evolve(memory, rate=count / seconds), stalls)


def _access(number: int) -> QueueAccess:
    delivery_key = BoxKey(bytes(28) + number.to_bytes(4, "big"))
    return QueueAccess(_id(b"recipient", number), _KEY, delivery_key)


async def _until_active(agent: SMPClientAgent, count: int) -> None:
    """Read events until so many queues have been subscribed to."""
    async for event in agent.events:
        if isinstance(event, Subscribed):
            count -= len(event.queues)
            if count <= 0:
                return


def _tell(figures: Figures, stalls: Stalls) -> None:
    print(f"the longest was a step of {stalls.culprit or 'another thread'}", file=sys.stderr)
    print(json.dumps(evolve(figures, longest=stalls.longest, collector=stalls.collector).to_json()))


if __name__ == "__main__":
    _RUN = {"fill": _fill, "load": _load, "serve": _serve, "subscribe": _subscribe}
    trio.run(_RUN[sys.argv[1]], int(sys.argv[2]))
