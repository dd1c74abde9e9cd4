"""Programs that are killed in the middle of a transfer, and started again until it is done."""

from __future__ import annotations

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

ROUNDS = int(os.environ.get("SIMPLEX_TRIO_CRASH_ROUNDS", "1"))

MAX_KILLS = 6

ROOT = Path(__file__).parent.parent.parent


async def run_and_kill(arguments: list[str], lines: int | None) -> bool:
    """Run the program, and kill it after it has printed so many lines; whether it ended itself."""
    command = [sys.executable, "-m", "tests.xftp.transfer", *arguments]
    run = partial(trio.run_process, command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    async with trio.open_nursery() as nursery:
        process = await nursery.start(run)
        printed = 0
        async for data in process.stdout:
            printed += data.count(b"\n")
            if lines is not None and printed >= lines:
                process.kill()
                break
        await process.stdout.aclose()
    if lines is None:
        assert process.returncode == 0
    succeeded: bool = process.returncode == 0
    return succeeded


async def run_until_done(random: Random, *arguments: object) -> None:
    for _ in range(MAX_KILLS):
        if await run_and_kill(list(map(str, arguments)), random.choice([1, 3, 5, 10, 20])):
            return
    await run_and_kill(list(map(str, arguments)), None)


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_a_transfer_survives_crashes(tmp_path: Path, number: int) -> None:
    random = Random(number)
    path, folder = tmp_path / "file", tmp_path / "received"
    size = random.choice([200_000, 900_000, 5_000_000])
    await trio.Path(path).write_bytes(filled(size, number))
    await trio.Path(folder).mkdir()
    description, state = tmp_path / "description", tmp_path / "sending"
    async with open_xftp_router() as router:
        await run_until_done(
            random, "send", router.address, path, tmp_path / "sending", description
        )
        state = tmp_path / "receiving"
        await run_until_done(random, "receive", folder, state, description)
    assert (folder / "file").read_bytes() == path.read_bytes()
    assert names_in(folder) == ["file"]
    assert names_in(tmp_path) == ["description", "file", "received", "receiving", "sending"]
