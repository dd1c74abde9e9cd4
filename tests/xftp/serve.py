"""A router as a program of its own, to be killed: ``python -m tests.xftp.serve CONFIGURATION``.

It prints its log, and ``at`` with its address.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import trio

from simplex_trio.xftp.router.config import XFTPRouterConfig
from simplex_trio.xftp.router.server import open_xftp_router


async def serve(path: Path) -> None:
    async with open_xftp_router(XFTPRouterConfig.load(path)) as router:
        print("at", router.address, flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
    trio.run(serve, Path(sys.argv[1]))
