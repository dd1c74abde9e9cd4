"""Bots, and a chat program that people use, over a router that both use.

SIMPLEX_TRIO_CHAT is the path of the program, SIMPLEX_TRIO_ROUTER the router.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import define

from simplex_trio.chat import (
    Bot,
    Contact,
    ContactRequest,
    ContactStatus,
    DeliveryState,
    Handlers,
    IncomingMessage,
    MessageDeleted,
    MessageEdited,
    Profile,
    ProfileChanged,
    ReactionChanged,
    Text,
    open_bot,
)
from tests.chat.people import Person, listening
from tests.interop.chat_program import ChatProgram, open_chat_program
from tests.interop.conftest import named
from tests.interop.driver import PATIENCE

WELCOME = "Hello, I know the weather."
PROFILE = Profile("Weather bot", short_descr="Forecasts")


@define(eq=False)
class Both:
    """A bot and the program, each of which can be ended and started again."""

    router: str
    folder: Path

    @asynccontextmanager
    async def program(self) -> AsyncIterator[ChatProgram]:
        name = named("SIMPLEX_TRIO_CHAT")
        async with open_chat_program(name, self.router, self.folder / "program") as program:
            yield program

    @asynccontextmanager
    async def bot(self, handlers: Handlers | None = None, **options: Any) -> AsyncIterator[Person]:
        table, told = listening()
        if handlers is not None:
            handlers.include(table)
        own: dict[str, Any] = {
            "profile": PROFILE,
            "welcome": WELCOME,
            "handlers": handlers or table,
        }
        options = own | options
        async with open_bot(self.folder / "bot.db", servers=[self.router], **options) as bot:
            yield Person(bot, told)


async def plan(program: ChatProgram, link: str) -> dict[str, Any]:
    """What the program shows of a link before it connects."""
    answer = await program.command(f"/_connect plan 1 {link}")
    planned: dict[str, Any] = answer["connectionPlan"]
    return planned


async def connect(program: ChatProgram, link: str) -> int:
    """Connect to a link; returns the id of the contact."""
    await program.command(f"/c {link}")
    contact_id: int = (await program.event("contactConnected"))["contact"]["contactId"]
    return contact_id


def shown(link: dict[str, Any]) -> str:
    return str(link.get("connShortLink") or link["connFullLink"])


async def next_contact(bot: Bot) -> Contact:
    (contact,) = [each for each in await bot.contacts() if each.status is ContactStatus.READY]
    return contact


# --- connecting ---------------------------------------------------------------------------------


async def test_an_address_shows_who_the_bot_is(router: str, tmp_path: Path) -> None:
    handlers = Handlers()

    @handlers.command
    async def weather(message: IncomingMessage, town: str) -> None:
        """The weather in a town."""
        await message.reply(f"Rain in {town}")

    both = Both(router, tmp_path)
    async with both.bot(handlers) as bot, both.program() as program:
        await bot.bot.agent.drain()
        planned = await plan(program, bot.bot.address)
        data = planned["contactAddressPlan"]["contactSLinkData_"]
        assert data["message"] == {"type": "text", "text": WELCOME}
        profile = data["profile"]
        assert (profile["displayName"], profile["peerType"]) == ("Weather bot", "bot")
        assert profile["shortDescr"] == "Forecasts"
        assert profile["preferences"]["commands"][0] == {
            "type": "command",
            "keyword": "weather",
            "label": "The weather in a town",
            "params": "<town>",
        }
        contact = await connect(program, bot.bot.address)
        await program.item(WELCOME)
        assert (await bot.next(Contact)).name == "Alice"
        await program.send(contact, "/weather Oslo")
        await program.item("Rain in Oslo")


async def test_a_prepared_contact_shows_the_welcome_once(router: str, tmp_path: Path) -> None:
    both = Both(router, tmp_path)
    async with both.bot() as bot, both.program() as program:
        await bot.bot.agent.drain()
        answer = await program.command(f"/_connect plan 1 {bot.bot.address}")
        link = answer["connLink"]
        data = answer["connectionPlan"]["contactAddressPlan"]["contactSLinkData_"]
        prepared = await program.command(
            f"/_prepare contact 1 {link['connFullLink']} {link['connShortLink']} {json.dumps(data)}"
        )
        contact = prepared["chat"]["chatInfo"]["contact"]["contactId"]
        await program.command(f"/_connect contact @{contact} text may I come in?")
        await program.event("contactConnected")
        message = await bot.next(IncomingMessage)
        assert message.text == "may I come in?"
        await message.answer("come in")
        await program.item("come in")
        chat = await program.command(f"/_get chat @{contact} count=50")
        texts = [
            item["content"]["msgContent"]["text"]
            for item in chat["chat"]["chatItems"]
            if "msgContent" in item["content"]
        ]
        assert texts.count(WELCOME) == 1
        assert texts.count("may I come in?") == 1


async def test_a_request_is_decided_by_the_program(router: str, tmp_path: Path) -> None:
    both = Both(router, tmp_path)
    async with both.bot(accept_requests=False) as bot, both.program() as program:
        await bot.bot.agent.drain()
        await program.command(f"/c {bot.bot.address}")
        request = await bot.next(ContactRequest)
        assert request.contact.name == "Alice"
        await request.accept()
        await program.event("contactConnected")
        await program.item(WELCOME)


async def test_invitations_and_addresses_in_the_other_direction(
    router: str, tmp_path: Path
) -> None:
    both = Both(router, tmp_path)
    async with both.bot(address=False) as bot, both.program() as program:
        invitation = await bot.bot.invite()
        planned = await plan(program, invitation)
        data = planned["invitationLinkPlan"]["contactSLinkData_"]
        assert data["profile"]["displayName"] == "Weather bot"
        first = await connect(program, invitation)
        contacts = [await bot.next(Contact)]

        answer = await program.command("/_connect 1 incognito=off")
        await bot.bot.connect(shown(answer["connLinkInvitation"]))
        second = (await program.event("contactConnected"))["contact"]["contactId"]
        contacts.append(await bot.next(Contact))

        answer = await program.command("/ad")
        await bot.bot.connect(shown(answer["connLinkContact"]))
        request = await program.event("receivedContactRequest")
        await program.command(
            f"/_accept incognito=off {request['contactRequest']['contactRequestId']}"
        )
        third = (await program.event("contactConnected"))["contact"]["contactId"]
        contacts.append(await bot.next(Contact))

        for number, (contact, known) in enumerate(
            zip(contacts, (first, second, third), strict=True)
        ):
            assert contact.name == "Alice"
            sent = await contact.send(f"from the bot {number}")
            await program.item(f"from the bot {number}")
            with trio.fail_after(PATIENCE):
                assert await sent.wait() is DeliveryState.DELIVERED
            item = await program.send(known, f"to the bot {number}")
            assert (await bot.next(IncomingMessage)).text == f"to the bot {number}"
            await program.status(item, "sndRcvd")


# --- messages -----------------------------------------------------------------------------------


async def test_messages_with_all_that_can_happen_to_them(router: str, tmp_path: Path) -> None:
    both = Both(router, tmp_path)
    async with both.bot(welcome=None) as bot, both.program() as program:
        await bot.bot.agent.drain()
        there = await connect(program, bot.bot.address)
        contact = await bot.next(Contact)

        item = await program.send(there, "one")
        message = await bot.next(IncomingMessage)
        assert message.content == Text("one")
        await program.status(item, "sndRcvd")
        answer = await message.reply("two")
        answered = await program.item("two")
        assert answered["quotedItem"]["itemId"] == item["meta"]["itemId"]
        await program.send(there, "three", quote=answered["meta"]["itemId"])
        message = await bot.next(IncomingMessage)
        assert message.quote is not None
        assert message.quote.msg_ref.msg_id == answer.id
        assert not message.quote.msg_ref.sent
        assert message.quote.content == Text("two")

        number = item["meta"]["itemId"]
        await program.command(f"/_update item @{there} {number} text one, edited")
        edited = await bot.next(MessageEdited)
        assert edited.content == Text("one, edited")
        await program.command(
            f'/_reaction @{there} {answered["meta"]["itemId"]} on {{"type":"emoji","emoji":"🚀"}}'
        )
        reaction = await bot.next(ReactionChanged)
        assert (reaction.message_id, reaction.emoji, reaction.added) == (answer.id, "🚀", True)
        await program.command(f"/_delete item @{there} {number} broadcast")
        assert (await bot.next(MessageDeleted)).message_id == edited.message_id

        await message.react("❤")
        event = await program.event("chatItemReaction", lambda event: event["added"])
        assert event["reaction"]["chatReaction"]["reaction"] == {"type": "emoji", "emoji": "❤"}
        live = await contact.send("It", live=True)
        await program.item("It")
        await live.edit("It rains", live=True)
        await live.edit("It rains in Oslo")
        await program.event("chatItemUpdated", lambda event: "in Oslo" in json.dumps(event))
        await live.delete()
        await program.event("chatItemsDeleted")
        long = "x" * 14_000
        await contact.send(long)
        await program.item(long)
        await program.command("/p Alicia")
        assert (await bot.next(ProfileChanged)).profile.display_name == "Alicia"


async def test_the_program_tells_of_what_it_cannot_read(router: str, tmp_path: Path) -> None:
    both = Both(router, tmp_path)
    async with both.bot(welcome=None) as bot, both.program() as program:
        await bot.bot.agent.drain()
        there = await connect(program, bot.bot.address)
        contact = await bot.next(Contact)
        await contact.send("before it")
        await program.item("before it")
        assert program.complaints() == []
        connection_id = contact._record.connection_id
        await bot.bot._core.step(lambda store: store.t.send(connection_id, b"no message"))
        await contact.send("after it")
        await program.item("after it")
        assert len(program.complaints()) == 1
        await program.send(there, "still here")
        assert (await bot.next(IncomingMessage)).text == "still here"


async def test_contacts_are_deleted_by_either_side(router: str, tmp_path: Path) -> None:
    both = Both(router, tmp_path)
    async with both.bot(welcome=None) as bot, both.program() as program:
        await bot.bot.agent.drain()
        first = await connect(program, bot.bot.address)
        await bot.next(Contact)
        await program.command(f"/_delete @{first} full notify=on")
        gone = await bot.next(Contact)
        assert gone.name == "Alice"

        await connect(program, await bot.bot.invite())
        contact = await bot.next(Contact)
        await contact.delete()
        await program.event("contactDeletedByContact")
        with trio.fail_after(PATIENCE):
            while await bot.bot.contacts():  # noqa: ASYNC110 - nothing tells of it
                await trio.sleep(0.1)


# --- restarts -----------------------------------------------------------------------------------


async def test_both_sides_are_restarted(router: str, tmp_path: Path) -> None:
    both = Both(router, tmp_path)
    async with both.program() as program:
        async with both.bot() as bot:
            await bot.bot.agent.drain()
            there = await connect(program, bot.bot.address)
            await bot.next(Contact)
            await program.item(WELCOME)
        item = await program.send(there, "while you were away")
        async with both.bot() as bot:
            assert (await bot.next(IncomingMessage)).text == "while you were away"
            await program.status(item, "sndRcvd")
    async with both.bot() as bot:
        contact = await next_contact(bot.bot)
        sent = await contact.send("while you were away too")
        with trio.fail_after(PATIENCE):
            assert await sent.wait(DeliveryState.SENT) is DeliveryState.SENT
        async with both.program() as program:
            await program.item("while you were away too")
            with trio.fail_after(PATIENCE):
                assert await sent.wait() is DeliveryState.DELIVERED
    async with both.program() as program, both.bot(profile="New weather bot", welcome="Hi"):
        changed = await program.event("contactUpdated")
        assert changed["toContact"]["profile"]["displayName"] == "New weather bot"


async def test_messages_from_before_restarts_are_changed_after_them(
    router: str, tmp_path: Path
) -> None:
    both = Both(router, tmp_path)
    async with both.bot(welcome=None) as bot, both.program() as program:
        await bot.bot.agent.drain()
        there = await connect(program, bot.bot.address)
        await (await bot.next(Contact)).send("which town?")
        asked = (await program.item("which town?"))["meta"]["itemId"]
        item = await program.send(there, "Oslo")
        town = await bot.next(IncomingMessage)
        await program.status(item, "sndRcvd")
    answered = item["meta"]["itemId"]
    async with both.bot(welcome=None) as bot, both.program() as program:
        await program.command(f"/_update item @{there} {answered} text Bergen")
        edited = await bot.next(MessageEdited)
        assert (edited.message_id, edited.content) == (town.id, Text("Bergen"))
        emoji = '{"type":"emoji","emoji":"👍"}'
        await program.command(f"/_reaction @{there} {asked} on {emoji}")
        reaction = await bot.next(ReactionChanged)
        assert reaction.message is not None
        assert reaction.message.content == Text("which town?")
        await reaction.message.edit("which city?")
        await program.event("chatItemUpdated", lambda event: "which city?" in json.dumps(event))
    async with both.program() as program, both.bot(welcome=None) as bot:
        await program.send(there, "I said so", quote=asked)
        message = await bot.next(IncomingMessage)
        assert message.quoted is not None
        assert message.quoted.content == Text("which city?")
        await message.quoted.delete()
        deleted = await program.event("chatItemsDeleted")
        (gone,) = deleted["chatItemDeletions"]
        assert gone["deletedChatItem"]["chatItem"]["meta"]["itemId"] == asked
        await program.command(f"/_delete item @{there} {answered} broadcast")
        assert (await bot.next(MessageDeleted)).message_id == town.id
