"""Groups that a bot makes, and chat programs that people use as their members.

SIMPLEX_TRIO_CHAT is the path of the program, SIMPLEX_TRIO_ROUTER the router.  SIMPLEX_TRIO_CHAT_2
and SIMPLEX_TRIO_CHAT_3 are the programs of further people, if they use others.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio
from attrs import define, field

from simplex_trio.chat import Contact
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.group_requests import MemberRequest
from simplex_trio.chat.groups import Group, Member
from simplex_trio.chat.machine.groups.records import MemberStatus
from simplex_trio.chat.messages.group_profiles import (
    GroupPreference,
    GroupPreferences,
    GroupProfile,
    MemberAdmission,
    Reviewed,
    Role,
    Switch,
)
from simplex_trio.chat.messages.preferences import Command
from tests.chat.hosted import group_handlers
from tests.chat.people import Person
from tests.interop.chat_program import ChatProgram, open_chat_program
from tests.interop.conftest import named
from tests.interop.driver import PATIENCE
from tests.interop.test_chat import Both


@define(eq=False)
class Party:
    """A bot that is host, and people with chat programs."""

    both: Both
    names: tuple[str, ...]
    contacts: dict[str, int] = field(factory=dict)
    """The ids of the people among the bot's contacts."""

    @asynccontextmanager
    async def host(self, **options: Any) -> AsyncIterator[Person]:
        handlers, told = group_handlers()
        async with self.both.bot(handlers, **options) as person:
            yield Person(person.bot, told)

    @asynccontextmanager
    async def program(self, name: str) -> AsyncIterator[ChatProgram]:
        place = self.names.index(name) + 1
        chat = named("SIMPLEX_TRIO_CHAT")
        if place > 1:
            chat = os.environ.get(f"SIMPLEX_TRIO_CHAT_{place}") or chat
        folder = self.both.folder / name
        async with open_chat_program(chat, self.both.router, folder, name=name) as program:
            yield program

    async def meet(self, host: Person, program: ChatProgram) -> Contact:
        """Have a person connect with the bot."""
        await program.command(f"/c {host.bot.address}")
        await program.event("contactConnected")
        return await host.next(Contact)


async def until_present(group: Group, name: str) -> Member:
    with trio.fail_after(PATIENCE):
        while True:
            for each in await group.members():
                if each.name == name and each.status is MemberStatus.PRESENT:
                    return each
            await trio.sleep(0.05)


async def join(group: Group, contact: Contact, program: ChatProgram, role: Role) -> Member:
    """Have a contact join a group that it is invited to."""
    await group.invite(contact, role=role)
    await program.event("receivedGroupInvitation")
    await program.command("/j #Team")
    await program.event("userJoinedGroup")
    return await until_present(group, contact.name)


def is_about(name: str, event: dict[str, Any]) -> bool:
    return bool(event["member"]["memberProfile"]["displayName"] == name)


async def test_three_programs_in_a_group(router: str, tmp_path: Path) -> None:
    party = Party(Both(router, tmp_path), ("Alice", "Bob", "Carol"))
    async with (
        party.host() as host,
        party.program("Alice") as alice,
        party.program("Bob") as bob,
        party.program("Carol") as carol,
    ):
        programs = {"Alice": alice, "Bob": bob, "Carol": carol}
        group = await host.bot.create_group("Team")
        members: dict[str, Member] = {}
        for name, program in programs.items():
            contact = await party.meet(host, program)
            assert contact.name == name
            members[name] = await join(group, contact, program, Role.MEMBER)
        await group.send("hello from the host")
        for program in programs.values():
            await program.item("hello from the host")
        for name, program in programs.items():
            for other in programs:
                if other != name:
                    await program.event("connectedToGroupMember", partial(is_about, other))
        for name, program in programs.items():
            await program.command(f"#Team hello from {name}")
            for other, each in programs.items():
                if other != name:
                    await each.item(f"hello from {name}")
            message = await host.next(GroupMessage)
            assert (message.text, message.member.id) == (f"hello from {name}", members[name].id)


async def test_the_host_passes_on_while_two_are_not_connected(router: str, tmp_path: Path) -> None:
    party = Party(Both(router, tmp_path), ("Alice", "Bob", "Carol"))
    async with party.host() as host, party.program("Bob") as bob:
        group = await host.bot.create_group("Team")
        async with party.program("Alice") as alice:
            contact = await party.meet(host, alice)
            await join(group, contact, alice, Role.MEMBER)
        # Alice is away, so that Bob and she cannot be connected.
        await join(group, await party.meet(host, bob), bob, Role.ADMIN)
        await bob.command("#Team can you hear me?")
        assert (await host.next(GroupMessage)).text == "can you hear me?"
        async with party.program("Alice") as alice:
            item = await alice.item("can you hear me?")
            assert item["chatDir"]["groupMember"]["localDisplayName"] == "Bob"
            await alice.event("connectedToGroupMember")
            await alice.command("#Team yes")
            await bob.item("yes")
            assert (await host.next(GroupMessage)).text == "yes"


