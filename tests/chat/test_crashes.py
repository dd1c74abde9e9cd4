"""A bot that crashes at any commit and any use of the network loses nothing, and goes on."""

from __future__ import annotations

import math
import sqlite3
from functools import partial
from random import Random

import pytest
import trio

from simplex_trio.agent.agent import open_smp_agent
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.opening import run_bot
from simplex_trio.chat.people import IncomingMessage
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig, ProxyUse
from simplex_trio.duplex.store.store import DuplexStore, MemoryDatabase
from simplex_trio.testing.in_memory.connector import simulated_connector
from simplex_trio.testing.in_memory.crashes import Crash, CrashingDatabase, RouterInSight
from tests.duplex.quiet import Quiet, open_quiet

from .people import open_person

Clock = trio.testing.MockClock

_NOW = 1_800_000_000
MESSAGES = 4


def echo() -> Handlers:
    handlers = Handlers()

    @handlers.command
    async def order(message: IncomingMessage) -> None:
        """Asks back."""
        answer = await message.ask("what?")
        await answer.answer(f"ordered {answer.text}")

    @handlers.on_message()
    async def answer(message: IncomingMessage) -> None:
        await message.reply(f"{message.text}{' again' if message.is_repeated else ''}")

    return handlers


async def live(quiet: Quiet, disk: sqlite3.Connection, crash: Crash, random: Random) -> None:
    """One life of the bot, until it crashes."""
    config = DuplexConfig(
        tuple(router.address for router in quiet.routers),
        pq=False,
        proxy=ProxyUse.NEVER,
        clock=lambda: _NOW + trio.current_time(),
    )
    routers = [RouterInSight(router, crash, random) for router in quiet.routers]
    connector = simulated_connector(routers, random, config.agent.client)
    settings = Settings(Profile("Echo"), Text("welcome"), True, config.clock, config.random_bytes)
    database = CrashingDatabase(disk, crash)
    store = DuplexStore(database)
    try:
        with crash.scope:
            async with open_smp_agent(config.agent, connector=connector) as below:
                agent = DuplexAgent(config, store, below, None)
                async with trio.open_nursery() as nursery:
                    await nursery.start(agent.run)
                    async with run_bot(
                        agent, settings, echo(), config.presets, address=True
                    ) as bot:
                        _addresses.append(bot.address)
                        await trio.sleep_forever()
    except BaseException:
        if not crash.has_happened:
            raise
    finally:
        database.end()


_addresses: list[str] = []


async def lives(quiet: Quiet, random: Random, calm: trio.Event, *, loses_power: bool) -> None:
    disk = MemoryDatabase().connection
    while True:
        at = None if calm.is_set() else int(math.exp(random.uniform(0, math.log(150))))
        await live(quiet, disk, Crash(at, loses_power=loses_power), random)
        await trio.sleep(random.choice([0, 1, 30]))


@pytest.mark.parametrize("seed", range(12))
async def test_each_message_is_answered_whenever_the_bot_crashes(
    autojump_clock: Clock, seed: int
) -> None:
    random = Random(seed)
    loses_power = seed % 3 == 0
    calm = trio.Event()
    _addresses.clear()
    async with open_quiet() as quiet, open_person(quiet, "Alice") as alice:
        quiet.nursery.start_soon(partial(lives, quiet, random, calm, loses_power=loses_power))
        while not _addresses:  # noqa: ASYNC110 - the time is virtual
            await trio.sleep(0.1)
        contact = await alice.connect(_addresses[0])
        sent = []
        for number in range(MESSAGES):
            sent.append(await contact.send(f"message {number}"))
            await trio.sleep(random.choice([0, 2, 20]))
        sent.append(await contact.send("/order"))
        sent.append(await contact.send("tea"))
        with trio.fail_after(24 * 3600):
            for number, each in enumerate(sent):
                if number == MESSAGES // 2:
                    calm.set()
                assert await each.wait() is DeliveryState.DELIVERED
        await trio.sleep(3600)
        heard: list[str] = []
        while alice._told.statistics().current_buffer_used or alice._others:
            heard.append((await alice.next(IncomingMessage)).text)
        assert heard.count("welcome") == 1
        assert len(set(_addresses)) == 1
        places = []
        for number in range(MESSAGES):
            text = f"message {number}"
            assert text in heard or f"{text} again" in heard
            # What a repetition is known by need not survive a loss of power.
            assert heard.count(text) <= 1 or loses_power
            places.append(min(heard.index(each) for each in heard if each.startswith(text)))
        assert places == sorted(places)
        # A crash while it waited for the answer makes it an ordinary message.
        assert "ordered tea" in heard or {"tea", "tea again"} & set(heard)
        assert "what?" in heard
        assert len(await alice.bot.contacts()) == 1
