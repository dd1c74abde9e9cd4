"""What bots and people with chat programs say to each other in groups.

SIMPLEX_TRIO_CHAT is the path of the program, SIMPLEX_TRIO_ROUTER the router.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
from attrs import define

from simplex_trio.chat import DeliveryState
from simplex_trio.chat.files import GroupFile
from simplex_trio.chat.group_message_changes import (
    GroupMessageDeleted,
    GroupMessageEdited,
    GroupReactionChanged,
    GroupReport,
)
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group
from simplex_trio.chat.machine.groups.deliveries import Reach
from simplex_trio.chat.messages.group_profiles import (
    GroupPreference,
    GroupPreferences,
    Role,
    Switch,
)
from simplex_trio.xftp import open_xftp_router
from tests.chat.hosted import group_handlers
from tests.chat.people import Person
from tests.interop.chat_program import ChatProgram, open_chat_program
from tests.interop.conftest import named
from tests.interop.driver import PATIENCE
from tests.interop.test_chat import Both
from tests.interop.test_chat_groups_host import Party, join

THUMB = '{"type":"emoji","emoji":"👍"}'
CONTENT = Random(5).randbytes(70_000)


async def say(
    program: ChatProgram,
    text: str,
    *,
    scope: str = "",
    quote: int | None = None,
    mentions: Mapping[str, int] | None = None,
) -> int:
    """Have a program say something to its group; returns the number of the item."""
    message: dict[str, Any] = {
        "msgContent": {"type": "text", "text": text},
        "mentions": dict(mentions or {}),
    }
    if quote is not None:
        message["quotedItemId"] = quote
    answer = await program.command(f"/_send #1{scope} json {json.dumps([message])}")
    number: int = answer["chatItems"][0]["chatItem"]["meta"]["itemId"]
    return number


async def number_of(program: ChatProgram, text: str) -> int:
    """The number of the item of a message that comes."""
    number: int = (await program.item(text))["meta"]["itemId"]
    return number


async def members_of(program: ChatProgram) -> dict[str, int]:
    """The numbers of the members of a program's group, by their names."""
    found = (await program.command("/_members #1"))["group"]["members"]
    return {each["localDisplayName"]: each["groupMemberId"] for each in found}


async def edited_to(program: ChatProgram, text: str) -> None:
    def is_it(event: dict[str, Any]) -> bool:
        return bool(event["chatItem"]["chatItem"]["meta"]["itemText"] == text)

    await program.event("chatItemUpdated", is_it)


async def is_deleted(program: ChatProgram, number: int) -> None:
    def is_it(event: dict[str, Any]) -> bool:
        found = event["chatItemDeletions"]
        return any(
            each["deletedChatItem"]["chatItem"]["meta"]["itemId"] == number for each in found
        )

    await program.event("chatItemsDeleted", is_it)


async def message_of(bot: Person, text: str) -> GroupMessage:
    """A message that the bot gets; others are for others."""
    while True:
        message = await bot.next(GroupMessage)
        if message.text == text:
            return message


@define(eq=False)
class Table:
    """A bot that is host, Alice and Bob, who is a moderator."""

    bot: Person
    group: Group
    alice: ChatProgram
    bob: ChatProgram


@asynccontextmanager
async def open_table(router: str, tmp_path: Path, **options: Any) -> AsyncIterator[Table]:
    party = Party(Both(router, tmp_path), ("Alice", "Bob"))
    async with (
        party.host(**options) as host,
        party.program("Alice") as alice,
        party.program("Bob") as bob,
    ):
        group = await host.bot.create_group("Team")
        on = GroupPreference(Switch.ON)
        await group.set_preferences(GroupPreferences(full_delete=on, reports=on, support=on))
        for program, role in ((alice, Role.MEMBER), (bob, Role.MODERATOR)):
            await join(group, await party.meet(host, program), program, role)
        for program in (alice, bob):
            await program.event("connectedToGroupMember")
        yield Table(host, group, alice, bob)


async def test_messages_of_the_bot(router: str, tmp_path: Path) -> None:
    async with open_table(router, tmp_path) as table:
        sent = await table.group.send("helo")
        numbers = {each: await number_of(each, "helo") for each in (table.alice, table.bob)}
        with trio.fail_after(PATIENCE):
            assert await sent.wait() is DeliveryState.DELIVERED
        assert await sent.reach() == Reach(2, sent=2, delivered=2)
        await sent.edit("hello")
        await edited_to(table.alice, "hello")
        await table.alice.command(f"/_reaction #1 {numbers[table.alice]} on {THUMB}")
        reaction = await table.bot.next(GroupReactionChanged)
        assert (reaction.member.name, reaction.emoji, reaction.added) == ("Alice", "👍", True)
        assert reaction.message is not None
        assert reaction.message.id == sent.id
        answered = await say(table.bob, "hello you", quote=numbers[table.bob])
        answer = await message_of(table.bot, "hello you")
        assert answer.quoted is not None
        assert answer.quoted.content.text == "hello"
        await answer.react("👍")
        await table.bob.event("chatItemReaction", lambda event: event["added"])
        await answer.reply("how are you?")
        item = await table.bob.item("how are you?")
        assert item["quotedItem"]["itemId"] == answered
        async with table.group.live() as live:
            await live.write("one")
            await table.alice.item("one")
            await live.write(", two")
        await edited_to(table.alice, "one, two")
        await sent.delete()
        for program, number in numbers.items():
            await is_deleted(program, number)


