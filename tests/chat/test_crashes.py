"""A bot that crashes at any commit and any use of the network loses nothing, and goes on."""

from __future__ import annotations

import math
from functools import partial
from random import Random

import pytest
import trio

from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.people import IncomingMessage
from simplex_trio.chat.testing.programs import BotProgram
from simplex_trio.chat.testing.world import open_world

Clock = trio.testing.MockClock

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


async def lives(bot: BotProgram, random: Random, calm: trio.Event, *, loses_power: bool) -> None:
    """Start the bot again and again, and let it crash."""
    addresses: set[str] = set()
    while True:
        at = None if calm.is_set() else int(math.exp(random.uniform(0, math.log(150))))
        await bot.start(crash_after=at, loses_power=loses_power)
        if bot.is_running:
            addresses.add(bot.address)
            assert len(addresses) == 1
        await bot.wait_ended()
        await trio.sleep(random.choice([0, 1, 30]))


@pytest.mark.parametrize("seed", range(12))
async def test_each_message_is_answered_whenever_the_bot_crashes(
    autojump_clock: Clock, seed: int
) -> None:
    random = Random(seed)
    loses_power = seed % 3 == 0
    calm = trio.Event()
    async with open_world(seed=seed) as world, trio.open_nursery() as nursery:
        bot = await world.bot(echo, welcome="welcome", start=False)
        alice = await world.person("Alice")
        nursery.start_soon(partial(lives, bot, random, calm, loses_power=loses_power))
        while not bot.address:  # noqa: ASYNC110 - the time is virtual
            await trio.sleep(0.1)
        await alice.connect(bot.address, within=24 * 3600)
        sent = []
        for number in range(MESSAGES):
            sent.append(await alice.send(f"message {number}"))
            await trio.sleep(random.choice([0, 2, 20]))
        sent.append(await alice.send("/order"))
        sent.append(await alice.send("tea"))
        with trio.fail_after(24 * 3600):
            for number, each in enumerate(sent):
                if number == MESSAGES // 2:
                    calm.set()
                assert await each.wait() is DeliveryState.DELIVERED
        await trio.sleep(3600)
        heard = [each.text for each in alice.take_all() if isinstance(each, IncomingMessage)]
        assert heard.count("welcome") == 1
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
        assert len(await alice.program.bot.contacts()) == 1
        nursery.cancel_scope.cancel()
