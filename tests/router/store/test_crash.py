"""A process that is killed while it writes loses nothing that it was told was durable."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import trio
from attrs import Factory, define

from simplex_trio.router.store.sqlite import open_sqlite_store
from tests.router.store.crash_writer import queue_of, size_of
from tests.router.store.support import Contents, body, contents, octets

ROUNDS = int(os.environ.get("SIMPLEX_TRIO_CRASH_ROUNDS", "3"))
_NUMBERS_OF_A_ROUND = 1_000_000


@define
class _Account:
    """What a process has said about its commits, over all rounds."""

    put: set[int] = Factory(set)
    has: set[int] = Factory(set)
    drop: set[int] = Factory(set)
    dropped: set[int] = Factory(set)

    def hear(self, output: bytes) -> None:
        for line in output.decode().splitlines():
            what, number = line.split()
            getattr(self, what).add(int(number))

    def check(self, found: Contents) -> None:
        stored = set(found.bodies)
        numbers = {number for number in stored if number % 2 == 0}
        assert stored == numbers | {number + 1 for number in numbers}, "half of a commit"
        assert numbers >= self.has - self.drop, "something acknowledged is lost"
        assert numbers <= self.put - self.dropped, "something is there that should not be"
        counted = {int(name.split()[1]) for name in found.statistics}
        assert self.has | numbers <= counted <= self.put
        for number in stored:
            assert found.bodies[number] == body(number, size_of(number))
        for owner, heads in found.messages.items():
            assert all(octets(f"recipient {queue_of(h.sequence)}") == owner for h in heads)
            assert heads == sorted(heads, key=lambda head: head.sequence)

    def settle(self, found: Contents) -> None:
        """Take what is there as known from now on: it must not come back or go away later."""
        self.has |= set(found.bodies) & self.put
        self.dropped |= self.drop - set(found.bodies)
        self.put &= self.has


async def _run_and_kill(path: Path, round_number: int, lines: int) -> bytes:
    """The output of a writer that is killed some time after its line of that number."""
    output = b""
    first = str(round_number * _NUMBERS_OF_A_ROUND)
    command = [sys.executable, "-m", "tests.router.store.crash_writer", str(path), first]
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(
            partial(trio.run_process, command, stdout=subprocess.PIPE, check=False)
        )
        assert process.stdout is not None
        async for chunk in process.stdout:
            output += chunk
            if output.count(b"\n") >= lines:
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    return output


async def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "router.db"
    account = _Account()
    chosen = random.Random("crash")
    for number in range(ROUNDS):
        output = await _run_and_kill(path, number, chosen.randrange(1, 1500))
        account.hear(output)
        async with open_sqlite_store(path) as store:
            found = await contents(store)
        account.check(found)
        account.settle(found)
    assert account.has
    assert account.dropped
