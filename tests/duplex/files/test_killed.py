"""Programs that are killed again and again while their agents transfer files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from random import Random

import pytest
import trio

from simplex_trio.xftp.router.server import open_xftp_router
from tests.scenarios.xftp import filled, names_in
from tests.xftp.routers import config

ROUNDS = int(os.environ.get("SIMPLEX_TRIO_CRASH_ROUNDS", "3"))

MAX_KILLS = 4

ROOT = Path(__file__).parents[3]


async def run_and_kill(arguments: list[str], moment: float | None) -> bool:
    """Run the program, and kill it after so many lines, or seconds; whether it ended itself."""
    command = [sys.executable, "-m", "tests.duplex.files.killed_program", *arguments]
    run = partial(trio.run_process, command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(run)
        assert process.stdout is not None
        printed = b""
        async for data in process.stdout:
            printed += data
            if b"begun" in printed and isinstance(moment, float):
                await trio.sleep(moment)
                process.kill()
                break
            if isinstance(moment, int) and printed.count(b"\n") >= moment:
                process.kill()
                break
        await process.stdout.aclose()
    if moment is None:
        assert process.returncode == 0
    return process.returncode == 0


async def run_until_done(random: Random, *arguments: object) -> None:
    given = list(map(str, arguments))
    for _ in range(MAX_KILLS):
        moment = random.choice([1, 2, 3, 5, random.uniform(0, 0.3), random.uniform(0, 0.1)])
        if await run_and_kill(given, moment):
            return
    await run_and_kill(given, None)


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_a_transfer_survives_being_killed(tmp_path: Path, number: int) -> None:
    random = Random(number)
    path, folder = tmp_path / "file", tmp_path / "received"
    size = random.choice([200_000, 900_000, 5_000_000, 20_000_000])
    await trio.Path(path).write_bytes(filled(size, number))
    await trio.Path(folder).mkdir()
    sent, received = tmp_path / "sent", tmp_path / "done"
    async with open_xftp_router(config(tmp_path / "router")) as router:
        await run_until_done(random, "send", tmp_path, router.address, path, sent)
        await run_until_done(random, "receive", tmp_path, router.address, sent, received)
    assert json.loads(received.read_text()) == str(folder / "file")
    assert (folder / "file").read_bytes() == path.read_bytes()
    assert names_in(folder) == ["file"]
    assert names_in(tmp_path / "receive.db.files") == []