async def test_members_learn_what_the_owner_does(router: str, tmp_path: Path) -> None:
    party = Party(Both(router, tmp_path), ("Alice", "Bob"))
    async with (
        party.host() as host,
        party.program("Alice") as alice,
        party.program("Bob") as bob,
    ):
        group = await host.bot.create_group("Team")
        members: dict[str, Member] = {}
        for name, program in {"Alice": alice, "Bob": bob}.items():
            contact = await party.meet(host, program)
            members[name] = await join(group, contact, program, Role.MEMBER)
        await bob.event("connectedToGroupMember", partial(is_about, "Alice"))

        await members["Bob"].set_role(Role.MODERATOR)
        assert (await bob.event("memberRole"))["toRole"] == "moderator"
        assert (await alice.event("memberRole"))["member"]["localDisplayName"] == "Bob"

        await members["Alice"].block()
        blocked = await bob.event("memberBlockedForAll")
        assert (blocked["member"]["localDisplayName"], blocked["blocked"]) == ("Alice", True)
        await members["Alice"].unblock()
        assert (await bob.event("memberBlockedForAll"))["blocked"] is False

        await group.set_preferences(GroupPreferences(history=GroupPreference(Switch.ON)))
        await group.set_commands([Command("rules", "Shows the rules")])
        for program in (alice, bob):
            await program.event("groupUpdated", allows_history)
            shown = (await program.event("groupUpdated", has_commands))["toGroup"]["groupProfile"]
            (command,) = shown["groupPreferences"]["commands"]
            assert command["keyword"] == "rules"
            assert shown["groupPreferences"]["history"]["enable"] == "on"

        await members["Alice"].remove()
        await alice.event("deletedMemberUser")
        assert (await bob.event("deletedMember"))["deletedMember"]["localDisplayName"] == "Alice"
        await alice.command("/d #Team")
        await join(group, (await host.bot.contacts())[0], alice, Role.OBSERVER)

        await group.delete()
        for program in (alice, bob):
            await program.event("groupDeleted")
        assert await host.bot.groups() == []


def allows_history(event: dict[str, Any]) -> bool:
    preferences = event["toGroup"]["groupProfile"].get("groupPreferences") or {}
    return bool(preferences.get("history", {}).get("enable") == "on")


def has_commands(event: dict[str, Any]) -> bool:
    return bool((event["toGroup"]["groupProfile"].get("groupPreferences") or {}).get("commands"))


async def test_programs_come_in_by_the_link(router: str, tmp_path: Path) -> None:
    party = Party(Both(router, tmp_path), ("Alice", "Bob", "Carol"))
    async with (
        party.host() as host,
        party.program("Alice") as alice,
        party.program("Bob") as bob,
        party.program("Carol") as carol,
    ):
        group = await host.bot.create_group(GroupProfile("Team", short_descr="Us"))
        link = await group.create_link()
        planned = (await alice.command(f"/_connect plan 1 {link}"))["connectionPlan"]
        assert planned["type"] == "groupLink"
        shown = planned["groupLinkPlan"]["groupSLinkData_"]["groupProfile"]
        assert (shown["displayName"], shown["shortDescr"]) == ("Team", "Us")
        programs = {"Alice": alice, "Bob": bob, "Carol": carol}
        for name, program in programs.items():
            await program.command(f"/c {link}")
            await program.event("userJoinedGroup")
            await until_present(group, name)
            assert (await host.next(Member)).name == name
        for name, program in programs.items():
            for other in programs:
                if other != name:
                    await program.event("connectedToGroupMember", partial(is_about, other))
        await group.send("hello from the host")
        for program in programs.values():
            await program.item("hello from the host")
        await carol.command("#Team hello from Carol")
        for each in (alice, bob):
            await each.item("hello from Carol")
        assert (await host.next(GroupMessage)).text == "hello from Carol"


