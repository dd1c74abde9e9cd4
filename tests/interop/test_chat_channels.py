"""Bots that read channels, whose owners, relays and other subscribers are chat programs.

SIMPLEX_TRIO_CHAT is the path of the program of the owner and the relays, SIMPLEX_TRIO_ROUTER the
router for queues and SIMPLEX_TRIO_XFTP one for files.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field

from simplex_trio.chat import NotAllowed, open_bot
from simplex_trio.chat.group_changes import (
    GroupChanged,
    GroupEnded,
    RoleChanged,
)
from simplex_trio.chat.group_message_changes import (
    GroupMessageDeleted,
    GroupMessageEdited,
    GroupReactionChanged,
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
from tests.interop.driver import PATIENCE
from tests.interop.test_chat_recorded import version_of


@define(eq=False)
class Broadcast:
    """An owner with a channel, its relays, and whoever reads it."""

    router: str
    folder: Path
    stack: AsyncExitStack
    is_old: bool
    owner: ChatProgram = field(init=False)
    relays: list[ChatProgram] = field(factory=list)
    addresses: list[str] = field(factory=list)
    link: str = ""

    async def program(self, name: str, *, relay: bool = False) -> ChatProgram:
        xftp = os.environ.get("SIMPLEX_TRIO_XFTP")
        options: dict[str, Any] = {} if xftp is None else {"xftp": xftp}
        return await self.stack.enter_async_context(
            open_chat_program(
                *(named("SIMPLEX_TRIO_CHAT"), self.router, self.folder / name),
                name=name,
                relay=relay,
                **options,
            )
        )

    async def add_relay(self, name: str) -> None:
        relay = await self.program(name, relay=True)
        shown = await relay.command("/sa")
        self.relays.append(relay)
        self.addresses.append(shown["contactLink"]["connLinkContact"]["connShortLink"])

    async def post(self, text: str) -> dict[str, Any]:
        """Post as the channel."""
        message = [{"msgContent": {"type": "text", "text": text}, "mentions": {}}]
        answer = await self.owner.command(f"/_send #1(as_group=on) json {json.dumps(message)}")
        item: dict[str, Any] = answer["chatItems"][0]["chatItem"]
        return item

    @asynccontextmanager
    async def bot(self, name: str = "Bot", **options: Any) -> AsyncIterator[Person]:
        handlers, told = group_handlers()
        own: dict[str, Any] = {"profile": name, "handlers": handlers, "address": False}
        path = self.folder / f"{name}.db"
        async with open_bot(path, servers=[self.router], **own | options) as bot:
            yield Person(bot, told)


@asynccontextmanager
async def open_broadcast(
    router: str, folder: Path, relays: int, *, spare: int = 0
) -> AsyncIterator[Broadcast]:
    is_old = " v6" in await version_of(named("SIMPLEX_TRIO_CHAT"))
    async with AsyncExitStack() as stack:
        news = Broadcast(router, folder, stack, is_old)
        for number in range(relays + spare):
            await news.add_relay(f"relay{number}")
        news.owner = await news.program("Owner")
        named_relays = enumerate(news.addresses[:relays])
        listed = " ".join(f"name=r{n} {link}" for n, link in named_relays)
        await news.owner.command(f"/relays {listed}")
        ids = ",".join(str(n + 1) for n in range(relays))
        await news.owner.command(f"/public group relays={ids} #news The news")

        def all_active(event: dict[str, Any]) -> bool:
            states = [each["relayStatus"] for each in event["groupRelays"]]
            return states == ["active"] * relays

        await news.owner.event("groupLinkDataUpdated", all_active)
        shown = await news.owner.command("/show link #news")
        news.link = shown["groupLink"]["connLinkContact"]["connShortLink"]
        yield news


async def connected(group: Group, count: int) -> None:
    with trio.fail_after(PATIENCE):
        while sum(each.is_connected for each in await group.relays()) != count:  # noqa: ASYNC110
            await trio.sleep(0.1)


@pytest.mark.parametrize("relays", [1, 2])
async def test_a_bot_reads_a_channel(router: str, tmp_path: Path, relays: int) -> None:
    async with open_broadcast(router, tmp_path, relays) as news, news.bot() as bot:
        await news.post("before you came")
        for relay in news.relays:
            await relay.event("newChatItems")
        looked = await bot.bot.look(news.link)
        assert (looked.kind, looked.can_connect) == (LinkKind.CHANNEL, False)
        assert looked.group is not None
        assert (looked.group.display_name, looked.subscriber_count) == ("news", 1)

        asked = await bot.bot.join(news.link)
        joined = await bot.next(Group)
        assert (asked.id, joined.name, joined.status) == (joined.id, "news", GroupStatus.READY)
        assert joined.is_subscriber
        await connected(joined, relays)
        assert (await bot.bot.join(news.link)).id == joined.id
        history = await bot.next(GroupMessage)
        assert (history.text, history.is_history) == ("before you came", True)
        assert history.member.is_channel

        posted = await news.post("hello")
        heard = await bot.next(GroupMessage)
        assert (heard.text, heard.member.name, heard.is_history) == ("hello", "news", False)
        await heard.react("👍")
        await news.owner.event("chatItemReaction")
        item_id = posted["meta"]["itemId"]
        await news.owner.command(f"/_update item #1 {item_id} text hello again")
        edited = await bot.next(GroupMessageEdited)
        assert (edited.message_id, edited.member.is_channel) == (heard.id, True)
        assert edited.content.text == "hello again"
        await news.owner.command(f"/_reaction #1 {item_id} on {json.dumps(HEART)}")
        reaction = await bot.next(GroupReactionChanged)
        assert (reaction.emoji, reaction.message_id) == ("❤", heard.id)
        assert reaction.author is not None
        assert reaction.author.is_channel
        await news.owner.command(f"/_delete item #1 {item_id} broadcast")
        assert (await bot.next(GroupMessageDeleted)).message_id == heard.id

        message = [{"msgContent": {"type": "text", "text": "as the owner"}, "mentions": {}}]
        await news.owner.command(f"/_send #1 json {json.dumps(message)}")
        heard = await bot.next(GroupMessage)
        assert (heard.text, heard.member.role) == ("as the owner", Role.OWNER)
        assert heard.member.name == "Owner"
        with pytest.raises(NotAllowed):
            await heard.reply("may I?")

        await news.owner.command("/gp #news news2 The news")
        changed = await bot.next(GroupChanged)
        assert (changed.group.name, changed.by.name) == ("news2", "Owner")
        await news.owner.command("/mr #news2 Bot member")
        role = await bot.next(RoleChanged)
        assert (role.member, role.role, role.by.name) == (None, Role.MEMBER, "Owner")
        await role.group.send("I may")
        await news.owner.item("I may")
        await bot.bot.set_profile("Reporter")
        await role.group.send("I am another")
        await news.owner.item("I am another")
        await news.owner.event("groupMemberUpdated")

        await news.owner.command("/d #news2")
        ended = await bot.next(GroupEnded)
        assert (ended.group.status, ended.by.name) == (GroupStatus.DELETED, "Owner")
        assert [each for each in bot.heard() if isinstance(each, GroupMessage)] == []
        with trio.fail_after(PATIENCE):
            while await bot.bot.agent.connections():  # noqa: ASYNC110
                await trio.sleep(0.1)


async def test_leaving_and_being_removed(router: str, tmp_path: Path) -> None:
    async with open_broadcast(router, tmp_path, 2) as news, news.bot() as bot:
        first = await bot.bot.join(news.link)
        await bot.next(Group)
        await connected(first, 2)
        await first.leave()
        assert first.status is GroupStatus.LEFT
        await news.owner.event("leftMember")
        again = await bot.bot.join(news.link, incognito=True)
        assert again.id != first.id
        assert (await bot.next(Group)).id == again.id
        await connected(again, 2)
        await news.post("welcome back")
        while (heard := await bot.next(GroupMessage)).is_history:
            pass
        assert heard.text == "welcome back"
        members = (await news.owner.command("/ms #news"))["group"]["members"]
        own = [each for each in members if each["memberRole"] == "observer"]
        name = next(each for each in own if each["memberStatus"] != "left")["localDisplayName"]
        assert name != "Bot"
        await news.owner.command(f"/rm #news {name}")
        ended = await bot.next(GroupEnded)
        assert (ended.group.id, ended.group.status) == (again.id, GroupStatus.REMOVED)
        assert ended.by.name == "Owner"


async def test_relays_come_and_go(router: str, tmp_path: Path) -> None:
    async with open_broadcast(router, tmp_path, 1, spare=1) as news, news.bot() as bot:
        if news.is_old:
            pytest.skip("the program cannot add relays")
        group = await bot.bot.join(news.link)
        await bot.next(Group)
        listed = " ".join(f"name=r{n} {link}" for n, link in enumerate(news.addresses))
        await news.owner.command(f"/relays {listed}")
        servers = await news.owner.command("/relays")
        ids = [
            each["chatRelayId"]
            for operator in servers["userServers"]
            for each in operator["chatRelays"]
            if each["relayProfile"]["displayName"] == "r1"
        ]
        await news.owner.command(f"/_add relays #1 {ids[-1]}")
        await connected(group, 2)
        await news.post("through both")
        assert (await bot.next(GroupMessage)).text == "through both"
        await news.relays[0].command("/l #news")
        await connected(group, 1)
        await news.post("through one")
        assert (await bot.next(GroupMessage)).text == "through one"
        assert [each.name for each in await group.relays()] == ["relay1"]
        await news.owner.command("/rm #news relay1")
        await connected(group, 0)
        assert (await bot.bot.group(group.id)).status is GroupStatus.READY
        assert [each for each in bot.heard() if isinstance(each, GroupMessage)] == []


async def test_a_bot_that_starts_again(router: str, tmp_path: Path) -> None:
    async with open_broadcast(router, tmp_path, 2) as news:
        async with news.bot() as bot:
            await bot.bot.join(news.link)
            joined = await bot.next(Group)
            await connected(joined, 2)
        await news.post("while you were away")
        await news.owner.command("/gp #news renamed The news")
        async with news.bot() as bot:
            assert (await bot.next(GroupMessage)).text == "while you were away"
            assert (await bot.next(GroupChanged)).group.name == "renamed"
            await news.post("now")
            assert (await bot.next(GroupMessage)).text == "now"


async def test_a_file_of_a_post(router: str, tmp_path: Path) -> None:
    xftp = named("SIMPLEX_TRIO_XFTP")
    async with open_broadcast(router, tmp_path, 2) as news:
        sent = tmp_path / "sent.txt"
        sent.write_bytes(os.urandom(100_000))
        async with (
            news.bot(xftp_servers=[xftp]) as bot,
            news.bot(xftp_servers=[xftp], name="Other") as other,
        ):
            readers = [bot, other]
            for each in readers:
                await each.bot.join(news.link)
                await connected(await each.next(Group), 2)
            file = {
                "fileSource": {"filePath": str(sent)},
                "msgContent": {"type": "file", "text": "read this"},
                "mentions": {},
            }
            await news.owner.command(f"/_send #1(as_group=on) json {json.dumps([file])}")
            # Each of them can have it, as none takes it away from the others.
            for number, each in enumerate(readers):
                heard = await each.next(GroupMessage)
                assert heard.file is not None
                place = tmp_path / f"received{number}"
                with trio.fail_after(PATIENCE):
                    await heard.file.save(place)
                assert place.read_bytes() == sent.read_bytes()


HEART = {"type": "emoji", "emoji": "❤"}
