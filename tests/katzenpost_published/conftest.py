"""Fixtures for scenarios with the published client; see `harness`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from simplex_trio.katzenpost.config import DialConfig
from tests.katzenpost_published.harness import PATIENCE, DaemonThread, Published


@pytest.fixture
def thread() -> Iterator[DaemonThread]:
    thread = DaemonThread()
    try:
        yield thread
    finally:
        thread.stop()


@pytest.fixture
def run(thread: DaemonThread, tmp_path: Path) -> Callable[..., None]:
    """Run a scenario with the published client, connected to the daemon of ``thread``."""

    def run(
        scenario: Callable[[Published], Awaitable[None]], listen: DialConfig | None = None
    ) -> None:
        thread.start(listen)
        path = tmp_path / "thinclient.toml"
        thread.do(lambda daemon: daemon.write_config(path))

        async def main() -> None:
            async with asyncio.timeout(PATIENCE), Published(path) as published:
                await scenario(published)

        asyncio.run(main())

    return run
