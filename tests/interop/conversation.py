"""A bot and the chat program, connected as the apps do it, with all that they say recorded."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import define

from simplex_trio.chat import (
    Allow,
    Bot,
    Contact,
    IncomingMessage,
    Preference,
    Preferences,
    Profile,
    TimedMessages,
    open_bot,
)
from simplex_trio.chat.messages.events import XInfoProbe
from tests.chat.people import Person, listening
from tests.interop.chat_program import ChatProgram, open_chat_program
from tests.interop.conftest import named
from tests.interop.recording import Recorder
from tests.interop.test_chat_contacts import picture_of_a_square

__all__ = ["PROFILE", "SQUARE", "WELCOME", "Conversation", "open_conversation"]

SQUARE = picture_of_a_square()

YES = Preference(Allow.YES)

PROFILE = Profile(
    "Recorder",
    short_descr="Writes down what is said",
    image=SQUARE,
    preferences=Preferences(
        voice=YES, calls=YES, files=YES, full_delete=YES, timed_messages=TimedMessages(Allow.YES)
    ),
)

WELCOME = "Welcome, try /weather"


@define(eq=False)
class Conversation:
    """A bot and the program, which are connected, and what they say."""

    recorder: Recorder
    person: Person
    program: ChatProgram
    folder: Path
    contact_id: int
    """The bot, for the program."""
    contact: Contact
    """The program, for the bot."""

    @property
    def bot(self) -> Bot:
        return self.person.bot

    async def says(self, options: str = "", **message: Any) -> dict[str, Any]:
        """The program sends any content; returns its item."""
        message = {"mentions": {}} | message
        answer = await self.program.command(
            f"/_send @{self.contact_id} {options}json {json.dumps([message])}"
        )
        item: dict[str, Any] = answer["chatItems"][0]["chatItem"]
        return item

    async def says_text(self, text: str) -> tuple[int, IncomingMessage]:
        """The program sends text; returns its item's id, and the message that arrives."""
        item = await self.program.send(self.contact_id, text)
        return item["meta"]["itemId"], await self.person.next(IncomingMessage)

    async def file(self, name: str, size: int) -> Path:
        path = self.folder / name
        async with await trio.open_file(path, "wb") as stream:
            await stream.truncate(size)
        return path


@asynccontextmanager
async def open_conversation(
    recorder: Recorder, router: str, xftp: str, folder: Path
) -> AsyncIterator[Conversation]:
    """Both sides, connected as the apps do it: with a look at the link and a first message."""
    handlers, told = listening()

    @handlers.command
    async def weather(message: IncomingMessage, town: str) -> None:
        """The weather in a town."""

    await trio.Path(folder / "inbox").mkdir()
    options: dict[str, Any] = {"servers": [router], "xftp_servers": [xftp]}
    async with (
        open_bot(
            *(folder / "bot.db",),
            profile=PROFILE,
            welcome=WELCOME,
            handlers=handlers,
            folder=folder / "inbox",
            **options,
        ) as bot,
        open_chat_program(
            named("SIMPLEX_TRIO_CHAT"), router, folder / "program", xftp=xftp
        ) as program,
    ):
        person = Person(bot, told)
        await bot.agent.drain()
        with recorder.action("the app scans an address, and connects with a first message"):
            answer = await program.command(f"/_connect plan 1 {bot.address}")
            link = answer["connLink"]
            data = answer["connectionPlan"]["contactAddressPlan"]["contactSLinkData_"]
            prepared = await program.command(
                f"/_prepare contact 1 {link['connFullLink']} {link['connShortLink']} "
                f"{json.dumps(data)}"
            )
            contact_id = prepared["chat"]["chatInfo"]["contact"]["contactId"]
            await program.command(f"/_connect contact @{contact_id} text may I come in?")
            await program.event("contactConnected")
            contact = await person.next(Contact)
            assert (await person.next(IncomingMessage)).text == "may I come in?"
            await recorder.heard(XInfoProbe)
        yield Conversation(recorder, person, program, folder, contact_id, contact)
