"""The kit for tests of bots: people who make groups, and who are in them."""

from __future__ import annotations

import pytest
import trio
from attrs import evolve

from simplex_trio.chat.errors import NotAGroup
from simplex_trio.chat.group_changes import MemberLeft
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.group_requests import MemberRequest
from simplex_trio.chat.groups import Group, GroupInvitation, Member
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.groups.records import GroupStatus
from simplex_trio.chat.messages.formatting import parse_markdown
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.testing.people import NothingHappened
from simplex_trio.chat.testing.world import open_world

Clock = trio.testing.MockClock


def counting() -> Handlers:
    """A bot that joins groups, and counts."""
    handlers = Handlers()

    @handlers.groups.on_invited
    async def join(invitation: GroupInvitation) -> None:
        await invitation.accept()

    @handlers.groups.command
    async def count(message: GroupMessage) -> None:
        """How many are here."""
        await message.reply(f"{len(await message.group.members()) + 1} of us")

    return handlers


async def test_a_person_makes_a_group(autojump_clock: Clock) -> None:
    async with open_world() as world:
        bot = await world.bot(counting, profile="Counter")
        alice, bob = await world.person("Alice"), await world.person("Bob")
        to_bot = await alice.connect(bot.address)
        group = await alice.create_group("Team")
        assert (await alice.add(bot, group)).name == "Counter"
        assert (await alice.add(bob, group, role=Role.ADMIN)).role is Role.ADMIN
        # With whom a person talks does not change.
        assert alice.contact.id == to_bot.id
        assert len(await alice.program.bot.contacts()) == 2

        await bob.send("/count", to=group)
        for person in (alice, bob):
            if person is alice:
                assert (await person.next(GroupMessage)).text == "/count"
            answer = await person.next(GroupMessage)
            assert (answer.text, answer.member.name) == ("3 of us", "Counter")
        of_bob = await bob.group(group)
        assert of_bob.name == "Team"
        assert (await alice.group(of_bob)).id == group.id

        carol = await world.person("Carol")
        with pytest.raises(LookupError, match="Carol is not in the group"):
            await carol.send("hello", to=group)
        # Bob is an admin, so he can bring others in.
        await bob.add(carol, group)
        await alice.next(Member, lambda member: member.name == "Carol")
        await carol.send("hello", to=group)
        for person in (alice, bob):
            message = await person.next(GroupMessage)
            assert (message.text, message.member.name) == ("hello", "Carol")
        await (await carol.group(group)).leave()
        assert (await alice.next(MemberLeft)).member.name == "Carol"
        assert (await bob.next(MemberLeft)).member.name == "Carol"

        await bob.program.restart()
        await bob.send("here again", to=of_bob)
        assert (await alice.next(GroupMessage)).text == "here again"


async def test_a_bot_makes_a_group(autojump_clock: Clock) -> None:
    async with open_world() as world:
        bot = await world.bot(profile="Host")
        alice = await world.person("Alice")
        await alice.connect(bot.address)
        group = await bot.bot.create_group("Team")
        (to_alice,) = await bot.bot.contacts()
        await group.invite(to_alice)
        joined = await alice.accept_invitation()
        assert (joined.name, joined.status) == ("Team", GroupStatus.READY)
        await alice.send("hello", to=group)


async def test_groups_are_joined_by_their_links(autojump_clock: Clock) -> None:
    handlers = Handlers()

    @handlers.groups.on_member_request
    async def decide(request: MemberRequest) -> None:
        if request.name == "Alice":
            await request.approve()
        else:
            await request.reject("only Alice")

    async with open_world() as world:
        bot = await world.bot(handlers, profile="Host")
        group = await bot.bot.create_group("Team")
        link = await group.create_link(approval=True)
        alice, bob = await world.person("Alice"), await world.person("Bob")
        waiting = await alice.join(link)
        if waiting.status is not GroupStatus.READY:
            assert (await alice.next(Group)).status is GroupStatus.READY
        assert (await bob.join(link)).rejection == "only Alice"
        await alice.send("hello", to=group)
        with pytest.raises(NotAGroup):
            await alice.join(bot.address)


async def test_a_bot_that_does_not_join(autojump_clock: Clock) -> None:
    async with open_world() as world:
        bot = await world.bot(profile="Shy")
        alice = await world.person("Alice")
        group = await alice.create_group()
        with pytest.raises(NothingHappened, match="Shy has not joined in 60 seconds"):
            await alice.add(bot, group, within=60)
        with pytest.raises(NothingHappened, match="no GroupInvitation for Alice"):
            await alice.accept_invitation(within=60)


async def test_a_name_that_cannot_be_mentioned_is_shown_as_it_is(autojump_clock: Clock) -> None:
    async with open_world() as world:
        alice, bob = await world.person("Alice"), await world.person("Bob")
        member = await alice.add(bob, await alice.create_group())
        # As other programs may have it; ours do not take that.
        odd = Member(member.group, evolve(member._record, name="Bob' /obey"))
        assert [each.format for each in parse_markdown(odd.name)] != [None]
        assert [each.format for each in parse_markdown(odd.mention)] == [None]
