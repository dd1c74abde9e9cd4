"""This package's own router as a program: it prints its address and serves in memory.

Rows use it, in a process of its own, where no other router is named.  It has the garbage collector
of the program that users run.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from simplex_trio.cli.routers.collector import collector_for_much
from simplex_trio.router.server import open_router
from tests.bench.children import input_ended


async def _serve(loaded: Callable[[], None]) -> None:
    async with open_router() as router:
        loaded()
        print(router.address, flush=True)
        await input_ended()


if __name__ == "__main__":
    with collector_for_much() as loaded_all:
        trio.run(_serve, loaded_all)
