"""Invitations that came to nothing before the program had their links leave nothing behind."""

from __future__ import annotations

import math
from random import Random

import pytest
import trio
import trio.lowlevel
from attrs import define, field

from simplex_trio.chat.bot import Bot
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.addresses import AddressData
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.testing.programs import BotProgram
from simplex_trio.chat.testing.world import open_world
from simplex_trio.errors import SimplexError
from tests.client.support import cancelled_at_every_step
from tests.duplex.quiet import open_quiet

from .people import open_person, open_quiet_bot

Clock = trio.testing.MockClock


async def open_invitations(bot: Bot) -> dict[str, tuple[str, ...]]:
    """The links of each invitation, by the id of its connection; nothing else is there."""

    def look(store: Store) -> dict[str, tuple[str, ...]]:
        assert store.unfinished_invitations() == []
        return {each.connection_id: each.links for each in store.invitations()}

    found = await bot._core.step(look)
    assert set(await bot.agent.connections()) == set(found)
    return found


async def test_an_invitation_that_is_cancelled_is_taken_back(autojump_clock: Clock) -> None:
    async with open_quiet() as quiet, open_quiet_bot(quiet, "Bot", address=False) as bot:
        made: list[str] = []

        async def invite() -> None:
            made.append(await bot.invite())

        async def check(was_cut_short: bool) -> None:
            assert was_cut_short is not bool(made)
            await bot.agent.drain()
            found = await open_invitations(bot)
            assert len(found) == len(made)
            while made:
                ((_, links),) = found.items()
                assert len(links) == 2
                assert await bot.take_back(made.pop())

        assert await cancelled_at_every_step(invite, check) > 10


async def test_an_invitation_that_no_router_makes_is_taken_back(autojump_clock: Clock) -> None:
    async with open_quiet() as quiet, open_quiet_bot(quiet, "Bot", address=False) as bot:
        quiet.stop()
        with pytest.raises(SimplexError):
            await bot.invite()
        assert await open_invitations(bot) == {}
        await quiet.start()
        bot.agent.network_came_back()
        assert await bot.invite()


async def test_a_profile_that_changes_while_the_link_is_made(autojump_clock: Clock) -> None:
    links: list[str] = []
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Bot", address=False) as bot,
        open_person(quiet, "Alice") as alice,
    ):

        async def invite() -> None:
            links.append(await bot.invite())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(invite)
            while not await bot.agent.connections():
                await trio.lowlevel.checkpoint()
            await bot.set_profile(Profile("Robot"))
            assert links == []
        await bot.agent.drain()
        shown = AddressData.decode((await alice.bot.agent.look(links[0])).data or b"")
        assert shown.profile.display_name == "Robot"


# --- crashes ------------------------------------------------------------------------------------


@define(eq=False)
class Inviting:
    """A program that invites people whenever it runs."""

    links: list[str] = field(factory=list)

    async def run(self, bot: Bot) -> None:
        for _ in range(5):
            self.links.append(await bot.invite())


async def lives(program: BotProgram, random: Random) -> None:
    """Start it again and again, and let it crash."""
    for number in range(12):
        at = int(math.exp(random.uniform(0, math.log(300))))
        await program.start(crash_after=at, loses_power=number % 2 == 0)
        await trio.sleep(60)
        await program.crash(loses_power=number % 2 == 1)


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_is_left_of_invitations_whenever_the_bot_crashes(
    autojump_clock: Clock, seed: int
) -> None:
    inviting = Inviting()
    async with open_world(seed=seed) as world:
        program = await world.bot(main=inviting.run, start=False, address=False)
        await lives(program, Random(seed))
        given = len(inviting.links)
        assert given > 0
        await program.start()
        await trio.sleep(3600)
        await program.bot.agent.drain()
        found = await open_invitations(program.bot)
        links = [link for each in found.values() for link in each]
        assert all(len(each) == 2 for each in found.values())
        assert set(inviting.links) <= set(links)
        # One may have been stored in the moment before the program had it.
        assert len(found) <= len(inviting.links) + 12
        alice = await world.person("Alice")
        for link in (inviting.links[0], inviting.links[given - 1]):
            await alice.connect(link, within=3600)
        assert len(await program.bot.contacts()) == 2
