"""The process that is attacked: routers of each kind, and an account of what they hold.

Its arguments are a folder, made by `victim`, and the names of the configurations in it: those of
routers for files begin with ``xftp``.  It prints where the routers are, and then
answers each line on its standard input with what it has at that moment.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio

from simplex_trio.router.config import RouterConfig
from simplex_trio.router.server import serve_router
from simplex_trio.xftp.router.config import XFTPRouterConfig
from simplex_trio.xftp.router.server import serve_xftp_router


def resident() -> int:
    """Bytes of this process in memory."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def look(routers: dict[str, Any], *, collects: bool) -> dict[str, Any]:
    if collects:
        gc.collect()
    found = {}
    for name, router in routers.items():
        statistics = attrs.asdict(router.statistics())
        found[name] = statistics | statistics.pop("counters")
    return {
        "tasks": trio.lowlevel.current_statistics().tasks_living,
        "files": len(os.listdir("/proc/self/fd")),
        "blocks": sys.getallocatedblocks(),
        "resident": resident(),
        "routers": found,
    }


async def main(folder: Path, names: list[str]) -> None:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    routers: dict[str, Any] = {}
    async with trio.open_nursery() as nursery:
        for name in names:
            path = folder / name
            if name.startswith("xftp"):
                serve = partial(serve_xftp_router, XFTPRouterConfig.load(path))
            else:
                serve = partial(serve_router, RouterConfig.load(path))
            routers[path.stem] = await nursery.start(serve)
        places = {name: str(router.address) for name, router in routers.items()}
        print(json.dumps(places), flush=True)
        read = partial(trio.to_thread.run_sync, sys.stdin.readline, abandon_on_cancel=True)
        while line := await read():
            print(json.dumps(look(routers, collects=line == "collect\n")), flush=True)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), sys.argv[2:])
