"""A bot that crashes at any commit and any use of the network still sends and receives files."""

from __future__ import annotations

import math
import sqlite3
from functools import partial
from pathlib import Path
from random import Random

import pytest
import trio

from simplex_trio.agent.agent import open_smp_agent
from simplex_trio.chat.files import IncomingFile
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.messages.content import File
from simplex_trio.chat.messages.preferences import Preferences
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.opening import run_bot
from simplex_trio.chat.people import IncomingMessage
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig, ProxyUse
from simplex_trio.duplex.store.store import DuplexStore, MemoryDatabase
from simplex_trio.testing.in_memory.connector import simulated_connector
from simplex_trio.testing.in_memory.crashes import Crash, CrashingDatabase, RouterInSight

from .files import World, open_world

Clock = trio.testing.MockClock

_NOW = 1_800_000_000
FILES = 3


def echo(*, saves: bool) -> Handlers:
    """Sends files back, which handlers wait for, or which are received without asking."""
    handlers = Handlers()

    async def send_back(file: IncomingFile) -> None:
        path = await file.save()
        content = await trio.Path(path).read_bytes()
        await file.contact.send_file(content, name=file.name)

    @handlers.on_message(content=File)
    async def take(message: IncomingMessage) -> None:
        if saves:
            assert message.file is not None
            await send_back(message.file)

    handlers.on_file(send_back)
    return handlers


async def live(
    world: World, disk: sqlite3.Connection, crash: Crash, random: Random, *, saves: bool
) -> None:
    """One life of the bot, until it crashes."""
    config = DuplexConfig(
        tuple(router.address for router in world.quiet.routers),
        pq=False,
        proxy=ProxyUse.NEVER,
        clock=lambda: _NOW + trio.current_time(),
        files=world.files(crash, folder=world.place / "packets"),
    )
    routers = [RouterInSight(router, crash, random) for router in world.quiet.routers]
    connector = simulated_connector(routers, random, config.agent.client)
    settings = Settings(
        Profile("Echo", preferences=Preferences()),
        None,
        True,
        config.clock,
        config.random_bytes,
        str(world.place / "inbox"),
        0 if saves else 10**6,
    )
    database = CrashingDatabase(disk, crash)
    store = DuplexStore(database)
    try:
        with crash.scope:
            async with open_smp_agent(config.agent, connector=connector) as below:
                agent = DuplexAgent(config, store, below, None)
                async with trio.open_nursery() as nursery:
                    await nursery.start(agent.run)
                    async with run_bot(
                        *(agent, settings, echo(saves=saves), config.presets),
                        address=True,
                        copies=world.place / "copies",
                    ) as bot:
                        _addresses.append(bot.address)
                        await trio.sleep_forever()
    except BaseException:
        if not crash.has_happened:
            raise
    finally:
        database.end()


_addresses: list[str] = []


async def lives(world: World, random: Random, calm: trio.Event, *, saves: bool) -> None:
    disk = MemoryDatabase().connection
    while True:
        at = None if calm.is_set() else int(math.exp(random.uniform(0, math.log(200))))
        await live(world, disk, Crash(at), random, saves=saves)
        await trio.sleep(random.choice([0, 1, 30]))


@pytest.mark.parametrize("seed", range(5))
async def test_each_file_comes_back_whenever_the_bot_crashes(
    autojump_clock: Clock, tmp_path: Path, seed: int
) -> None:
    random = Random(seed)
    calm = trio.Event()
    _addresses.clear()
    (tmp_path / "inbox").mkdir()
    contents = {f"file {number}": random.randbytes(100_000) for number in range(FILES)}
    async with open_world(tmp_path) as world, world.person("Alice") as alice:
        run = partial(lives, world, random, calm, saves=bool(seed % 2))
        world.quiet.nursery.start_soon(run)
        while not _addresses:  # noqa: ASYNC110 - the time is virtual
            await trio.sleep(0.1)
        contact = await alice.connect(_addresses[0])
        sent = []
        for name, content in contents.items():
            sent.append(await contact.send_file(content, name=name))
            await trio.sleep(random.choice([0, 5, 60]))
        with trio.fail_after(24 * 3600):
            for number, each in enumerate(sent):
                if number == FILES // 2:
                    await trio.sleep(300)
                    calm.set()
                assert await each.wait() is DeliveryState.DELIVERED
        await trio.sleep(3600)
        # A handler may have sent a file back, and then again since it did not know of that.
        found: dict[str, bytes] = {}
        while alice._told.statistics().current_buffer_used or alice._others:
            message = await alice.next(IncomingMessage)
            assert message.file is not None
            found[message.file.name] = await message.file.read()
        assert found == contents
        await trio.sleep(100)
        assert list((tmp_path / "copies").iterdir()) == []
        assert list((tmp_path / "packets").iterdir()) == []
