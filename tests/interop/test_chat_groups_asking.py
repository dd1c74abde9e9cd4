"""Bots and chat programs that ask each other: at a business, at a link, and for being contacts.

SIMPLEX_TRIO_CHAT is the path of the program, SIMPLEX_TRIO_ROUTER the router.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from simplex_trio.chat.group_changes import GroupEnded, MemberContactRequest
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.group_requests import MemberRequest
from simplex_trio.chat.groups import Group
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.groups.records import GroupStatus
from simplex_trio.chat.messages.group_events import BusinessSide
from simplex_trio.chat.people import Contact, IncomingMessage
from tests.chat.people import Person
from tests.interop.chat_program import ChatProgram
from tests.interop.driver import PATIENCE
from tests.interop.test_chat_groups_member import Meeting, connected, join, new_group


async def hear(bot: Person, text: str) -> GroupMessage:
    while (message := await bot.next(GroupMessage)).text != text:
        pass
    return message


# --- a business -----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_short", [True, False])
async def test_a_bot_is_the_customer_of_a_program(
    router: str, tmp_path: Path, is_short: bool
) -> None:
    meeting = Meeting(router, tmp_path)
    async with meeting.program("Desk") as desk, meeting.program("Staff") as staff:
        link = (await desk.command("/c"))["connLinkInvitation"]["connFullLink"]
        await staff.command(f"/c {link}")
        await desk.event("contactConnected")
        address = (await desk.command("/ad"))["connLinkContact"]
        await desk.command("/auto_accept on business text What can we do?")
        async with meeting.bot() as bot:
            if is_short:
                found = await bot.bot.look(address["connShortLink"])
                assert (found.is_business, found.can_join) == (True, True)
                asked_id = (await bot.bot.join(address["connShortLink"])).id
            else:
                asked_id = (await bot.bot.connect(address["connFullLink"])).id
            group = await bot.next(Group)
            assert (group.id, group.status, group.name) == (asked_id, GroupStatus.READY, "Desk")
            assert group.business is not None
            assert group.business.chat_type is BusinessSide.BUSINESS
            welcome = await hear(bot, "What can we do?")
            await welcome.reply("a fish, please")
            await desk.item("a fish, please")
            await desk.command("#Bot which one?")
            await hear(bot, "which one?")
            await desk.command("/a #Bot Staff")
            await staff.event("receivedGroupInvitation")
            await staff.command("/j #Bot")
            await staff.event("userJoinedGroup")
            await staff.item("a fish, please")
            await staff.command("#Bot the big one?")
            message = await hear(bot, "the big one?")
            assert message.member.name == "Staff"
            await message.reply("yes")
            for program in (desk, staff):
                await program.item("yes")
            await desk.command("/p Shop")
            await desk.command("#Bot we call ourselves Shop now")
            await hear(bot, "we call ourselves Shop now")
            assert (await bot.bot.group(group.id)).name == "Shop"
        async with meeting.bot() as bot:
            (group,) = await bot.bot.groups()
            await group.send("and chips")
            for program in (desk, staff):
                await program.item("and chips")
            await desk.command("/d #Bot")
            assert (await bot.next(GroupEnded)).group.id == group.id


# --- the link of a group --------------------------------------------------------------------------


async def until_own_status(program: ChatProgram, status: str) -> None:
    """Wait until a program is that in its only group."""
    with trio.fail_after(PATIENCE):
        while True:
            answer = await program.command("/_get chats 1")
            groups = [each["chatInfo"].get("groupInfo") for each in answer["chats"]]
            if [each["membership"]["memberStatus"] for each in groups if each] == [status]:
                return
            await trio.sleep(0.1)


async def test_a_program_is_told_that_it_is_not_let_in(router: str, tmp_path: Path) -> None:
    handlers = Handlers()

    @handlers.groups.on_member_request
    async def refuse(request: MemberRequest) -> None:
        if request.name == "Carol":
            await request.send("Why do you ask?")
        await request.reject("blocked_name")

    meeting = Meeting(router, tmp_path)
    async with meeting.bot(handlers) as bot:
        group = await bot.bot.create_group("Team")
        link = await group.create_link()
        for name, status in (("Bob", "rejected"), ("Carol", "removed")):
            async with meeting.program(name) as program:
                await program.command(f"/c {link}")
                await until_own_status(program, status)
        assert await group.members() == []


# --- two members ----------------------------------------------------------------------------------


def is_with(name: str, event: dict[str, Any]) -> bool:
    return bool(event["contact"]["profile"]["displayName"] == name)


async def accept(program: ChatProgram, contact_id: int) -> None:
    """If the program is the one to join, a person is asked first."""
    await program.event("newMemberContactReceivedInv")
    with suppress(AssertionError):
        await program.command(f"/_accept member contact @{contact_id}")


async def test_a_bot_and_a_program_ask_each_other_at_once(router: str, tmp_path: Path) -> None:
    """Of the two one joins, by what the links are; so it is tried with several programs."""
    meeting = Meeting(router, tmp_path)
    names = ("Bob", "Carol", "Dave")
    async with meeting.program("Alice") as alice, meeting.bot() as bot:
        link = await new_group(alice)
        await alice.command("/set direct #team on")
        await bot.bot.join(link, connect_members=True)
        group = await bot.next(Group)
        for name in names:
            async with meeting.program(name) as program:
                await join(program, link)
                member = await connected(bot, group, name)
                event = await program.event("connectedToGroupMember")
                number = event["member"]["groupMemberId"]
                made = await program.command(f"/_create member contact #1 {number}")
                contact_id = made["contact"]["contactId"]
                invite = f"/_invite member contact @{contact_id} text hello, bot"
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(program.command, invite)
                    asked = await member.ask_contact(f"hello, {name}")
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(accept, program, contact_id)
                    with trio.fail_after(PATIENCE):
                        contact = await bot.next(Contact)
                    nursery.cancel_scope.cancel()
                assert contact.id == asked.id
                assert not [each for each in bot.heard() if isinstance(each, MemberContactRequest)]
                await program.event("contactConnected", partial(is_with, "Bot"))
                await contact.send("the two of us")
                await program.item("the two of us")
                await program.command(f"/_send @{contact_id} text just us")
                while (await bot.next(IncomingMessage)).text != "just us":
                    pass
        assert len(await bot.bot.contacts()) == len(names)
