"""A router, or its database, is killed in the middle of everything; nothing answered is lost."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from random import Random

import pytest
import trio

from simplex_trio.errors import SimplexError
from simplex_trio.wire.xftp.errors import XFTPCode
from simplex_trio.wire.xftp.packet_sizes import PACKET_SIZES
from simplex_trio.xftp.client import XFTPClient
from simplex_trio.xftp.router.config import XFTPRouterConfig
from simplex_trio.xftp.router.server import open_xftp_router
from tests.postgres import QUICK, local_server, new_place
from tests.scenarios.xftp import NewPacket, client_at, refused
from tests.serving.credential_files import write_router
from tests.xftp.routers import bodies

ROUNDS = int(os.environ.get("SIMPLEX_TRIO_CRASH_ROUNDS", "1"))

ROOT = Path(__file__).parent.parent.parent

CLIENTS = 4

CONFIG = """
hosts = ["127.0.0.1"]
listen = "127.0.0.1"
ports = [{port}]
credentials = "."
store = "files"
{records}
"""


class Life:
    """What clients were told about their packets, whatever happened to the router."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.uploaded: list[NewPacket] = []
        self.deleted: list[NewPacket] = []
        self.commands = 0
        self._wanted = 0
        self._reached = trio.Event()

    async def go_on(self, address: str) -> None:
        """Send packets, until it is cancelled."""
        while True:
            try:
                async with client_at(address) as client:
                    while True:
                        await self.one_packet(client)
            except SimplexError:
                await trio.sleep(0.01)  # the router was killed, or has lost its database

    async def one_packet(self, client: XFTPClient) -> None:
        packet = NewPacket(size=self.random.choice(PACKET_SIZES[:3]))
        await packet.register(client)
        self._count()
        await packet.upload(client)
        self._count()
        if self.random.random() < 0.5:
            self.uploaded.append(packet)
        else:
            await client.delete(packet.sender_key, packet.ids.sender_id)
            self.deleted.append(packet)
            self._count()

    def _count(self) -> None:
        self.commands += 1
        if self.commands >= self._wanted:
            self._reached.set()

    async def do(self, commands: int) -> None:
        """Return when so many commands more have been answered, or a moment later."""
        self._wanted = self.commands + commands
        self._reached = trio.Event()
        await self._reached.wait()
        await trio.sleep(self.random.random() * 0.02)


class RouterProcess:
    """A router in a process of its own."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self._said = b""

    async def says(self, beginning: str) -> str:
        """The rest of the next line that begins so."""
        assert self._process.stdout is not None
        while True:
            line, end, rest = self._said.partition(b"\n")
            if end:
                self._said = rest
                if line.startswith(beginning.encode()):
                    return line.decode().removeprefix(beginning).strip()
                continue
            more = await self._process.stdout.receive_some()
            assert more, "the router has ended"
            self._said += more

    def kill(self) -> None:
        self._process.kill()


@asynccontextmanager
async def running(config: Path) -> AsyncIterator[RouterProcess]:
    """A router that is killed at the end of the block, if it was not before."""
    command = [sys.executable, "-m", "tests.xftp.serve", str(config)]
    run = partial(trio.run_process, command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    async with trio.open_nursery() as nursery:
        process = await nursery.start(run)
        try:
            yield RouterProcess(process)
        finally:
            process.kill()


@asynccontextmanager
async def clients(life: Life, address: str) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        for _ in range(CLIENTS):
            nursery.start_soon(life.go_on, address)
        yield
        nursery.cancel_scope.cancel()


def written(folder: Path, records: str | None, *, port: int = 0) -> Path:
    """The configuration of a router, in its folder."""
    write_router(folder)
    path = folder / "router.toml"
    records = "" if records is None else f'records = "{records}"'
    path.write_text(CONFIG.format(port=port, records=records))
    return path


async def check(config: Path, life: Life) -> None:
    """Everything that was answered is so."""
    async with (
        open_xftp_router(XFTPRouterConfig.load(config)) as router,
        client_at(str(router.address)) as client,
    ):
        kept = bodies(config.parent / "files")
        assert router.statistics().bytes_stored == sum(path.stat().st_size for path in kept)
        assert all(len(path.name) == 32 for path in kept)  # and none that is not whole
        for packet in life.uploaded:
            assert await packet.download(client) == packet.body
        for packet in life.deleted:
            async with refused(XFTPCode.AUTH):
                await packet.download(client)


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_what_was_answered_outlasts_a_crash(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str, number: int
) -> None:
    records = None
    if kind == "postgres":
        records = new_place(request.getfixturevalue("postgres"))
    config, life = written(tmp_path, records), Life(Random(number))
    for _ in range(2):
        async with running(config) as router, clients(life, await router.says("at")):
            await life.do(life.random.choice([1, 5, 20]))
            router.kill()
    await check(config, life)


async def test_what_was_answered_outlasts_a_crash_of_the_database(tmp_path: Path) -> None:
    """With the router, or while the router lives and goes on."""
    with local_server(*QUICK) as server:
        config, life = written(tmp_path, new_place(server.url)), Life(Random("database"))
        for number in range(ROUNDS + 1):
            async with running(config) as router, clients(life, await router.says("at")):
                await life.do(life.random.choice([1, 5, 20]))
                server.kill()
                if number % 2:
                    router.kill()
                await trio.to_thread.run_sync(server.start)
                if not number % 2:
                    await life.do(20)
            await check(config, life)


def a_free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_a_standby_goes_on_where_a_crash_has_ended_the_first(
    tmp_path: Path, postgres: str, number: int
) -> None:
    """At the same address, with the same database and folder."""
    config = written(tmp_path, new_place(postgres), port=a_free_port())
    standby = tmp_path / "standby.toml"
    standby.write_text(f"standby = true\n{config.read_text()}")
    life = Life(Random(number))
    async with running(config) as first:
        address = await first.says("at")
        async with running(standby) as second, clients(life, address):
            await second.says("standing by: another process has the store open")
            await life.do(life.random.choice([1, 5, 20]))
            first.kill()
            assert await second.says("at") == address
            await life.do(20)
    await check(config, life)