async def test_messages_of_people(router: str, tmp_path: Path) -> None:
    async with open_table(router, tmp_path) as table:
        number = await say(table.alice, "helo")
        message = await message_of(table.bot, "helo")
        at_bob = await number_of(table.bob, "helo")
        await table.alice.command(f"/_update item #1 {number} text hello")
        edited = await table.bot.next(GroupMessageEdited)
        assert (edited.message_id, edited.content.text) == (message.id, "hello")
        await table.bob.command(f"/_reaction #1 {at_bob} on {THUMB}")
        reaction = await table.bot.next(GroupReactionChanged)
        assert reaction.author is not None
        assert (reaction.member.name, reaction.author.name) == ("Bob", "Alice")
        await table.bob.command(f"/_delete member item #1 {at_bob}")
        deleted = await table.bot.next(GroupMessageDeleted)
        assert deleted.author is not None
        assert (deleted.by.name, deleted.author.name) == ("Bob", "Alice")
        assert deleted.message_id == message.id
        # The bot moderates what Bob says, and Alice deletes what she has said.
        number = await say(table.bob, "spam")
        await (await message_of(table.bot, "spam")).delete()
        await is_deleted(table.bob, number)
        number = await say(table.alice, "oops")
        message = await message_of(table.bot, "oops")
        await table.alice.command(f"/_delete item #1 {number} broadcast")
        deleted = await table.bot.next(GroupMessageDeleted)
        assert deleted.message_id == message.id
        assert deleted.author is not None
        assert deleted.author.id == deleted.by.id == message.member.id


async def test_mentions(router: str, tmp_path: Path) -> None:
    async with open_table(router, tmp_path) as table:
        members = await members_of(table.alice)
        host = next(name for name in members if name not in ("Alice", "Bob"))
        await say(
            table.alice,
            f"@'{host}' and @Bob, hello",
            mentions={host: members[host], "Bob": members["Bob"]},
        )
        message = await table.bot.next(GroupMessage)
        assert message.mentions_me
        assert {name: each.name for name, each in message.mentions.items()} == {"Bob": "Bob"}
        assert message.said_to_me == "and @Bob, hello"
        bob = message.mentions["Bob"]
        await message.group.send(f"{bob.mention} is not here", mentions=[bob])
        item = await table.bob.item("@Bob is not here")
        assert item["meta"]["userMention"]
        assert item["mentions"]["Bob"]["memberRef"]["displayName"] == "Bob"


async def test_members_talk_with_the_admins(router: str, tmp_path: Path) -> None:
    async with open_table(router, tmp_path) as table:
        await say(table.alice, "may I ask?", scope="(_support)")
        message = await table.bot.next(GroupMessage)
        assert message.support is not None
        assert not message.support.is_own
        assert message.support.member_id == message.member.id
        await table.bob.item("may I ask?")
        answer = await message.reply("yes")
        item = await table.alice.item("yes")
        assert item["quotedItem"]["content"]["text"] == "may I ask?"
        await table.bob.item("yes")
        await answer.edit("yes, please")
        await edited_to(table.alice, "yes, please")
        members = await members_of(table.bob)
        await say(table.bob, "what is it?", scope=f"(_support:{members['Alice']})")
        message = await table.bot.next(GroupMessage)
        assert message.member.name == "Bob"
        assert message.support is not None
        assert message.support.member_id != message.member.id
        await table.alice.item("what is it?")


async def test_reports(router: str, tmp_path: Path) -> None:
    async with open_table(router, tmp_path) as table:
        number = await say(table.bob, "buy this")
        spam = await message_of(table.bot, "buy this")
        await table.alice.command(
            f"/_report #1 {await number_of(table.alice, 'buy this')} reason=spam look"
        )
        report = await table.bot.next(GroupReport)
        assert (report.member.name, report.reason, report.text) == ("Alice", "spam", "look")
        assert report.author is not None
        assert (report.author.name, report.message_id) == ("Bob", spam.id)
        await report.answer("thank you")
        await table.alice.item("thank you")
        await report.delete_message()
        await is_deleted(table.bob, number)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "received"
    found.mkdir()
    return found


