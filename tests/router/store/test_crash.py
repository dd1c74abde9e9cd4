"""A process that is killed while it writes loses nothing that it was told was durable.

Nor does one whose database is killed, or whose connection to it is cut.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio
from attrs import Factory, define

from simplex_trio.router.store.opening import open_store
from simplex_trio.storage.postgres.url import DatabaseURL
from tests.postgres import QUICK, local_server, new_place
from tests.router.store.crash_writer import queue_of, size_of
from tests.router.store.support import Contents, body, contents, octets
from tests.storage.postgres.unreliable import Cut, unreliable_way

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


@asynccontextmanager
async def _writer(place: str, round_number: int) -> AsyncIterator[_Writer]:
    """A process that writes, which is killed at the end of the block."""
    first = str(round_number * _NUMBERS_OF_A_ROUND)
    command = [sys.executable, "-m", "tests.router.store.crash_writer", place, first]
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(
            partial(trio.run_process, command, stdout=subprocess.PIPE, check=False)
        )
        writer = _Writer(process)
        try:
            yield writer
        finally:
            process.kill()
        await writer.hear_all()
    assert process.returncode == -signal.SIGKILL


class _Writer:
    """The process, and what it has said."""

    def __init__(self, process: trio.Process) -> None:
        self.output = b""
        self._process = process

    async def hear(self, lines: int) -> None:
        """Hear so many lines more."""
        lines += self.output.count(b"\n")
        while self.output.count(b"\n") < lines:
            assert self._process.stdout is not None
            chunk = await self._process.stdout.receive_some()
            assert chunk, "the writer has ended"
            self.output += chunk

    async def hear_all(self) -> None:
        assert self._process.stdout is not None
        async for chunk in self._process.stdout:
            self.output += chunk


@define
class _Rounds:
    """Rounds of writing, after each of which everything is checked."""

    place: str
    account: _Account = Factory(_Account)
    chosen: random.Random = Factory(lambda: random.Random("crash"))

    async def check(self, writer: _Writer) -> None:
        self.account.hear(writer.output)
        is_url = DatabaseURL.is_one(self.place)
        place = DatabaseURL.parse(self.place) if is_url else Path(self.place)
        async with open_store(place) as store:
            found = await contents(store)
        self.account.check(found)
        self.account.settle(found)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store is that does not exist yet."""
    if request.param == "sqlite":
        return str(tmp_path / "router.db")
    return new_place(request.getfixturevalue("postgres"))


async def test_a_killed_process_loses_nothing(place: str) -> None:
    rounds = _Rounds(place)
    for number in range(ROUNDS):
        async with _writer(place, number) as writer:
            await writer.hear(rounds.chosen.randrange(1, 1500))
        await rounds.check(writer)
    assert rounds.account.has
    assert rounds.account.dropped


async def test_a_killed_database_loses_nothing() -> None:
    with local_server(*QUICK) as server:
        rounds = _Rounds(new_place(server.url))
        for number in range(ROUNDS):
            async with _writer(rounds.place, number) as writer:
                await writer.hear(rounds.chosen.randrange(200, 1000))
                server.kill()
                if number % 2:  # while the process lives, and goes on
                    await trio.to_thread.run_sync(server.start)
                    await writer.hear(200)
            if not number % 2:  # both are gone
                server.start()
            await rounds.check(writer)
        assert rounds.account.has
        assert rounds.account.dropped


async def test_connections_that_are_cut_during_commits_lose_nothing(postgres: str) -> None:
    rounds = _Rounds(new_place(postgres))
    with TemporaryDirectory(prefix="way-") as folder:
        async with unreliable_way(DatabaseURL.parse(rounds.place), Path(folder)) as way:
            place = f"{way.url.libpq}&schema={way.url.schema}"
            for number in range(ROUNDS):
                async with _writer(place, number) as writer:
                    for cut in (Cut.BEFORE, Cut.AFTER, Cut.AFTER, Cut.BEFORE):
                        await writer.hear(rounds.chosen.randrange(100, 400))
                        way.cut = cut
                    way.cut = None
                await rounds.check(writer)
    assert rounds.account.has
    assert rounds.account.dropped
