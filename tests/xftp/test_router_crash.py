"""A router that is killed in the middle of everything, and started again with what it has left."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from random import Random

import pytest
import trio

from simplex_trio.errors import SimplexError
from simplex_trio.wire.xftp.errors import XFTPCode
from simplex_trio.wire.xftp.packet_sizes import PACKET_SIZES
from simplex_trio.xftp.client import XFTPClient
from simplex_trio.xftp.router.server import open_xftp_router
from tests.scenarios.xftp import NewPacket, client_at, refused
from tests.xftp.routers import bodies, config

ROUNDS = int(os.environ.get("SIMPLEX_TRIO_CRASH_ROUNDS", "1"))

ROOT = Path(__file__).parent.parent.parent

CLIENTS = 4


class Life:
    """What clients were told about their packets before the router was killed."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.uploaded: list[NewPacket] = []
        self.deleted: list[NewPacket] = []
        self.commands = 0

    async def go_on(self, address: str) -> None:
        try:
            async with client_at(address) as client:
                while True:
                    await self.one_packet(client)
        except SimplexError:
            pass  # the router was killed

    async def one_packet(self, client: XFTPClient) -> None:
        packet = NewPacket(size=self.random.choice(PACKET_SIZES[:3]))
        await packet.register(client)
        self.commands += 1
        await packet.upload(client)
        self.commands += 1
        if self.random.random() < 0.5:
            self.uploaded.append(packet)
        else:
            await client.delete(packet.sender_key, packet.ids.sender_id)
            self.deleted.append(packet)
            self.commands += 1


async def live_until_killed(folder: Path, life: Life, commands: int) -> None:
    """Run the router in a process of its own, and kill it after it has done so many commands."""
    command = [sys.executable, "-m", "tests.xftp.serve", str(folder)]
    run = partial(trio.run_process, command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    async with trio.open_nursery() as nursery:
        process = await nursery.start(run)
        address = (await process.stdout.receive_some()).decode().strip()
        until = life.commands + commands
        for _ in range(CLIENTS):
            nursery.start_soon(life.go_on, address)
        while life.commands < until:  # noqa: ASYNC110
            await trio.sleep(0.001)
        await trio.sleep(life.random.random() * 0.02)
        process.kill()


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_what_was_answered_outlasts_a_crash(tmp_path: Path, number: int) -> None:
    life = Life(Random(number))
    for _ in range(3):
        await live_until_killed(tmp_path, life, life.random.choice([1, 5, 20]))
    async with (
        open_xftp_router(config(tmp_path)) as router,
        client_at(str(router.address)) as client,
    ):
        kept = bodies(tmp_path)
        assert router.statistics().bytes_stored == sum(path.stat().st_size for path in kept)
        assert all(len(path.name) == 32 for path in kept)  # and none that is not whole
        for packet in life.uploaded:
            assert await packet.download(client) == packet.body
        for packet in life.deleted:
            async with refused(XFTPCode.AUTH):
                await packet.download(client)