async def test_the_host_asks_before_it_lets_a_program_in(router: str, tmp_path: Path) -> None:
    party = Party(Both(router, tmp_path), ("Alice", "Bob"))
    handlers, told = group_handlers()

    @handlers.groups.on_member_request
    async def captcha(request: MemberRequest) -> None:
        if request.name == "Bob":
            await request.reject("not today")
            return
        for _ in range(2):
            if (await request.ask("What is 3+4?")).text == "7":
                await request.approve(role=Role.AUTHOR)
                return

    async with party.both.bot(handlers) as bot:
        host = Person(bot.bot, told)
        group = await host.bot.create_group("Team")
        link = await group.create_link(approval=True)
        async with party.program("Alice") as alice, party.program("Bob") as bob:
            await bob.command(f"/c {link}")
            await alice.command(f"/c {link}")
            await alice.item("What is 3+4?")
            assert await group.members() == []
            scope = "#1(_support)"
            text = {"msgContent": {"type": "text", "text": "8"}, "mentions": {}}
            await alice.command(f"/_send {scope} json {json.dumps([text])}")
            await alice.item("What is 3+4?")
            text["msgContent"] = {"type": "text", "text": "7"}
            await alice.command(f"/_send {scope} json {json.dumps([text])}")
            member = await until_present(group, "Alice")
            assert member.role is Role.AUTHOR
            await alice.event("userJoinedGroup")
            await group.send("welcome, Alice")
            await alice.item("welcome, Alice")
            await alice.command("#Team hello")
            assert (await host.next(GroupMessage)).text == "hello"
            assert [each.name for each in await group.members()] == ["Alice"]


async def test_new_members_see_the_last_messages(router: str, tmp_path: Path) -> None:
    party = Party(Both(router, tmp_path), ("Alice", "Bob", "Carol"))
    preferences = GroupPreferences(history=GroupPreference(Switch.ON))
    profile = GroupProfile("Team", description="Be kind.", group_preferences=preferences)
    async with party.host() as host, party.program("Alice") as alice:
        group = await host.bot.create_group(profile)
        link = await group.create_link()
        await join(group, await party.meet(host, alice), alice, Role.MEMBER)
        await group.send("first")
        own = await group.send("secnd")
        await own.edit("second")
        await alice.item("first")
        await alice.command("#Team third")
        assert (await host.next(GroupMessage)).text == "third"
        for name in ("Bob", "Carol"):
            async with party.program(name) as newcomer:
                await newcomer.command(f"/c {link}")
                await newcomer.event("userJoinedGroup")
                await newcomer.event("connectedToGroupMember", partial(is_about, "Alice"))
                said = {text: await newcomer.item(text) for text in ("first", "second", "third")}
                authors = {
                    text: item["chatDir"]["groupMember"]["localDisplayName"]
                    for text, item in said.items()
                }
                assert authors == {
                    "first": "Weather bot",
                    "second": "Weather bot",
                    "third": "Alice",
                }


async def test_a_business_has_a_group_for_each_customer(router: str, tmp_path: Path) -> None:
    party = Party(Both(router, tmp_path), ("Alice", "Bob"))
    handlers, told = group_handlers()
    customers: list[Group] = []

    @handlers.groups.command
    async def order(message: GroupMessage, what: str) -> None:
        """Orders something."""
        await message.answer(f"{what} is on its way")

    @handlers.groups.on_customer
    async def note(group: Group) -> None:
        customers.append(group)

    business = {"business": True, "profile": "Desk", "welcome": "What can we do?"}
    async with party.both.bot(handlers, **business) as bot:
        host = Person(bot.bot, told)
        async with party.program("Bob") as bob:
            planned = (await bob.command(f"/_connect plan 1 {host.bot.address}"))["connectionPlan"]
            data = planned["contactAddressPlan"]["contactSLinkData_"]
            assert data["business"] is True
            await bob.command(f"/c {host.bot.address}")
            await bob.event("userJoinedGroup")
            await bob.item("What can we do?")
            await bob.command("#Desk a fish, please")
            message = await host.next(GroupMessage)
            (group,) = customers
            assert (message.text, message.member.name, group.name) == (
                "a fish, please",
                "Bob",
                "Bob",
            )
            customer = await group.customer()
            assert customer is not None
            assert customer.id == message.member.id
            await bob.command("#Desk /order fish")
            await bob.item("fish is on its way")
            # Alice is of the staff.
            async with party.program("Alice") as alice:
                await alice.command(f"/c {await host.bot.invite()}")
                await alice.event("contactConnected")
                await group.invite(await host.next(Contact), role=Role.ADMIN)
                invited = await alice.event("receivedGroupInvitation")
                assert invited["groupInfo"]["groupProfile"]["displayName"] == "Bob"
                await alice.command("/j #Bob")
                await alice.event("userJoinedGroup")
                await alice.item("a fish, please")
                await alice.event("connectedToGroupMember", partial(is_about, "Bob"))
                await bob.event("connectedToGroupMember", partial(is_about, "Alice"))
                await alice.command("#Bob which one?")
                await bob.item("which one?")
                while (message := await host.next(GroupMessage)).text != "which one?":
                    pass
                assert message.member.name == "Alice"
                await bob.command("/p Robert")
                await bob.command("#Desk the big one")
                await alice.item("the big one")
                while (message := await host.next(GroupMessage)).text != "the big one":
                    pass
                assert (await host.bot.group(group.id)).name == "Robert"