async def test_files(router: str, tmp_path: Path, folder: Path) -> None:
    async with open_xftp_router() as own:
        xftp = str(own.address)
        party = Party(Both(router, tmp_path), ("Alice",))
        chat = named("SIMPLEX_TRIO_CHAT")
        program = open_chat_program(chat, router, tmp_path / "Alice", name="Alice", xftp=xftp)
        async with (
            party.host(xftp_servers=[xftp], folder=folder, receive_up_to=100_000) as host,
            program as alice,
        ):
            group = await host.bot.create_group("Team")
            await join(group, await party.meet(host, alice), alice, Role.MEMBER)
            sent = await group.send_file(CONTENT, name="notes.bin", text="notes")
            item = await alice.item("notes")
            with trio.fail_after(PATIENCE):
                assert await sent.wait(DeliveryState.SENT) is not DeliveryState.FAILED
            await alice.receive(item, tmp_path / "notes.bin")
            assert (tmp_path / "notes.bin").read_bytes() == CONTENT
            (tmp_path / "mine.bin").write_bytes(CONTENT[::-1])
            message = {
                "fileSource": {"filePath": str(tmp_path / "mine.bin")},
                "msgContent": {"type": "file", "text": "mine"},
                "mentions": {},
            }
            await alice.command(f"/_send #1 json {json.dumps([message])}")
            said = await host.next(GroupMessage)
            assert said.file is not None
            assert (said.file.name, said.file.member.name) == ("mine.bin", "Alice")
            received = await host.next(GroupFile)
            assert received.path is not None
            assert received.path.read_bytes() == CONTENT[::-1]


async def test_the_bot_as_member(router: str, tmp_path: Path) -> None:
    """All goes through the host, that passes it on to another member."""
    handlers, told = group_handlers()
    both = Both(router, tmp_path)
    party = Party(both, ("Alice", "Bob"))
    async with (
        both.bot(handlers) as person,
        party.program("Alice") as alice,
        party.program("Bob") as bob,
    ):
        bot = Person(person.bot, told)
        await alice.command("/g #team")
        contact = await party.meet(bot, alice)
        assert contact.name == "Alice"
        chats = await alice.command("/contacts")
        named_bot = next(
            each for each in chats["contacts"] if each["profile"]["displayName"] == "Weather bot"
        )
        await alice.command(f"/_add #1 {named_bot['contactId']} member")
        group = await bot.next(Group)
        link = (await alice.command("/create link #team"))["groupLink"]["connLinkContact"]
        await bob.command(f"/c {link.get('connShortLink') or link['connFullLink']}")
        await bob.event("userJoinedGroup")
        await say(bob, "hello, bot")
        message = await message_of(bot, "hello, bot")
        await message.reply("hello, Bob")
        item = await bob.item("hello, Bob")
        assert item["quotedItem"]["content"]["text"] == "hello, bot"
        await message.react("👍")
        await bob.event("chatItemReaction", lambda event: event["added"])
        await group.support.send("may I?")
        await alice.item("may I?")
        members = await members_of(alice)
        await say(alice, "you may", scope=f"(_support:{members['Weather bot']})")
        answer = await message_of(bot, "you may")
        assert answer.support is not None
        assert answer.support.is_own
        number = await say(alice, "rules")
        await message_of(bot, "rules")
        await alice.command(f"/_update item #1 {number} text new rules")
        assert (await bot.next(GroupMessageEdited)).content.text == "new rules"
        sent = await group.send("a bad word")
        await alice.command(f"/_delete member item #1 {await number_of(alice, 'a bad word')}")
        deleted = await bot.next(GroupMessageDeleted)
        assert (deleted.message_id, deleted.by.name) == (sent.id, "Alice")
        assert deleted.message is not None


async def test_the_bot_and_a_member_are_away_for_a_while(router: str, tmp_path: Path) -> None:
    party = Party(Both(router, tmp_path), ("Alice", "Bob"))
    async with party.program("Bob") as bob:
        async with party.host() as host, party.program("Alice") as alice:
            group = await host.bot.create_group("Team")
            for program in (alice, bob):
                await join(group, await party.meet(host, program), program, Role.MEMBER)
            for program in (alice, bob):
                await program.event("connectedToGroupMember")
            sent = await group.send("hello")
            await alice.item("hello")
            at_bob = await number_of(bob, "hello")
        # Without the bot and Alice, Bob goes on.
        await bob.command(f"/_reaction #1 {at_bob} on {THUMB}")
        number = await say(bob, "is anyone here?", quote=at_bob)
        await bob.command(f"/_update item #1 {number} text are you here?")
        async with party.host() as host:
            (group,) = await host.bot.groups()
            reaction = await host.next(GroupReactionChanged)
            assert reaction.message is not None
            assert reaction.message.id == sent.id
            message = await message_of(host, "is anyone here?")
            assert message.quoted is not None
            edited = await host.next(GroupMessageEdited)
            assert (edited.message_id, edited.content.text) == (message.id, "are you here?")
            answer = await message.reply("I am")
            await bob.item("I am")
            with trio.fail_after(PATIENCE):
                while True:
                    if (await answer.reach()).delivered:
                        break
                    await trio.sleep(0.1)
            assert await answer.reach() == Reach(2, sent=2, delivered=1)
            async with party.program("Alice") as alice:
                await alice.item("I am")
                with trio.fail_after(PATIENCE):
                    assert await answer.wait() is DeliveryState.DELIVERED
