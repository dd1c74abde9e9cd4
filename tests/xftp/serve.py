"""A router as a program of its own, to be killed: ``python -m tests.xftp.serve FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from simplex_trio.xftp.router.server import open_xftp_router
from tests.xftp.routers import config


async def serve(folder: Path) -> None:
    async with open_xftp_router(config(folder)) as router:
        print(router.address, flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    trio.run(serve, Path(sys.argv[1]))
