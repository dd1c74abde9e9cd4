"""Routers of the tests, and what is in their folders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs

from simplex_trio.crypto.credentials import generate_router_credentials
from simplex_trio.serving.config import ServingIntervals
from simplex_trio.transport.tls import utc_now
from simplex_trio.xftp.router.config import PacketPolicy, XFTPClientLimits, XFTPRouterConfig
from simplex_trio.xftp.router.server import (
    EMBEDDED,
    XFTPRouter,
    open_xftp_router,
)

CREDENTIALS = generate_router_credentials(now=utc_now())


def config(folder: Path | None = None, **settings: Any) -> XFTPRouterConfig:
    """An embedded router with other settings; those of its parts by their names."""
    packets = {n: settings.pop(n) for n in list(settings) if n in attrs.fields_dict(PacketPolicy)}
    limits = {
        n: settings.pop(n) for n in list(settings) if n in attrs.fields_dict(XFTPClientLimits)
    }
    if "expiry" in settings:
        settings["intervals"] = ServingIntervals(expiry=settings.pop("expiry"))
    return attrs.evolve(
        EMBEDDED,
        store=folder,
        packets=PacketPolicy(**packets),
        limits=XFTPClientLimits(**limits),
        **settings,
    )


@asynccontextmanager
async def routers(tmp_path: Path, count: int) -> AsyncIterator[list[XFTPRouter]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(open_xftp_router(config(tmp_path / f"router{n}")))
            for n in range(count)
        ]


def bodies(folder: Path) -> list[Path]:
    return list((folder / "packets").iterdir())
