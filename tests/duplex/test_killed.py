"""Two programs that are killed again and again lose nothing, and get nothing twice."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import AsyncExitStack, closing
from functools import partial
from pathlib import Path
from random import Random

import pytest
import trio

from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.duplex.status import ConnectionState
from simplex_trio.router.server import open_router

from .killed_program import Notes

ROUNDS = int(os.environ.get("SIMPLEX_TRIO_CRASH_ROUNDS", "3"))

KILLS = 2

ROOT = Path(__file__).parent.parent.parent

ROLES = ("alice", "bob")


async def run(arguments: list[str], done: trio.Event, kill_after: int | None) -> bool:
    """Run a program until it has printed so many lines, and kill it; whether that was reached."""
    command = [sys.executable, "-m", "tests.duplex.killed_program", *arguments]
    start = partial(trio.run_process, command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(start)
        assert process.stdout is not None
        try:
            printed = b""
            async for data in process.stdout:
                printed += data
                if kill_after is not None and printed.count(b"\n") >= kill_after:
                    return True
                if b"done\n" in printed:
                    done.set()
            raise AssertionError("the program has ended by itself")
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.stdout.aclose()


async def live(random: Random, arguments: list[str], done: trio.Event) -> None:
    """Run a program in several lives, the last of which is not ended here."""
    for _ in range(KILLS):
        await run(arguments, done, random.choice([1, 2, 3, 5, 8, 13, 21, 34]))
    await run(arguments, done, None)


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_nothing_is_lost_and_nothing_comes_twice(tmp_path: Path, number: int) -> None:
    random = Random(number)
    use_pq, moves = number % 3 == 0, number % 3 < 2
    async with open_router() as router, open_router() as other:
        async with trio.open_nursery() as nursery:
            dones = []
            for role in ROLES:
                dones.append(done := trio.Event())
                options = " ".join(["pq"] * use_pq + ["moves"] * moves)
                routers = [str(router.address), str(other.address)]
                arguments = [role, str(tmp_path), options, *routers]
                nursery.start_soon(live, Random(random.random()), arguments, done)
            for done in dones:
                await done.wait()
            nursery.cancel_scope.cancel()
        config = DuplexConfig((router.address, other.address), pq=use_pq)
        async with AsyncExitStack() as stack:
            agents = [
                await stack.enter_async_context(
                    open_duplex_agent(tmp_path / f"{role}.db", config=config)
                )
                for role in ROLES
            ]
            for agent in agents:
                (connection_id,) = await agent.connections()
                status = await agent.status(connection_id)
                assert status.state is ConnectionState.READY
                while status.queued or status.rotations:
                    await trio.sleep(0.01)
                    status = await agent.status(connection_id)
                assert len(status.receives_from) == len(status.sends_to) == 1
    with (
        closing(Notes(tmp_path / "alice.notes")) as alice,
        closing(Notes(tmp_path / "bob.notes")) as bob,
    ):
        compare(alice, bob)


def compare(alice: Notes, bob: Notes) -> None:
    for sender, receiver in ((alice, bob), (bob, alice)):
        attempted = [body for (body,) in sender.rows("SELECT body FROM sent ORDER BY number")]
        stored = [body for (body,) in sender.rows("SELECT body FROM sent WHERE message_id > 0")]
        came = [body for (body,) in receiver.rows("SELECT body FROM received ORDER BY place")]
        assert set(stored) <= set(came)
        assert [body for body in attempted if body in came] == came
