"""Bots that come into groups of people, whose chat programs are their hosts and members.

SIMPLEX_TRIO_CHAT is the path of the program, SIMPLEX_TRIO_ROUTER the router.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define

from simplex_trio.chat import Handlers, open_bot
from simplex_trio.chat.group_changes import (
    GroupChanged,
    GroupEnded,
    MemberContactRequest,
    MemberLeft,
    MemberProfileChanged,
    RoleChanged,
)
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group, Member
from simplex_trio.chat.looking import LinkKind
from simplex_trio.chat.machine.groups.records import GroupStatus
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.people import Contact, IncomingMessage
from tests.chat.hosted import group_handlers, present
from tests.chat.people import Person
from tests.interop.chat_program import ChatProgram, open_chat_program
from tests.interop.conftest import named
from tests.interop.driver import PATIENCE


@define(eq=False)
class Meeting:
    """Programs, and a bot, each of which can be ended and started again."""

    router: str
    folder: Path
    ends_by: signal.Signals = signal.SIGINT
    """What ends the programs."""

    @asynccontextmanager
    async def program(self, name: str) -> AsyncIterator[ChatProgram]:
        path = named("SIMPLEX_TRIO_CHAT")
        folder = self.folder / name
        async with open_chat_program(path, self.router, folder, name=name) as program:
            program.ends_by = self.ends_by
            yield program

    @asynccontextmanager
    async def bot(self, handlers: Handlers | None = None, **options: Any) -> AsyncIterator[Person]:
        table, told = group_handlers()
        if handlers is not None:
            handlers.include(table)
        own: dict[str, Any] = {"profile": "Bot", "handlers": handlers or table}
        path = self.folder / "bot.db"
        async with open_bot(path, servers=[self.router], **own | options) as bot:
            yield Person(bot, told)


def link_of(answer: dict[str, Any]) -> dict[str, str]:
    link: dict[str, str] = answer["groupLink"]["connLinkContact"]
    return link


async def test_a_bot_joins_by_the_link_of_a_group(router: str, tmp_path: Path) -> None:
    meeting = Meeting(router, tmp_path)
    async with meeting.program("Alice") as alice, meeting.bot() as bot:
        await alice.command("/g #team")
        link = link_of(await alice.command("/create link #team"))
        looked = await bot.bot.look(link["connShortLink"])
        assert looked.kind is LinkKind.GROUP
        assert looked.can_join
        assert looked.joined is None
        assert looked.group is not None
        assert looked.group.display_name == "team"
        assert (await bot.bot.look(link["connFullLink"])).can_join

        asked = await bot.bot.join(link["connShortLink"])
        joined = await bot.next(Group)
        assert (asked.id, asked.name) == (joined.id, "team")
        assert joined.status is GroupStatus.READY
        assert (await bot.bot.join(link["connShortLink"])).id == joined.id
        await alice.event("joinedGroupMember")
        await joined.send("hello, all")
        await alice.item("hello, all")
        await alice.command("#team hello, bot")
        heard = await bot.next(GroupMessage)
        assert (heard.text, heard.member.name, heard.member.role) == (
            *("hello, bot", "Alice"),
            Role.OWNER,
        )
        profile = await heard.member.profile()
        assert profile is not None
        assert profile.display_name == "Alice"

        await joined.leave()
        await alice.event("leftMember")
        again = await bot.bot.join(link["connShortLink"])
        assert again.id != joined.id
        assert (await bot.next(Group)).id == again.id
        await alice.event("joinedGroupMember")
        await alice.command("/rm #team Bot_1")
        ended = await bot.next(GroupEnded)
        assert ended.group.id == again.id


async def new_group(program: ChatProgram) -> str:
    """A group of a program; returns its link."""
    await program.command("/g #team")
    return link_of(await program.command("/create link #team"))["connShortLink"]


async def join(program: ChatProgram, link: str) -> None:
    await program.command(f"/c {link}")
    await program.event("userJoinedGroup")


async def connected(bot: Person, group: Group, name: str) -> Member:
    """Wait until the bot is connected with a member."""
    with trio.fail_after(PATIENCE):
        while not (member := await present(group, name)).is_connected:  # noqa: ASYNC110 - another program
            await trio.sleep(0.1)
    return member


async def test_members_are_connected_and_need_no_host(router: str, tmp_path: Path) -> None:
    meeting = Meeting(router, tmp_path)
    async with meeting.program("Bob") as bob, meeting.bot() as bot:
        async with meeting.program("Alice") as alice, meeting.program("Carol") as carol:
            link = await new_group(alice)
            await join(bob, link)
            await bot.bot.join(link, connect_members=True)
            group = await bot.next(Group)
            await connected(bot, group, "Bob")  # who was there before
            await bob.event("connectedToGroupMember")
            await join(carol, link)
            assert (await bot.next(Member)).name == "Carol"
            await connected(bot, group, "Carol")  # who has come later
            await carol.event("connectedToGroupMember", lambda e: named_bot(e["member"]))
            await group.send("hello, all")
            for each in (alice, bob, carol):
                await each.item("hello, all")
            await carol.command("#team hello, bot")
            heard = await bot.next(GroupMessage)
            assert (heard.text, heard.member.name) == ("hello, bot", "Carol")
            await trio.sleep(2)
            assert not [each for each in bot.heard() if isinstance(each, GroupMessage)]
        await group.send("without the host")
        await bob.item("without the host")
        await bob.command("#team still here")
        heard = await bot.next(GroupMessage)
        assert (heard.text, heard.member.name) == ("still here", "Bob")


def named_bot(member: dict[str, Any]) -> bool:
    return bool(member["memberProfile"]["displayName"] == "Bot")


async def test_what_members_do_is_told(router: str, tmp_path: Path) -> None:
    meeting = Meeting(router, tmp_path)
    async with (
        meeting.program("Alice") as alice,
        meeting.program("Bob") as bob,
        meeting.bot() as bot,
    ):
        link = await new_group(alice)
        await bot.bot.join(link)
        group = await bot.next(Group)
        await join(bob, link)
        assert (await bot.next(Member)).name == "Bob"
        await alice.command("/mr #team Bob moderator")
        changed = await bot.next(RoleChanged)
        assert changed.member is not None
        assert (changed.member.name, changed.role, changed.by.name) == (
            *("Bob", Role.MODERATOR),
            "Alice",
        )
        await alice.command("/mr #team Bot admin")
        changed = await bot.next(RoleChanged)
        assert (changed.member, changed.role, changed.group.role) == (None, Role.ADMIN, Role.ADMIN)
        await alice.command("/mr #team Bot member")
        await bot.next(RoleChanged)
        await alice.command("/gp #team crew")
        named_anew = await bot.next(GroupChanged)
        assert (named_anew.before.display_name, named_anew.group.name) == ("team", "crew")
        await alice.command("/set voice #crew off")
        rules = (await bot.next(GroupChanged)).group.profile.group_preferences
        assert rules is not None
        assert rules.voice is not None
        assert rules.voice.enable == "off"
        await bob.command("/p Robert")
        await bob.command("/_send #1 text my new name")  # which may be called crew there by now
        profile = await bot.next(MemberProfileChanged)
        assert (profile.profile.display_name, profile.before.display_name) == ("Robert", "Bob")
        assert (await bot.next(GroupMessage)).member.name == "Robert"
        await bob.command("/_leave #1")
        left = await bot.next(MemberLeft)
        assert (left.member.name, left.by) == ("Robert", None)
        await bot.bot.set_profile("Robot")
        await group.send("I am new")
        await alice.item("I am new")
        await alice.event("groupMemberUpdated")
        await alice.command("/d #crew")
        ended = await bot.next(GroupEnded)
        assert ended.group.status is GroupStatus.DELETED


async def test_a_bot_waits_until_it_is_approved(router: str, tmp_path: Path) -> None:
    meeting = Meeting(router, tmp_path)
    async with (
        meeting.program("Alice") as alice,
        meeting.program("Bob") as bob,
        meeting.bot() as bot,
    ):
        link = await new_group(alice)
        await join(bob, link)
        await alice.command("/mr #team Bob moderator")
        await alice.command("/set admission review #team all")
        await bot.bot.join(link)
        waiting = await bot.next(Group)
        assert waiting.status is GroupStatus.IN_REVIEW
        await waiting.support.send("please let me in")
        await alice.item("please let me in")
        await bob.item("please let me in")
        member = await member_of(alice, "Bot")
        await alice.command(f"/_send #1(_support:{member}) json {TEXT % 'who are you?'}")
        asked = await bot.next(GroupMessage)
        assert (asked.text, asked.support is not None) == ("who are you?", True)
        await alice.command(f"/_accept member #1 {member} member")
        group = await bot.next(Group)
        assert group.status is GroupStatus.READY
        await group.send("thank you")
        for each in (alice, bob):
            await each.item("thank you")


TEXT = '[{"msgContent":{"type":"text","text":"%s"},"mentions":{}}]'


async def member_of(program: ChatProgram, name: str) -> int:
    """The program's number for a member of its group."""
    answer = await program.command("/_members #1")
    (found,) = [
        each["groupMemberId"]
        for each in answer["group"]["members"]
        if each["memberProfile"]["displayName"] == name
    ]
    return int(found)


