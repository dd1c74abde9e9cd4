"""A bot that crashes at any commit and any use of the network joins a channel, and hears it all."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from random import Random

import pytest
import trio
from attrs import evolve

from simplex_trio.chat.bot import Bot
from simplex_trio.chat.group_changes import GroupChanged, GroupEnded
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group
from simplex_trio.chat.machine.groups.records import GroupStatus
from simplex_trio.chat.messages.bodies import Received, encode_batch
from simplex_trio.chat.messages.group_events import XGrpDel, XGrpInfo
from simplex_trio.chat.testing.programs import BotProgram
from simplex_trio.duplex.config import DuplexConfig, ProxyUse
from simplex_trio.errors import SimplexError
from simplex_trio.testing.in_memory.place import Place

from .channels import TIME, Stage, open_stage
from .hosted import group_handlers
from .test_channels import history

Clock = trio.testing.MockClock

POSTS = 4


def program(stage: Stage, folder: Path, seed: int) -> tuple[BotProgram, list[object]]:
    """A bot that joins the channel in each of its lives, and what it has heard in all of them."""
    heard: list[object] = []
    quiet = stage.quiet
    place = Place(
        *(quiet.nursery, quiet.network, quiet.routers, [], folder, seed),
        lambda: TIME + trio.current_time(),
    )

    async def join(bot: Bot) -> None:
        while True:
            try:
                await bot.join(stage.channel.link)
            except SimplexError:
                await trio.sleep(10)
            else:
                return

    handlers, told = group_handlers()

    async def collect() -> None:
        async for each in told:
            heard.append(each)

    quiet.nursery.start_soon(collect)
    config = DuplexConfig(pq=False, proxy=ProxyUse.NEVER)
    options = {"profile": "Reader", "address": False}
    return BotProgram(place, "reader", handlers, config, join, options), heard


async def lives(bot: BotProgram, random: Random, calm: trio.Event, *, loses_power: bool) -> None:
    """Start the bot again and again, and let it crash."""
    while True:
        at = None if calm.is_set() else int(math.exp(random.uniform(0, math.log(100))))
        await bot.start(crash_after=at, loses_power=loses_power)
        await bot.wait_ended()
        await trio.sleep(random.choice([0, 1, 30]))


@pytest.mark.parametrize("seed", range(6))
async def test_a_channel_is_read_whenever_the_bot_crashes(
    autojump_clock: Clock, tmp_path: Path, seed: int
) -> None:
    random = Random(seed)
    calm = trio.Event()
    async with open_stage(2) as stage, trio.open_nursery() as nursery:
        bot, heard = program(stage, tmp_path, seed)
        nursery.start_soon(partial(lives, bot, random, calm, loses_power=seed % 3 == 0))
        for each in stage.relays:
            await each.until(lambda each=each: bool(each.subscribers))  # type: ignore[misc]
        channel = stage.channel
        old = encode_batch([Received(history(channel.post("before")))])
        renamed = channel.signed(XGrpInfo(evolve(channel.profile, display_name="renamed")))
        posts = [channel.post(f"post {number}") for number in range(POSTS)]
        for relay in stage.relays:
            await relay.sends(old)
        for number, post in enumerate([*posts, renamed]):
            if number == POSTS // 2:
                calm.set()
            for relay in random.sample(stage.relays, 2):
                await relay.passes_on(post)
                await trio.sleep(random.choice([0, 1, 20]))
        await trio.sleep(3600)
        messages = [each for each in heard if isinstance(each, GroupMessage)]
        assert any(each.text == "before" and each.is_history for each in messages)
        texts = [each.text for each in messages if not each.is_history]
        for number in range(POSTS):
            same = [each for each in messages if each.text == f"post {number}"]
            # Again only if a crash has come between its handler and its end.
            assert [each.is_repeated for each in same[:1]] in ([False], [True])
            assert sum(not each.is_repeated for each in same) <= 1 or seed % 3 == 0
        assert [texts.index(f"post {number}") for number in range(POSTS)] == sorted(
            texts.index(f"post {number}") for number in range(POSTS)
        )
        assert any(isinstance(each, GroupChanged) for each in heard)
        assert any(isinstance(each, Group) for each in heard)
        [group] = await bot.bot.groups()
        assert (group.status, group.name) == (GroupStatus.READY, "renamed")
        assert sorted(each.name for each in await group.relays()) == ["relay0", "relay1"]
        assert all(len(each.subscribers) == 1 for each in stage.relays)
        assert len(await bot.bot.agent.connections()) == 2

        await stage.relays[0].passes_on(channel.signed(XGrpDel()))
        await trio.sleep(60)
        assert any(isinstance(each, GroupEnded) for each in heard)
        assert await bot.bot.agent.connections() == []
        nursery.cancel_scope.cancel()
