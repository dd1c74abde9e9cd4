"""A host that crashes at any commit and any use of the network goes on with its groups."""

from __future__ import annotations

from functools import partial
from random import Random

import pytest
import trio

from simplex_trio.chat.bot import Bot
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.group_requests import MemberRequest
from simplex_trio.chat.groups import Group
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.groups.records import GroupStatus, MemberStatus
from simplex_trio.chat.messages.group_profiles import (
    GroupPreference,
    GroupPreferences,
    GroupProfile,
    Switch,
)
from simplex_trio.chat.testing.people import Person
from simplex_trio.chat.testing.world import open_world

from .test_crashes import lives

Clock = trio.testing.MockClock

DAY = 24 * 3600
QUESTION = "What is 3+4?"
TEAM = GroupProfile("Team", group_preferences=GroupPreferences(history=GroupPreference(Switch.ON)))


class Host:
    """A program that makes one group, and asks those who come by its link."""

    def __init__(self) -> None:
        self.links: set[str] = set()

    def handlers(self) -> Handlers:
        handlers = Handlers()

        @handlers.groups.on_member_request
        async def captcha(request: MemberRequest) -> None:
            while (await request.ask(QUESTION)).text != "7":
                pass
            await request.approve()

        @handlers.groups.on_message()
        async def note(message: GroupMessage) -> None:
            await message.react("👍")

        return handlers

    async def run(self, bot: Bot) -> None:
        groups = await bot.groups()
        group = groups[0] if groups else await bot.create_group(TEAM)
        self.links.add(await group.create_link(approval=True))
        await trio.sleep_forever()


async def answer(person: Person) -> None:
    """Answer the question whenever it is asked."""
    while True:
        asked = await person.next(GroupMessage, lambda each: each.text == QUESTION, within=9 * DAY)
        await asked.answer("7")


async def of(person: Person) -> Group:
    """The group of a person, once it is a member."""
    with trio.fail_after(9 * DAY):
        while True:
            for each in await person.program.bot.groups():
                if each.status is GroupStatus.READY:
                    return each
            await trio.sleep(1)


@pytest.mark.parametrize("seed", range(5))
async def test_people_come_in_and_hear_each_other_whenever_the_host_crashes(
    autojump_clock: Clock, seed: int
) -> None:
    random = Random(seed)
    loses_power = seed % 3 == 0
    calm, host = trio.Event(), Host()
    async with open_world(seed=seed) as world, trio.open_nursery() as nursery:
        bot = await world.bot(host.handlers, main=host.run, start=False)
        people = [await world.person(name) for name in ("Alice", "Bob")]
        nursery.start_soon(partial(lives, bot, random, calm, loses_power=loses_power))
        while not host.links:  # noqa: ASYNC110 - the time is virtual
            await trio.sleep(0.1)
        (link,) = host.links
        groups = []
        for person in people:
            await person.program.bot.join(link)
            async with trio.open_nursery() as asked:
                asked.start_soon(answer, person)
                groups.append(await of(person))
                asked.cancel_scope.cancel()
        for number in range(3):
            for group in groups:
                await group.send(f"message {number}")
                await trio.sleep(random.choice([0, 2, 20]))
        calm.set()
        await groups[0].send("last")
        await people[1].next(GroupMessage, lambda each: each.text == "last", within=9 * DAY)
        await trio.sleep(3600)
        assert host.links == {link}
        (group,) = await bot.bot.groups()
        members = {each.name: each.status for each in await group.members()}
        assert members == {"Alice": MemberStatus.PRESENT, "Bob": MemberStatus.PRESENT}
        assert await group.requests() == []
        for person, other in zip(people, ("Bob", "Alice"), strict=True):
            heard = [
                each.text
                for each in person.take_all()
                if isinstance(each, GroupMessage) and each.member.name == other
            ]
            expected = [f"message {number}" for number in range(3)]
            assert [each for each in heard if each in expected] == expected
        nursery.cancel_scope.cancel()