async def test_history_is_told_apart(router: str, tmp_path: Path) -> None:
    meeting = Meeting(router, tmp_path)
    handlers = Handlers()

    @handlers.groups.command
    async def order(message: GroupMessage) -> None:
        await message.reply("ordered")

    async with meeting.program("Alice") as alice:
        link = await new_group(alice)
        await alice.command("/set history #team on")
        for text in ("/order", "the second"):
            await alice.command(f"/_send #1 json {TEXT % text}")
        await trio.sleep(65)  # what was said in the last minute might be new
        async with meeting.bot(handlers) as bot:
            await bot.bot.join(link)
            group = await bot.next(Group)
            history = [await bot.next(GroupMessage) for _ in range(2)]
            assert [(each.text, each.is_history) for each in history] == [
                ("/order", True),
                ("the second", True),
            ]
            assert history[0].member.name == "Alice"
            await group.send("I am here")
            await alice.item("I am here")
            await alice.command("#team /order")
            await alice.item("ordered")


async def test_members_become_contacts(router: str, tmp_path: Path) -> None:
    meeting = Meeting(router, tmp_path)
    async with (
        meeting.program("Alice") as alice,
        meeting.program("Bob") as bob,
        meeting.bot() as bot,
    ):
        link = await new_group(alice)
        await alice.command("/set direct #team on")
        await bot.bot.join(link, connect_members=True, incognito=True)
        group = await bot.next(Group)
        assert group.is_incognito
        await join(bob, link)
        await connected(bot, group, "Bob")
        event = await bob.event("connectedToGroupMember", lambda e: of_bot(e["member"]))
        assert event["member"]["memberProfile"]["displayName"] != "Bot"

        number = event["member"]["groupMemberId"]
        answer = await bob.command(f"/_create member contact #1 {number}")
        contact_id = answer["contact"]["contactId"]
        await bob.command(f"/_invite member contact @{contact_id} text hello, bot")
        request = await bot.next(MemberContactRequest)
        assert (request.member.name, request.content) == ("Bob", Text("hello, bot"))
        await request.accept()
        contact = await bot.next(Contact)
        assert contact.is_incognito
        first = await bot.next(IncomingMessage)
        assert first.text == "hello, bot"
        await bob.event("contactConnected")
        await first.reply("hello, Bob")
        await bob.item("hello, Bob")

        owner = await present(group, "Alice")
        asked = await owner.ask_contact("hello, Alice")
        invited = await alice.event("newMemberContactReceivedInv")
        await alice.command(f"/_accept member contact @{invited['contact']['contactId']}")
        assert (await bot.next(Contact)).id == asked.id
        await asked.send("again")
        await alice.item("again")


