"""This package's own router as a program: it prints its address and serves in memory.

Rows use it, in a process of its own, where no other router is named.
"""

from __future__ import annotations

import trio

from simplex_trio.router.server import open_router
from tests.bench.children import input_ended


async def _serve() -> None:
    async with open_router() as router:
        print(router.address, flush=True)
        await input_ended()


if __name__ == "__main__":
    trio.run(_serve)