async def test_a_customer_begins_with_a_message(router: str, tmp_path: Path) -> None:
    party = Party(Both(router, tmp_path), ("Bob",))
    handlers, told = group_handlers()
    options: dict[str, Any] = {"business": True, "profile": "Desk", "welcome": "What can we do?"}
    async with party.both.bot(handlers, **options) as bot, party.program("Bob") as bob:
        host = Person(bot.bot, told)
        planned = await bob.command(f"/_connect plan 1 {host.bot.address}")
        link = planned["connLink"]
        data = json.dumps(planned["connectionPlan"]["contactAddressPlan"]["contactSLinkData_"])
        full, short = link["connFullLink"], link["connShortLink"]
        prepared = await bob.command(f"/_prepare contact 1 {full} {short} {data}")
        group_id = prepared["chat"]["chatInfo"]["groupInfo"]["groupId"]
        await bob.command(f"/_connect group #{group_id} text hello, a fish please")
        await bob.event("userJoinedGroup")
        message = await host.next(GroupMessage)
        assert (message.text, message.group.name) == ("hello, a fish please", "Bob")
        await message.reply("which one?")
        item = await bob.item("which one?")
        assert item["quotedItem"]["content"]["text"] == "hello, a fish please"


async def test_a_moderator_lets_a_new_member_in(router: str, tmp_path: Path) -> None:
    party = Party(Both(router, tmp_path), ("Alice", "Bob", "Carol"))
    profile = GroupProfile("Team", member_admission=MemberAdmission(Reviewed.ALL))
    async with (
        party.host() as host,
        party.program("Alice") as alice,
        party.program("Bob") as bob,
        party.program("Carol") as carol,
    ):
        group = await host.bot.create_group(profile)
        await join(group, await party.meet(host, alice), alice, Role.MODERATOR)
        await join(group, await party.meet(host, carol), carol, Role.MEMBER)
        await bob.command(f"/c {await group.create_link()}")
        await alice.event("connectedToGroupMember", partial(is_about, "Bob"))
        found = (await alice.command("/ms #Team"))["group"]["members"]
        (asking,) = [each for each in found if each["memberProfile"]["displayName"] == "Bob"]
        assert asking["memberStatus"] == "pending_review"
        (request,) = await group.requests()
        assert request.name == "Bob"
        text = {"msgContent": {"type": "text", "text": "who are you?"}, "mentions": {}}
        scope = f"#1(_support:{asking['groupMemberId']})"
        await alice.command(f"/_send {scope} json {json.dumps([text])}")
        await bob.item("who are you?")
        question = await host.next(GroupMessage)
        assert (question.text, question.member.name) == ("who are you?", "Alice")
        assert question.support is not None
        await alice.command(f"/_accept member #1 {asking['groupMemberId']} member")
        await until_present(group, "Bob")
        await bob.event("connectedToGroupMember", partial(is_about, "Carol"))
        await bob.command("#Team hello")
        for each in (alice, carol):
            await each.item("hello")
        assert (await host.next(GroupMessage)).text == "hello"


async def test_the_host_is_away_and_comes_back(router: str, tmp_path: Path) -> None:
    party = Party(Both(router, tmp_path), ("Alice", "Bob", "Carol"))
    async with party.program("Alice") as alice, party.program("Bob") as bob:
        async with party.host() as host:
            group = await host.bot.create_group("Team")
            link = await group.create_link()
            await join(group, await party.meet(host, alice), alice, Role.MEMBER)
            await group.invite(await party.meet(host, bob))
            await bob.event("receivedGroupInvitation")
        # Bob joins while the host is away, and Carol asks at the link.
        await bob.command("/j #Team")
        async with party.program("Carol") as carol:
            await carol.command(f"/c {link}")
            await alice.command("#Team is the host there?")
            async with party.host() as host:
                (group,) = await host.bot.groups()
                assert group.link == link
                await bob.event("userJoinedGroup")
                await carol.event("userJoinedGroup")
                assert (await host.next(GroupMessage)).text == "is the host there?"
                for name in ("Alice", "Bob", "Carol"):
                    await until_present(group, name)
                await group.send("I am back")
                for each in (alice, bob, carol):
                    await each.item("I am back")
        async with party.host() as host:
            # Carol is away now, and hears it later.
            (group,) = await host.bot.groups()
            await bob.event("connectedToGroupMember", partial(is_about, "Alice"))
            await bob.command("#Team hello, all")
            await alice.item("hello, all")
            await until_present(group, "Carol")
            async with party.program("Carol") as carol:
                await carol.item("hello, all")
