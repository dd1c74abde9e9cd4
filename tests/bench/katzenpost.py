"""Rows of the Katzenpost thin client: requests that the daemon answers by itself.

The published client of this protocol is beside them if there is an interpreter that has it: the
variable ``SIMPLEX_TRIO_KATZENPOST_PYTHON`` names one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

import trio

from simplex_trio.errors import SimplexError
from simplex_trio.katzenpost.opening import open_thin_client
from tests.bench.figures import Figures
from tests.bench.queues import all_at_once, one_by_one
from tests.bench.rows import Conditions, Rows

__all__ = ["PUBLISHED_PYTHON", "ROWS"]

ROWS = Rows("katzenpost", "Katzenpost thin client")

PUBLISHED_PYTHON = "SIMPLEX_TRIO_KATZENPOST_PYTHON"
"""Names the variable that names an interpreter with the published client."""

_SEQUENTIAL, _CONCURRENT, _ROUNDS = 2000, 1000, 10


class _NotInstalled(SimplexError):
    """There is no interpreter with the published client."""


@asynccontextmanager
async def _daemon() -> AsyncIterator[Path]:
    """A daemon in a process of its own; yields the path of a configuration that leads to it."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "tests.bench.kpclientd"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    with tempfile.TemporaryDirectory() as folder:
        try:
            port = int(await process.stdout.receive_some())
            path = trio.Path(folder, "thinclient.toml")
            await path.write_text(f'[Dial.Tcp]\nAddress = "127.0.0.1:{port}"\nNetwork = "tcp4"\n')
            yield Path(path)
        finally:
            with trio.CancelScope(shield=True):
                await process.stdin.aclose()
                await process.wait()
                await process.stdout.aclose()


@ROWS.row(baseline="published-local")
async def katzenpost_local(conditions: Conditions) -> Figures:
    """A request that the daemon answers by itself, one at a time."""
    async with _daemon() as path, open_thin_client(path) as client:
        index = (await client.new_keypair(bytes(32))).first_index
        return await one_by_one(
            conditions, conditions.times(_SEQUENTIAL), lambda _: client.next_index(index)
        )


@ROWS.row(baseline="published-concurrent")
async def katzenpost_concurrent(conditions: Conditions) -> Figures:
    """The same from 1,000 tasks at once, ten times."""
    count = conditions.times(_CONCURRENT)
    async with _daemon() as path, open_thin_client(path) as client:
        index = (await client.new_keypair(bytes(32))).first_index
        start = perf_counter()
        for _ in range(_ROUNDS):
            await all_at_once(conditions, count, lambda _: client.next_index(index))
        return Figures.of_all(_ROUNDS * count, perf_counter() - start)


async def _published(how: str, count: int) -> list[float]:
    python = os.environ.get(PUBLISHED_PYTHON)
    if not python:
        raise _NotInstalled(f"{PUBLISHED_PYTHON} names no interpreter with katzenpost-thinclient")
    script = Path(__file__).with_name("published_katzenpost.py")
    async with _daemon() as path:
        done = await trio.run_process(
            [python, str(script), str(path), how, str(count)], capture_stdout=True
        )
    seconds: list[float] = json.loads(done.stdout)
    return seconds


@ROWS.row()
async def published_local(conditions: Conditions) -> Figures:
    """The published client, one request at a time."""
    return Figures.of_each(await _published("sequential", conditions.times(_SEQUENTIAL)))


@ROWS.row()
async def published_concurrent(conditions: Conditions) -> Figures:
    """The published client, 1,000 tasks at once, ten times."""
    count = conditions.times(_CONCURRENT)
    seconds = await _published("concurrent", count)
    return Figures.of_all(count * len(seconds), sum(seconds))
