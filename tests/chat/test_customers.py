"""The program as a customer of a business."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from simplex_trio.chat.errors import CannotJoin, LeadsToGroup, LinkIsOwn, NotAGroup, UnknownContact
from simplex_trio.chat.group_changes import GroupEnded
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group
from simplex_trio.chat.looking import LinkKind
from simplex_trio.chat.machine.groups.records import GroupStatus
from simplex_trio.chat.messages.group_events import BusinessSide
from simplex_trio.chat.messages.group_profiles import Role
from tests.duplex.quiet import open_quiet

from .hosted import group_handlers
from .people import Person, open_quiet_bot

Clock = trio.testing.MockClock


@asynccontextmanager
async def open_business() -> AsyncIterator[tuple[Person, Person]]:
    """A business, and a bot that is to be its customer."""
    desks, told_desk = group_handlers()
    customers, told = group_handlers()
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Desk", handlers=desks, business=True, welcome="Hello!") as desk,
        open_quiet_bot(quiet, "Carol", handlers=customers) as carol,
    ):
        yield Person(desk, told_desk), Person(carol, told)


@pytest.mark.parametrize("is_short", [True, False])
async def test_a_bot_is_a_customer(autojump_clock: Clock, is_short: bool) -> None:
    async with open_business() as (desk, carol):
        link = desk.bot.address
        if is_short:
            found = await carol.bot.look(link)
            assert found.kind is LinkKind.ADDRESS
            assert (found.is_business, found.can_join, found.joined) == (True, True, None)
            asked_id = (await carol.bot.join(link)).id
        else:
            # A long link does not say that it leads to a business.
            address = desk.bot._address
            assert address is not None
            link = address.link
            contact = await carol.bot.connect(link, alias="The shop")
            asked_id = contact.id
        group = await carol.next(Group)
        assert (group.id, group.status, group.role) == (asked_id, GroupStatus.READY, Role.MEMBER)
        assert group.name == ("Desk" if is_short else "The shop")
        assert group.business is not None
        assert group.business.chat_type is BusinessSide.BUSINESS
        assert await carol.bot.contacts() == []
        if not is_short:
            with pytest.raises(UnknownContact):
                await contact.send("hello")
            with pytest.raises(LeadsToGroup):
                await carol.bot.connect(link)
        assert (await carol.bot.join(desk.bot.address) if is_short else group).id == group.id
        known = await carol.bot.look(link)
        assert known.joined is not None
        assert known.joined.id == group.id

        of_desk = await desk.next(Group)
        assert of_desk.name == "Carol"
        welcome = await carol.next(GroupMessage)
        assert (welcome.text, welcome.member.name, welcome.member.role) == (
            *("Hello!", "Desk"),
            Role.OWNER,
        )
        await welcome.reply("a fish, please")
        message = await desk.next(GroupMessage)
        assert (message.text, message.member.name) == ("a fish, please", "Carol")
        await message.reply("which one?")
        assert (await carol.next(GroupMessage)).text == "which one?"
        # The desk calls itself something else, and so the customer calls the group.
        await desk.bot.set_profile("Front desk")
        await of_desk.send("any of these")
        await carol.next(GroupMessage)
        assert (await carol.bot.group(group.id)).profile.display_name == "Front desk"
        await of_desk.delete()
        await carol.next(GroupEnded)


async def test_other_addresses_are_not_joined(autojump_clock: Clock) -> None:
    async with open_quiet() as quiet, open_quiet_bot(quiet, "Carol", business=True) as carol:
        with pytest.raises(LinkIsOwn):
            await carol.join(carol.address)
        async with open_quiet_bot(quiet, "Person") as person:
            with pytest.raises(NotAGroup):
                await carol.join(person.address)
            with pytest.raises(NotAGroup):
                await carol.join(await person.invite())
            assert not (await carol.look(person.address)).can_join
        async with open_quiet_bot(quiet, "Desk", business=True) as desk:
            link = desk.address
        contact = await carol.connect(link)
        with pytest.raises(CannotJoin):
            await carol.join(link)
        assert [each.id for each in await carol.contacts()] == [contact.id]
        assert await carol.groups() == []
