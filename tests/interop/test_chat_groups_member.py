"""Bots that come into groups of people, whose chat programs are their hosts and members.

SIMPLEX_TRIO_CHAT is the path of the program, SIMPLEX_TRIO_ROUTER the router.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from attrs import define

from simplex_trio.chat import Handlers, open_bot
from simplex_trio.chat.group_changes import (
    GroupEnded,
)
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group
from simplex_trio.chat.looking import LinkKind
from simplex_trio.chat.machine.groups.records import GroupStatus
from simplex_trio.chat.messages.group_profiles import Role
from tests.chat.hosted import group_handlers
from tests.chat.people import Person
from tests.interop.chat_program import ChatProgram, open_chat_program
from tests.interop.conftest import named


@define(eq=False)
class Meeting:
    """Programs, and a bot, each of which can be ended and started again."""

    router: str
    folder: Path

    @asynccontextmanager
    async def program(self, name: str) -> AsyncIterator[ChatProgram]:
        path = named("SIMPLEX_TRIO_CHAT")
        folder = self.folder / name
        async with open_chat_program(path, self.router, folder, name=name) as program:
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
        assert looked.group is not None
        assert looked.group.display_name == "team"
        assert (await bot.bot.look(link["connFullLink"])).kind is LinkKind.GROUP

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
