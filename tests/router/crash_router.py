"""A router in a process of its own, to be killed; its argument is the folder with its files."""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from simplex_trio.router.config import RouterConfig
from simplex_trio.router.server import serve_router


async def main(folder: Path) -> None:
    config = RouterConfig.load(folder / "router.toml")
    async with trio.open_nursery() as nursery:
        router = await nursery.start(serve_router, config)
        print(router.address, flush=True)


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]))