def of_bot(member: dict[str, Any]) -> bool:
    return bool(member["memberProfile"]["displayName"] != "Alice")


async def named_members(group: Group, *names: str) -> None:
    """Wait until the bot knows just these members."""
    with trio.fail_after(PATIENCE):
        while {each.name for each in await group.members()} != set(names):  # noqa: ASYNC110
            await trio.sleep(0.1)


async def hear(bot: Person, text: str) -> None:
    """Wait until the bot hears something, which is to be the first after the history."""
    with trio.fail_after(PATIENCE):
        while (heard := await bot.next(GroupMessage)).is_history:
            pass
    assert heard.text == text


async def say(group: Group, *programs: ChatProgram, text: str) -> None:
    """Say something, and wait until programs are done with it.

    A program shows a message first, and then passes it on or keeps what is to be passed on; it is
    done with that when it shows the message after it.
    """
    for each in (text, f"after {text}"):
        await group.send(each)
        for program in programs:
            await program.item(each)


@pytest.mark.parametrize("ends_by", [signal.SIGTERM, signal.SIGKILL], ids=lambda it: it.name)
async def test_programs_end_and_start_in_between(
    router: str, tmp_path: Path, ends_by: signal.Signals
) -> None:
    """Programs are killed only when they have done what they do in several steps.

    Those that are killed in between do not go on with it, see docs/explanation/differences.md.
    """
    meeting = Meeting(router, tmp_path, ends_by)
    async with meeting.program("Alice") as alice, meeting.program("Bob") as bob:
        link = await new_group(alice)
        await join(bob, link)
        await bob.command("#team zero")
        await alice.item("zero")
    # The bot ends while it is joining, and asks while its host is away.
    async with meeting.bot() as bot:
        await bot.bot.join(link, connect_members=True)
    async with meeting.program("Alice") as alice:
        await alice.event("acceptingGroupJoinRequestMember")
        async with meeting.bot() as bot:
            with trio.fail_after(PATIENCE):
                group = await bot.next(Group)
            await named_members(group, "Alice", "Bob")
            await say(group, alice, text="one")
    # Bob comes back, when the bot is away.
    async with meeting.program("Alice") as alice, meeting.program("Bob") as bob:
        await bob.item("one")  # the host may have been killed before it passed on the rest
        await bob.command("#team two")
        await alice.item("two")
        async with meeting.bot() as bot:
            (group,) = await bot.bot.groups()
            await hear(bot, "two")
            await connected(bot, group, "Bob")
            await bob.event("connectedToGroupMember")
            await say(group, alice, bob, text="three")
        # Before it was heard, what Bob has said might come behind this, and not be allowed.
        await alice.command("/mr #team Bob observer")
    # What the bot says meanwhile waits at the router, and what programs say waits in them too.
    async with meeting.bot() as bot:
        (group,) = await bot.bot.groups()
        with trio.fail_after(PATIENCE):
            changed = await bot.next(RoleChanged)
        assert changed.member is not None
        assert (changed.member.name, changed.role) == ("Bob", Role.OBSERVER)
        await group.send("four")
        async with meeting.program("Alice") as alice:
            await alice.item("four")
            await alice.command("#team five")
        async with meeting.program("Alice") as alice, meeting.program("Bob") as bob:
            await hear(bot, "five")
            await bob.item("four")
            await bob.item("five")
            await bob.command("/_leave #1")
            await alice.event("leftMember")
            with trio.fail_after(PATIENCE):
                assert (await bot.next(MemberLeft)).member.name == "Bob"
        await named_members(group, "Alice")
        await group.leave()
        async with meeting.program("Alice") as alice:
            await alice.event("leftMember")


async def test_contacts_invite_the_bot_with_connections_to_all(router: str, tmp_path: Path) -> None:
    meeting = Meeting(router, tmp_path)
    handlers, told = group_handlers(connects=True)
    async with (
        meeting.program("Alice") as alice,
        meeting.program("Bob") as bob,
        meeting.bot(handlers=handlers) as bot,
    ):
        bot = Person(bot.bot, told)
        link = await new_group(alice)
        await alice.command(f"/c {await bot.bot.invite()}")
        contact = (await alice.event("contactConnected"))["contact"]["contactId"]
        await join(bob, link)
        await alice.command(f"/_add #1 {contact} admin")
        group = await bot.next(Group)
        await connected(bot, group, "Bob")
        assert group.role is Role.ADMIN
        await group.send("hello, all")
        for each in (alice, bob):
            await each.item("hello, all")
        await alice.command("/rm #team Bob")
        left = await bot.next(MemberLeft)
        assert left.by is not None
        assert (left.member.name, left.by.name) == ("Bob", "Alice")
