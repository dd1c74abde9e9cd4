"""What a member learns of others: who comes and goes, what they may do, and what the group is."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from attrs import evolve

from simplex_trio.chat.errors import MemberGone, NotAllowed, UnknownGroup
from simplex_trio.chat.group_changes import (
    GroupChanged,
    GroupEnded,
    MemberBlocked,
    MemberContactRequest,
    MemberLeft,
    MemberProfileChanged,
    RoleChanged,
)
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group, Member
from simplex_trio.chat.machine.groups.records import GroupStatus
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.events import XInfo, XMsgNew
from simplex_trio.chat.messages.group_events import (
    MemberInfo,
    MemberRestrictions,
    Restriction,
    XGrpDel,
    XGrpInfo,
    XGrpLeave,
    XGrpMemDel,
    XGrpMemIntro,
    XGrpMemNew,
    XGrpMemRestrict,
    XGrpMemRole,
    XGrpPrefs,
)
from simplex_trio.chat.messages.group_profiles import (
    GroupPreference,
    GroupPreferences,
    Role,
    Switch,
)
from simplex_trio.chat.messages.message import ChatMessage, XGrpMsgForward
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.people import Contact, IncomingMessage, timestamp

from .hosted import open_hosted, present, say_in_group
from .people import Person

Clock = trio.testing.MockClock

NOTHING: tuple[type[Any], ...] = (
    GroupChanged,
    GroupEnded,
    Member,
    MemberBlocked,
    MemberLeft,
    MemberProfileChanged,
    RoleChanged,
)


def told(person: Person) -> list[object]:
    """What a person was told of a group beside messages."""
    return [each for each in person.heard() if isinstance(each, NOTHING)]


async def member_id(group: Group, name: str) -> bytes:
    return (await present(group, name)).id


async def test_members_who_come_and_go(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob", "Carol") as hosted:
        alice, bob, carol = hosted.people
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        assert [each.name for each in await of_alice.members()] == ["Host"]
        of_bob = await hosted.bring_in(group, 1)
        joined = await alice.next(Member)
        assert (joined.name, joined.role) == ("Bob", Role.MEMBER)
        await hosted.bring_in(group, 2)
        assert (await alice.next(Member)).name == (await bob.next(Member)).name == "Carol"
        assert {each.name for each in await of_bob.members()} == {"Host", "Alice", "Carol"}

        await of_bob.leave()
        assert of_bob.status is GroupStatus.LEFT
        for each in (hosted.host, alice, carol):
            left = await each.next(MemberLeft)
            assert (left.member.name, left.by) == ("Bob", None)
        with pytest.raises(NotAllowed):
            await of_bob.send("too late")
        await of_bob.leave()
        await of_bob.forget()
        await of_bob.forget()
        with pytest.raises(UnknownGroup):
            await of_bob.send("too late")
        assert await bob.bot.groups() == []
        with pytest.raises(NotAllowed, match="leave"):
            await of_alice.forget()

        carols = await member_id(group, "Carol")
        await say_in_group(hosted.host, group, XGrpMemDel(carols, messages=True))
        left = await alice.next(MemberLeft)
        assert left.by is not None
        assert (left.member.name, left.by.name, left.with_messages) == ("Carol", "Host", True)
        ended = await carol.next(GroupEnded)
        assert (ended.group.status, ended.by.name) == (GroupStatus.REMOVED, "Host")
        await trio.sleep(60)
        assert [each.name for each in await of_alice.members()] == ["Host"]
        # The connection with the host is gone, and nothing is told twice.
        assert len(await carol.bot.agent.connections()) == 1
        assert told(alice) == told(carol) == []


async def test_roles_and_blocks(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        alice, bob = hosted.people
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        await hosted.bring_in(group, 1)
        ids = {each.name: each.id for each in await group.members()}
        await alice.next(Member)

        moderator = XGrpMemRole(ids["Bob"], Role.MODERATOR)
        await say_in_group(hosted.host, group, moderator, moderator)
        changed = await alice.next(RoleChanged)
        assert changed.member is not None
        assert (changed.member.name, changed.role, changed.before, changed.by.name) == (
            *("Bob", Role.MODERATOR, Role.MEMBER),
            "Host",
        )
        changed = await bob.next(RoleChanged)
        assert (changed.member, changed.group.role) == (None, Role.MODERATOR)
        await say_in_group(hosted.host, group, XGrpMemRole(ids["Alice"], Role.OBSERVER), to="Alice")
        assert (await alice.next(RoleChanged)).role is Role.OBSERVER
        with pytest.raises(NotAllowed):
            await of_alice.send("no")

        blocked = MemberRestrictions(Restriction.BLOCKED)
        await say_in_group(hosted.host, group, XGrpMemRestrict(ids["Bob"], blocked), to="Alice")
        assert (await alice.next(MemberBlocked)).member.is_blocked
        await say_in_group(hosted.host, group, XGrpMemRestrict(ids["Bob"], blocked))
        free = MemberRestrictions(Restriction.UNRESTRICTED)
        await say_in_group(hosted.host, group, XGrpMemRestrict(ids["Bob"], free), to="Alice")
        assert not (await alice.next(MemberBlocked)).member.is_blocked
        await trio.sleep(60)
        assert told(alice) == told(bob) == []  # Bob is not told of himself


async def test_the_group_itself(autojump_clock: Clock) -> None:
    async with open_hosted("Alice") as hosted:
        (alice,) = hosted.people
        group = await hosted.host.bot.create_group("Team")
        await hosted.bring_in(group, 0)
        renamed = evolve(group.profile, display_name="Crew")
        await say_in_group(hosted.host, group, XGrpInfo(renamed), XGrpInfo(renamed))
        changed = await alice.next(GroupChanged)
        assert (changed.before.display_name, changed.group.name) == ("Team", "Crew")
        rules = GroupPreferences(voice=GroupPreference(Switch.OFF))
        await say_in_group(hosted.host, group, XGrpPrefs(rules))
        changed = await alice.next(GroupChanged)
        assert changed.group.profile.group_preferences == rules
        assert changed.by.name == "Host"

        before = hosted.host.bot.profile
        again = XInfo(evolve(before, short_descr="I host"))
        await say_in_group(hosted.host, group, again, again)
        profile = await alice.next(MemberProfileChanged)
        assert (profile.profile.short_descr, profile.before.short_descr) == ("I host", None)
        assert await profile.member.profile() == again.profile

        await say_in_group(hosted.host, group, XGrpDel())
        ended = await alice.next(GroupEnded)
        assert ended.group.status is GroupStatus.DELETED
        await trio.sleep(60)
        assert told(alice) == []
        (known,) = await alice.bot.groups()
        assert (known.status, await known.members()) == (GroupStatus.DELETED, [])
        await known.forget()
        assert await alice.bot.groups() == []


async def test_what_members_may_not_do_changes_nothing(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        alice, bob = hosted.people
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        of_bob = await hosted.bring_in(group, 1)
        ids = {each.name: each.id for each in await group.members()}
        host_id = await member_id(of_bob, "Host")
        await alice.next(Member)
        new = MemberInfo(b"x" * 16, Role.OWNER, Profile("Mallory"))
        blocked = MemberRestrictions(Restriction.BLOCKED)
        for role in (Role.MEMBER, Role.MODERATOR, Role.ADMIN):
            promoted = XGrpMemRole(ids["Bob"], role)
            if role is not Role.MEMBER:
                await say_in_group(hosted.host, group, promoted)
                assert (await alice.next(RoleChanged)).role is role
                # The host's own copy.
                await bob.next(RoleChanged)
            forbidden = [
                XGrpMemRole(host_id, Role.OBSERVER),
                XGrpMemRole(ids["Bob"], Role.OWNER),
                XGrpMemRole(b"unknown", Role.MEMBER),
                XGrpMemRestrict(host_id, blocked),
                XGrpMemDel(host_id),
                XGrpMemDel(b"unknown"),
                XGrpDel(),
                XGrpInfo(evolve(group.profile, display_name="Mine")),
                XGrpPrefs(GroupPreferences()),
                XGrpMemNew(new),
                XGrpMemIntro(new),
            ]
            await say_in_group(bob, of_bob, *forbidden)
        await trio.sleep(60)
        assert told(alice) == told(hosted.host) == []
        for each in (group, of_alice):
            (known,) = [one for one in await _groups(hosted.host, alice) if one.name == each.name][
                :1
            ]
            assert known.name == "Team"
        assert (await present(of_alice, "Host")).role is Role.OWNER


async def _groups(*people: Person) -> list[Group]:
    return [group for person in people for group in await person.bot.groups()]


@pytest.mark.parametrize("goes", ["leaves", "is removed", "everything ends", "bot leaves"])
async def test_a_question_to_a_member_that_is_gone_ends(autojump_clock: Clock, goes: str) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        alice, bob = hosted.people
        outcomes: list[str] = []

        @hosted.host.bot._handlers.groups.command
        async def order(message: GroupMessage) -> None:
            try:
                await message.ask("What?")
            except MemberGone:
                outcomes.append("gone")
                with pytest.raises(MemberGone):
                    await message.ask("Really?")

        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        of_bob = await hosted.bring_in(group, 1, Role.OWNER)
        await of_alice.send("/order")
        assert (await alice.next(GroupMessage)).text == "What?"
        match goes:
            case "leaves":
                await of_alice.leave()
            case "is removed":
                await say_in_group(bob, of_bob, XGrpMemDel(await member_id(group, "Alice")))
            case "everything ends":
                await say_in_group(bob, of_bob, XGrpDel())
            case _:
                await group.leave()
        await trio.sleep(60)
        assert outcomes == ["gone"]


async def test_an_answer_before_leaving_counts(autojump_clock: Clock) -> None:
    async with open_hosted("Alice") as hosted:
        (alice,) = hosted.people
        answers: list[str] = []

        @hosted.host.bot._handlers.groups.command
        async def order(message: GroupMessage) -> None:
            answers.append((await message.ask("What?")).text)

        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        await of_alice.send("/order")
        await alice.next(GroupMessage)
        await say_in_group(alice, of_alice, XMsgNew(Text("tea")), XGrpLeave())
        assert (await hosted.host.next(MemberLeft)).member.name == "Alice"
        assert answers == ["tea"]


async def test_messages_from_before_are_no_commands(autojump_clock: Clock) -> None:
    async with open_hosted("Alice") as hosted:
        (alice,) = hosted.people
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        host_id = (await present(of_alice, "Host")).id
        now = int(hosted.host.bot._core.settings.clock())
        settings = hosted.host.bot._core.settings
        for text, age in (("/old", 3600), ("/new", 0)):
            said = ChatMessage(XMsgNew(Text(text)), settings.new_message_id())
            forward = XGrpMsgForward(said, timestamp(now - age), b"A" * 16, "Anna")
            await say_in_group(hosted.host, group, forward)
        assert host_id != b"A" * 16
        commands: list[str] = []

        @alice.bot._handlers.groups.command
        async def old(message: GroupMessage) -> None:
            commands.append(message.text)

        @alice.bot._handlers.groups.command
        async def new(message: GroupMessage) -> None:
            commands.append(message.text)

        await trio.sleep(60)
        assert commands == ["/new"]
        (history,) = [each for each in alice.heard() if isinstance(each, GroupMessage)]
        assert (history.text, history.is_history, history.member.name) == ("/old", True, "Anna")
        assert [each.name for each in await of_alice.members()] == ["Host"]


async def test_members_become_contacts(autojump_clock: Clock) -> None:
    allowed = GroupPreferences(direct_messages=GroupPreference(Switch.ON))
    async with open_hosted("Alice", "Bob", connects=True) as hosted:
        alice, bob = hosted.people
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        of_bob = await hosted.bring_in(group, 1)
        with pytest.raises(NotAllowed):
            await (await present(of_alice, "Bob")).ask_contact()
        await group.set_preferences(allowed)
        for each in (alice, bob):
            await each.next(GroupChanged)
        bobs = await present(of_alice, "Bob")
        asked = await bobs.ask_contact("hello, Bob", alias="Bobby")
        assert (await (await present(of_alice, "Bob")).ask_contact()).id == asked.id
        request = await bob.next(MemberContactRequest)
        assert (request.member.name, request.content) == ("Alice", Text("hello, Bob"))
        accepted = await request.accept()
        assert (await request.accept()).id == accepted.id
        assert (await alice.next(Contact)).id == asked.id
        contact = await bob.next(Contact)
        assert (contact.id, contact.name) == (accepted.id, "Alice")
        message = await bob.next(IncomingMessage)
        assert (message.text, message.contact.id) == ("hello, Bob", contact.id)
        await message.reply("hello, Alice")
        answer = await alice.next(IncomingMessage)
        assert (answer.text, answer.contact.name) == ("hello, Alice", "Bobby")
        # The one who has invited is a contact already.
        host = await (await present(of_bob, "Host")).ask_contact()
        assert host.name == "Host"


async def test_two_members_may_ask_each_other_at_once(autojump_clock: Clock) -> None:
    allowed = GroupPreferences(direct_messages=GroupPreference(Switch.ON))
    async with open_hosted("Alice", "Bob", connects=True) as hosted:
        alice, bob = hosted.people
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        of_bob = await hosted.bring_in(group, 1)
        await group.set_preferences(allowed)
        for each in (alice, bob):
            await each.next(GroupChanged)
        await trio.sleep(60)
        bobs, alices = await present(of_alice, "Bob"), await present(of_bob, "Alice")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bobs.ask_contact, "from Alice")
            nursery.start_soon(alices.ask_contact, "from Bob")
        to_bob, to_alice = await alice.next(Contact), await bob.next(Contact)
        await to_bob.send("one")
        await to_alice.send("two")
        await trio.sleep(60)
        for person in (alice, bob):
            assert len(await person.bot.contacts()) == 2
            texts = [each.text for each in person.heard() if isinstance(each, IncomingMessage)]
            assert {"one", "two"} & set(texts)
