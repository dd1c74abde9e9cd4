"""Groups of many members and a bot: whatever happens, each message reaches each member once."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
import trio

from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.testing.world import open_world
from simplex_trio.testing.network import Trouble

from .crowd import Actor, Crowd

Clock = trio.testing.MockClock

LONG = os.environ.get("SIMPLEX_TRIO_CROWDS") == "long"
"""Whether groups have as many members as in `nox -s crowds`."""


@asynccontextmanager
async def open_crowd(*names: str, connects: bool = True) -> AsyncIterator[Crowd]:
    async with open_world() as world:
        crowd = Crowd(world)
        for name in names:
            await crowd.add(name, connects=connects)
        await crowd.settle()
        for actor in list(crowd.actors.values())[1:]:
            await crowd.invite(actor)
        await crowd.settle()
        assert len(crowd.members) == len(names)
        yield crowd


async def test_a_blocked_member_is_gone_for_all_when_it_leaves(autojump_clock: Clock) -> None:
    async with open_crowd("Host", "Alice", "Bob", connects=False) as crowd:
        bob = crowd.actors["Bob"]
        await crowd.set_blocked(bob, blocked=True)
        await crowd.say(bob)
        await crowd.leave(bob)
        await crowd.settle()


@pytest.mark.parametrize("connects", [False, True])
async def test_who_comes_back_hears_what_was_said_before_others_left(
    autojump_clock: Clock, connects: bool
) -> None:
    async with open_crowd("Host", "Alice", "Bob", connects=connects) as crowd:
        alice, bob = crowd.actors["Alice"], crowd.actors["Bob"]
        crowd.go_offline(bob)
        for _ in range(3):
            await crowd.say(alice)
        await crowd.leave(alice)
        await trio.sleep(60)
        await crowd.say(bob)
        await crowd.settle()


async def test_who_comes_back_to_a_deleted_group_learns_so(autojump_clock: Clock) -> None:
    async with open_crowd("Host", "Alice", "Bob", connects=False) as crowd:
        alice = crowd.actors["Alice"]
        crowd.go_offline(alice)
        await crowd.say(crowd.host)
        group = await alice.group()
        await (await crowd.host.group()).delete()
        await trio.sleep(60)
        await group.send("too late")
        alice.program.restore_network()
        await crowd.world.advance(3600)
        assert [text for _, text in alice.seen] == ["Host 1"]
        assert [type(each).__name__ for each in alice.told if "Ended" in type(each).__name__] == [
            "GroupEnded"
        ]


@pytest.mark.parametrize("hosts", [True, False])
async def test_a_bot_among_many(autojump_clock: Clock, hosts: bool) -> None:
    """The bot is the host of a group, or a member; it crashes and starts again all the time."""
    size, rounds, flood = (50, 4, 20) if LONG else (5, 2, 8)
    random = Random(size)
    names = [f"Member{number}" for number in range(1, size)]
    names.insert(0 if hosts else 1, "Bot")
    async with open_crowd(*names, connects=False) as crowd:
        bot = crowd.actors["Bot"]
        others = [each for each in crowd.members if each not in (bot, crowd.host)]
        for number in range(rounds):
            for actor in random.sample(others, size // 4):
                crowd.go_offline(actor)
            for _ in range(2):
                for actor in random.sample(crowd.members, size // 3):
                    await crowd.say(actor)
                await crowd.crash(bot, loses_power=number % 2 == 1)
            # A flood, in which the bot is stopped and started.
            flooding = random.choice(others)
            for place in range(flood):
                await crowd.say(flooding)
                if place == flood // 2:
                    await bot.program.restart()
            leaving, removed = random.sample([each for each in others if each.group_id], 2)
            await crowd.leave(leaving)
            await crowd.remove(removed)
            for actor in random.sample(crowd.members, size // 3):
                await crowd.say(actor)
            await crowd.settle()
            for actor in (leaving, removed):
                await crowd.invite(actor, random.choice([Role.MEMBER, Role.ADMIN]))
            await crowd.settle()
        assert crowd.messages > rounds * flood


async def test_nothing_is_lost_while_two_are_being_connected(autojump_clock: Clock) -> None:
    """One of them may know already that they are connected, and the other one not yet."""
    async with open_crowd("Host", "Alice") as crowd:
        crowd.world.trouble = Trouble(delay=0.3)
        for actor in crowd.actors.values():
            actor.program.interrupt_network()
            actor.program.restore_network()
        alice, bob = crowd.actors["Alice"], await crowd.add("Bob")
        await crowd.settle()
        await crowd.invite(bob)

        async def is_connected(one: Actor, other: Actor) -> bool:
            if one.group_id is None:
                return False
            members = await (await one.group()).members()
            return any(each.name == other.name and each.is_connected for each in members)

        with trio.fail_after(600):
            while not (await is_connected(bob, alice) or await is_connected(alice, bob)):  # noqa: ASYNC110 - virtual time
                await trio.sleep(0.01)
        late = bob if await is_connected(alice, bob) else alice
        crowd.go_offline(late)
        bob.is_settled = True
        for _ in range(2):
            await crowd.say(alice)
            await crowd.say(bob)
        await trio.sleep(60)
        await crowd.settle()
