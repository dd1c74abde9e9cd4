"""The row about memory: what one more open client takes.

As a program it reads an address, opens clients to it, and prints what each of them took as JSON.  A
process that has done other things has room to give away, which would hide the growth, so the row
asks a fresh one.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import trio

from simplex_trio.client.smp.client import open_smp_client
from simplex_trio.wire.addresses import ServerAddress
from tests.bench.children import ask_child
from tests.bench.figures import Figures
from tests.bench.rows import Conditions, Rows, Subject

__all__ = ["ROWS", "grown", "resident_of"]

ROWS = Rows("memory", "memory", Subject.ROUTER)

_WARM_UP = 5


@ROWS.row()
async def memory_per_client(conditions: Conditions) -> Figures:
    """KiB for each of 50 open clients that have answered a PING."""
    answer = await ask_child(
        "tests.bench.memory",
        str(conditions.times(50)),
        text=str(conditions.addresses[Subject.ROUTER].address),
    )
    return Figures.from_json(json.loads(answer))


def resident_of(pid: int | None = None) -> int | None:
    """Bytes of memory that a process, or this one, holds, where the system says so."""
    statm = Path("/proc", "self" if pid is None else str(pid), "statm")
    if not statm.exists():
        return None
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def grown(before: int | None, after: int | None, count: int) -> Figures:
    """What each of ``count`` things took, if it is known."""
    if before is None or after is None:
        return Figures()
    return Figures(resident_kib=(after - before) / count / 1024)


def _traced() -> int:
    return tracemalloc.get_traced_memory()[0]


async def _measure(address: ServerAddress, count: int) -> Figures:
    async with AsyncExitStack() as stack:

        async def open_clients(number: int) -> None:
            for _ in range(number):
                client = await stack.enter_async_context(open_smp_client(address))
                await client.ping()

        await open_clients(_WARM_UP)
        resident = await _growth(resident_of, lambda: open_clients(count))
        tracemalloc.start()
        traced = await _growth(_traced, lambda: open_clients(count))
        tracemalloc.stop()
    return Figures(
        resident_kib=None if resident is None else resident / count / 1024,
        python_kib=None if traced is None else traced / count / 1024,
    )


async def _growth(
    held: Callable[[], int | None], work: Callable[[], Awaitable[None]]
) -> int | None:
    gc.collect()
    before = held()
    await work()
    gc.collect()
    after = held()
    return None if before is None or after is None else after - before


async def _main() -> None:
    address = ServerAddress.parse(sys.stdin.read().strip())
    print(json.dumps((await _measure(address, int(sys.argv[1]))).to_json()))


if __name__ == "__main__":
    trio.run(_main)
