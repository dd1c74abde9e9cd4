"""Bots that read channels, of an owner and relays that are simulated."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from attrs import define, evolve

from simplex_trio.chat.errors import CannotJoin, NotAGroup, NotAllowed
from simplex_trio.chat.group_changes import (
    GroupChanged,
    GroupEnded,
    MemberBlocked,
    MemberLeft,
    MemberProfileChanged,
    RoleChanged,
)
from simplex_trio.chat.group_message_changes import (
    GroupMessageDeleted,
    GroupMessageEdited,
    GroupReactionChanged,
)
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group, Member
from simplex_trio.chat.looking import LinkKind
from simplex_trio.chat.machine.channels import joining
from simplex_trio.chat.machine.channels.joining import begin_channel
from simplex_trio.chat.machine.channels.links import read_channel
from simplex_trio.chat.machine.file_records import FileState, FileStore, OfferedFile, file_mark
from simplex_trio.chat.machine.groups import leaving
from simplex_trio.chat.machine.groups.records import GroupStatus
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.messages.batches import as_forward
from simplex_trio.chat.messages.bodies import Forwarded, Received, encode_batch
from simplex_trio.chat.messages.channel_events import XGrpRelayNew
from simplex_trio.chat.messages.content import File, Text
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import (
    Emoji,
    MemberScope,
    XFileCancel,
    XInfo,
    XMsgDel,
    XMsgFileDescr,
    XMsgNew,
    XMsgReact,
    XMsgUpdate,
)
from simplex_trio.chat.messages.files import FileDescr, FileInvitation
from simplex_trio.chat.messages.group_events import (
    GroupLinkInvitation,
    MemberIdRole,
    MemberInfo,
    MemberRestrictions,
    Restriction,
    XGrpDel,
    XGrpInfo,
    XGrpLeave,
    XGrpLinkMem,
    XGrpMemDel,
    XGrpMemIntro,
    XGrpMemNew,
    XGrpMemRestrict,
    XGrpMemRole,
    XGrpPrefs,
)
from simplex_trio.chat.messages.group_profiles import (
    GroupPreferences,
    GroupProfile,
    Role,
)
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.signing import MemberSigner, verify
from simplex_trio.crypto.keys import Ed25519PublicKey
from simplex_trio.duplex.errors import CannotSend
from simplex_trio.wire.duplex.links import parse_link
from simplex_trio.wire.duplex.short_links import ShortContactLink

from .channels import OWNER_ID, TIME, Relay, Stage, open_stage
from .hosted import group_handlers
from .people import Person, open_quiet_bot

Clock = trio.testing.MockClock


@define(eq=False)
class News:
    """A channel, and a bot that reads it."""

    stage: Stage
    bot: Person
    group: Group

    @property
    def relay(self) -> Relay:
        return self.stage.relays[0]

    async def passes_on(self, *elements: Received) -> None:
        await self.relay.passes_on(*elements)

    async def nothing(self) -> None:
        """Nothing more happens to the bot."""
        await trio.sleep(60)
        assert self.bot.heard() == []

    def said(self, event: type[Event], relay: Relay | None = None) -> list[Received]:
        """What the bot has said to a relay."""
        return [
            each
            for each in (relay or self.relay).heard
            if isinstance(each, Received)
            and isinstance(each.message, ChatMessage)
            and isinstance(each.message.event, event)
        ]


async def arrived(stage: Stage) -> None:
    """Wait until a bot is connected with all relays."""
    for each in stage.relays:
        await each.until(lambda each=each: len(each.subscribers) > 0)  # type: ignore[misc]
    await trio.sleep(10)


@asynccontextmanager
async def open_news(relays: int = 1, **options: Any) -> AsyncIterator[News]:
    async with open_stage(relays) as stage, open_bot_on(stage, **options) as bot:
        await bot.bot.join(stage.channel.link)
        group = await bot.next(Group)
        await arrived(stage)
        yield News(stage, bot, group)


@asynccontextmanager
async def open_bot_on(stage: Stage, **options: Any) -> AsyncIterator[Person]:
    handlers, told = group_handlers()
    own = {"handlers": handlers, "address": False} | options
    async with open_quiet_bot(stage.quiet, "Bot", **own) as bot:
        yield Person(bot, told)


def history(element: Received, at: int = TIME - 1000) -> ChatMessage:
    by = element.forwarded
    assert by is not None
    return as_forward(evolve(element, forwarded=evolve(by, seconds=at)))


# --- coming in ----------------------------------------------------------------------------------


async def test_a_channel_is_joined_through_all_of_its_relays(autojump_clock: Clock) -> None:
    async with open_stage(3) as stage, open_bot_on(stage) as bot:
        await stage.show(*stage.relays, subscribers=7)
        looked = await bot.bot.look(stage.channel.link)
        assert (looked.kind, looked.can_join, looked.joined) == (LinkKind.CHANNEL, True, None)
        assert (looked.can_connect, looked.subscriber_count) == (False, 7)
        asked = await bot.bot.join(stage.channel.link, alias="the news")
        assert (asked.is_channel, asked.name, asked.status) == (
            *(True, "the news"),
            GroupStatus.JOINING,
        )
        joined = await bot.next(Group)
        assert (joined.id, joined.status, joined.role) == (
            *(asked.id, GroupStatus.READY),
            Role.OBSERVER,
        )
        assert (joined.is_subscriber, joined.subscriber_count) == (True, 7)
        await arrived(stage)
        # It is the same member everywhere, and is told of once.
        asked_as = [each for relay in stage.relays for each in relay.asked]
        assert len({(each.new_member_id, each.new_member_key) for each in asked_as}) == 1
        assert len(asked_as) == 3
        assert sorted(each.name for each in await joined.relays() if each.is_connected) == [
            *("relay0", "relay1"),
            "relay2",
        ]
        [owner] = await joined.members()
        assert (owner.id, owner.role) == (OWNER_ID, Role.OWNER)
        assert (await bot.bot.join(stage.channel.link)).id == joined.id
        again = (await bot.bot.look(stage.channel.link)).joined
        assert again is not None
        assert again.id == joined.id
        await trio.sleep(3600)
        assert bot.heard() == []
        assert len(await bot.bot.agent.connections()) == 3


@pytest.mark.parametrize("is_only", [True, False])
async def test_a_relay_that_does_not_answer_is_given_up(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch, is_only: bool
) -> None:
    monkeypatch.setattr(joining, "PATIENCE", 1800)
    async with open_stage(1 if is_only else 2) as stage, open_bot_on(stage) as bot:
        stage.relays[0].is_silent = True
        await bot.bot.join(stage.channel.link)
        joined = await bot.next(Group)
        assert joined.status is (GroupStatus.NOT_JOINED if is_only else GroupStatus.READY)
        await trio.sleep(2 * 3600)
        assert [each.name for each in await joined.relays()] == ([] if is_only else ["relay1"])


async def test_relays_that_cannot_be_reached_are_asked_later(autojump_clock: Clock) -> None:
    async with open_stage(1) as stage, open_bot_on(stage) as bot:
        link = parse_link(stage.channel.link)
        assert isinstance(link, ShortContactLink)
        found = read_channel(link, await bot.bot.agent.look(link))
        settings = bot.bot._core.settings
        # As if the program had ended in the call.
        begin = partial(begin_channel, link=str(link), found=found, incognito=False, alias="")
        await bot.bot._core.step(lambda store: begin(GroupStore(store), settings))
        stage.quiet.stop()
        await trio.sleep(600)
        assert stage.relays[0].asked == []
        await stage.quiet.start()
        assert (await bot.next(Group)).status is GroupStatus.READY


@pytest.mark.parametrize("is_last", [True, False])
async def test_relays_that_let_nobody_in(autojump_clock: Clock, is_last: bool) -> None:
    def as_another(said: GroupLinkInvitation) -> GroupLinkInvitation:
        return evolve(said, from_member=MemberIdRole(b"another", Role.RELAY))

    def for_another(said: GroupLinkInvitation) -> GroupLinkInvitation:
        return evolve(said, invited_member=MemberIdRole(b"another", Role.OBSERVER))

    def of_another(said: GroupLinkInvitation) -> GroupLinkInvitation:
        public = said.group_profile.public_group
        assert public is not None
        other = evolve(public, public_group_id=bytes(32))
        return evolve(said, group_profile=evolve(said.group_profile, public_group=other))

    async with open_stage(4) as stage, open_bot_on(stage) as bot:
        bad = [as_another, for_another, of_another]
        for relay, says in zip(stage.relays, bad, strict=False):
            relay.says = says
        await stage.show(*stage.relays[: 3 if is_last else 4])
        await bot.bot.join(stage.channel.link)
        group = await bot.next(Group)
        assert group.status is (GroupStatus.NOT_JOINED if is_last else GroupStatus.READY)
        await trio.sleep(600)
        names = [each.name for each in await group.relays()]
        assert names == ([] if is_last else ["relay3"])
        assert len(await bot.bot.agent.connections()) == len(names)


async def test_a_role_that_a_relay_gives_is_not_much(autojump_clock: Clock) -> None:
    def promoted(said: GroupLinkInvitation) -> GroupLinkInvitation:
        own = evolve(said.invited_member, member_role=Role.OWNER)
        profile = evolve(said.group_profile, display_name="renamed")
        return evolve(said, invited_member=own, group_profile=profile)

    async with open_stage() as stage, open_bot_on(stage) as bot:
        stage.relays[0].says = promoted
        await bot.bot.join(stage.channel.link)
        group = await bot.next(Group)
        assert (group.role, group.name) == (Role.OBSERVER, "news")


async def test_links_that_do_not_hold_together(autojump_clock: Clock) -> None:
    async with open_stage(1) as stage, open_bot_on(stage) as bot:
        profile, link = stage.channel.profile, stage.channel.link
        public = profile.public_group
        assert public is not None
        others = [
            evolve(public, public_group_id=bytes(32)),
            evolve(public, group_link=stage.relays[0].link),
            evolve(public, group_link="nonsense"),
        ]
        for other in others:
            await stage.show(*stage.relays, profile=evolve(profile, public_group=other))
            with pytest.raises(CannotJoin):
                await bot.bot.join(link)
        await stage.show()
        with pytest.raises(CannotJoin, match="no relays"):
            await bot.bot.join(link)
        with pytest.raises(NotAGroup):
            await bot.bot.join(stage.relays[0].link)
        await stage.show(evolve_link(stage.relays[0], link))
        with pytest.raises(CannotJoin):  # the channel is no relay of itself
            await bot.bot.join(link)
        assert await bot.bot.groups() == []
        assert await bot.bot.agent.connections() == []


def evolve_link(relay: Relay, link: str) -> Relay:
    return Relay(9, relay.agent, b"", link, relay.key)


# --- posts --------------------------------------------------------------------------------------


async def test_posts_are_heard_once_from_several_relays(autojump_clock: Clock) -> None:
    async with open_news(2) as news:
        channel = news.stage.channel
        elements = [
            channel.post("hello"),
            channel.unsigned(XMsgNew(Text("as the channel too"), as_group=True)),
            channel.unsigned("as the owner"),
        ]
        for relay in news.stage.relays:
            await relay.passes_on(*elements)
        heard = [await news.bot.next(GroupMessage) for _ in elements]
        assert [(each.text, each.member.name, each.member.is_channel) for each in heard] == [
            ("hello", "news", True),
            ("as the channel too", "news", True),
            ("as the owner", heard[2].member.name, False),
        ]
        assert heard[2].member.id == OWNER_ID
        assert heard[0].received_at == TIME
        assert heard[0].as_quote().msg_ref.member_id is None
        assert not heard[0].is_history
        with pytest.raises(NotAllowed):
            await heard[0].reply("no")
        with pytest.raises(NotAllowed):
            await heard[0].delete()
        await heard[0].react("👍")
        for relay in news.stage.relays:
            await relay.until(lambda relay=relay: bool(news.said(XMsgReact, relay)))  # type: ignore[misc]
            [reaction] = news.said(XMsgReact, relay)
            assert isinstance(reaction.message, ChatMessage)
            event = reaction.message.event
            assert isinstance(event, XMsgReact)
            assert (event.msg_id, event.member_id) == (heard[0].id, None)

        post_id = heard[0].id
        assert post_id is not None
        await news.passes_on(
            channel.post(XMsgUpdate(post_id, Text("hello again"))),
            channel.unsigned(XMsgReact(post_id, Emoji("👍"), True), by=b"reader"),
            channel.post(XMsgDel(post_id)),
        )
        edited = await news.bot.next(GroupMessageEdited)
        assert (edited.member.is_channel, edited.message_id) == (True, post_id)
        reaction_told = await news.bot.next(GroupReactionChanged)
        assert reaction_told.member.name == "name"
        assert reaction_told.author is not None
        assert reaction_told.author.is_channel
        deleted = await news.bot.next(GroupMessageDeleted)
        assert deleted.by.is_channel
        await news.nothing()


async def test_what_was_said_before_is_history(autojump_clock: Clock) -> None:
    async with open_news(2) as news:
        channel = news.stage.channel
        before = [
            history(channel.post("first")),
            history(channel.unsigned("by a member that was", by=b"writer")),
        ]
        for relay in news.stage.relays:
            await relay.sends(encode_batch(Received(each) for each in before))
        first = await news.bot.next(GroupMessage)
        assert (first.text, first.is_history, first.received_at) == ("first", True, TIME - 1000)
        second = await news.bot.next(GroupMessage)
        assert (second.text, second.member.id, second.is_history) == (
            *("by a member that was", b"writer"),
            True,
        )
        # What is not content is no history.
        await news.relay.says_itself(history(channel.signed(XGrpDel())).event)
        await news.relay.says_itself(history(channel.unsigned(XGrpMemDel(b"writer"))).event)
        await news.nothing()


async def test_members_that_may_write(autojump_clock: Clock) -> None:
    async with open_news() as news:
        channel = news.stage.channel
        writer = channel.member(b"writer")
        await news.passes_on(channel.unsigned("not yet", by=writer.member_id))
        await news.nothing()
        promoted = XGrpMemRole(
            writer.member_id, Role.MEMBER, writer.key.public.der, roster_version=3
        )
        await news.passes_on(channel.signed(promoted))
        changed = await news.bot.next(RoleChanged)
        assert changed.member is not None
        assert (changed.member.id, changed.role, changed.by.id) == (
            *(writer.member_id, Role.MEMBER),
            OWNER_ID,
        )
        info = MemberInfo(writer.member_id, Role.OWNER, Profile("Wilma"))
        await news.relay.says_itself(XGrpMemNew(info))
        await news.passes_on(channel.unsigned("now", by=writer.member_id))
        heard = await news.bot.next(GroupMessage)
        assert (heard.text, heard.member.name, heard.member.role) == ("now", "Wilma", Role.MEMBER)
        await news.passes_on(channel.unsigned(XInfo(Profile("Wilhelmina")), by=writer.member_id))
        await news.nothing()
        await news.passes_on(channel.signed(XInfo(Profile("Willa")), by=writer))
        profile = await news.bot.next(MemberProfileChanged)
        assert (profile.profile.display_name, profile.before.display_name) == ("Willa", "Wilma")

        # An older version of the list is no news.
        demoted = XGrpMemRole(writer.member_id, Role.OBSERVER, roster_version=2)
        await news.passes_on(channel.signed(demoted))
        await news.nothing()
        blocked = MemberRestrictions(Restriction.BLOCKED)
        await news.passes_on(channel.signed(XGrpMemRestrict(writer.member_id, blocked)))
        assert (await news.bot.next(MemberBlocked)).member.is_blocked
        await news.passes_on(channel.unsigned("blocked", by=writer.member_id))
        await news.passes_on(channel.signed(XGrpMemDel(writer.member_id, roster_version=4)))
        left = await news.bot.next(MemberLeft)
        assert left.by is not None
        assert (left.member.id, left.by.id) == (writer.member_id, OWNER_ID)
        await news.passes_on(channel.unsigned("gone", by=writer.member_id))
        await news.nothing()


async def test_the_bot_may_write(autojump_clock: Clock) -> None:
    async with open_news(2) as news:
        channel, group = news.stage.channel, news.group
        own_id = news.relay.asked[0].new_member_id
        with pytest.raises(NotAllowed):
            await group.send("not yet")
        await news.passes_on(channel.signed(XGrpMemRole(own_id, Role.MEMBER)))
        changed = await news.bot.next(RoleChanged)
        assert (changed.member, changed.role, changed.before) == (
            *(None, Role.MEMBER),
            Role.OBSERVER,
        )
        group = changed.group
        assert not group.is_subscriber
        await group.send("my post")
        await news.bot.bot.set_profile("Reporter")
        await group.send("another")
        for relay in news.stage.relays:
            await relay.until(lambda relay=relay: len(news.said(XMsgNew, relay)) == 2)  # type: ignore[misc]
            [info] = news.said(XInfo, relay)
            assert info.signed is not None
            key = Ed25519PublicKey.from_der(relay.asked[0].new_member_key)
            verify(info.signed, key, channel.public_id, own_id)
        # What relays give back of it is nothing new.
        [first, _] = news.said(XMsgNew)
        await news.passes_on(evolve(first, forwarded=Forwarded(TIME, own_id, "Bot")))
        await news.nothing()
        with pytest.raises(NotAllowed):
            await group.set_profile(GroupProfile("mine"))
        await news.relay.says_itself(XGrpLeave(), signed=True)
        await news.stage.relays[1].says_itself(XGrpLeave(), signed=True)
        await trio.sleep(60)
        with pytest.raises(CannotSend):
            await group.send("to whom?")


async def test_a_conversation_with_the_owner(autojump_clock: Clock) -> None:
    async with open_news() as news:
        channel, own_id = news.stage.channel, news.relay.asked[0].new_member_id
        question = XMsgNew(Text("how do you like it?"), scope=MemberScope(own_id))
        elsewhere = XMsgNew(Text("for another one"), scope=MemberScope(READER))
        await news.passes_on(channel.unsigned(question), channel.unsigned(elsewhere))
        heard = await news.bot.next(GroupMessage)
        assert (heard.text, heard.member.id) == ("how do you like it?", OWNER_ID)
        assert heard.support is not None
        assert heard.support.is_own
        await heard.answer("very much")  # which takes no role
        await news.relay.until(lambda: bool(news.said(XMsgNew)))
        [answer] = news.said(XMsgNew)
        assert isinstance(answer.message, ChatMessage)
        event = answer.message.event
        assert isinstance(event, XMsgNew)
        assert (event.content.text, event.scope) == ("very much", MemberScope(own_id))
        await news.nothing()


# --- files --------------------------------------------------------------------------------------


async def test_each_relay_has_a_description_of_a_file(autojump_clock: Clock) -> None:
    async with open_news(3) as news:
        channel, (first, second, third) = news.stage.channel, news.stage.relays

        async def known(msg_id: bytes) -> OfferedFile:
            await trio.sleep(10)
            mark = file_mark(msg_id, b"")
            found = await news.bot.bot._core.step(
                lambda store: FileStore(store).get(news.group.id, mark), durable=False
            )
            assert found is not None
            return found

        def part(msg_id: bytes, number: int, is_last: bool) -> Received:
            text = FileDescr("text", number, is_last)
            return channel.post(XMsgFileDescr(msg_id, text))

        file = FileInvitation("notes.txt", 1000, file_descr=FileDescr("", 0, False))
        for post_id in (b"first", b"other"):
            post = XMsgNew(File("read"), file=file)
            for relay in news.stage.relays:
                await relay.passes_on(channel.post(post, post_id))
            message = await news.bot.next(GroupMessage)
            assert message.file is not None
            assert message.file.name == "notes.txt"
        await first.passes_on(part(b"first", 1, False))
        assert (await known(b"first")).described_by == first.member_id
        await second.passes_on(part(b"first", 1, False))  # another one, which is not complete
        assert (await known(b"first")).described_by == first.member_id
        await third.passes_on(part(b"first", 1, True))
        found = await known(b"first")
        assert (found.described_by, found.is_described) == (third.member_id, True)
        await first.passes_on(part(b"first", 2, True))
        assert await known(b"first") == found
        # Its owner may take it back as the channel, or as the owner that it is.
        for post_id, cancel in (
            (b"first", channel.post(XFileCancel(b"first"))),
            (b"other", channel.unsigned(XFileCancel(b"other"))),
        ):
            await first.passes_on(cancel)
            assert (await known(post_id)).state is FileState.TAKEN_BACK
        await news.nothing()


# --- the channel --------------------------------------------------------------------------------


async def test_owners_change_the_channel(autojump_clock: Clock) -> None:
    async with open_news(2) as news:
        channel = news.stage.channel
        renamed = evolve(channel.profile, display_name="olds")
        element = channel.signed(XGrpInfo(renamed))
        for relay in news.stage.relays:
            await relay.passes_on(element)
        changed = await news.bot.next(GroupChanged)
        assert (changed.group.name, changed.by.id) == ("olds", OWNER_ID)
        await news.passes_on(channel.signed(XGrpInfo(channel.profile)))
        assert (await news.bot.next(GroupChanged)).group.name == "news"
        await news.passes_on(element)  # a relay repeats what was said before
        await news.nothing()
        await news.passes_on(channel.signed(XGrpPrefs(GroupPreferences())))
        await news.bot.next(GroupChanged)
        await news.passes_on(channel.signed(XGrpDel()), channel.post("too late"))
        ended = await news.bot.next(GroupEnded)
        assert (ended.group.status, ended.by.id) == (GroupStatus.DELETED, OWNER_ID)
        await news.nothing()
        assert await news.bot.bot.agent.connections() == []
        await ended.group.forget()
        assert await news.bot.bot.groups() == []


async def test_the_bot_is_removed(autojump_clock: Clock) -> None:
    async with open_news(2) as news:
        own_id = news.relay.asked[0].new_member_id
        await news.passes_on(news.stage.channel.signed(XGrpMemDel(own_id)))
        assert (await news.bot.next(GroupEnded)).group.status is GroupStatus.REMOVED
        await trio.sleep(60)
        assert await news.bot.bot.agent.connections() == []
        again = await news.bot.bot.join(news.stage.channel.link)
        assert again.id != news.group.id
        assert (await news.bot.next(Group)).id == again.id
        assert news.relay.asked[1].new_member_id != own_id
        assert news.relay.asked[1].new_member_key != news.relay.asked[0].new_member_key


async def test_leaving_is_signed(autojump_clock: Clock) -> None:
    async with open_news(2) as news:
        await news.group.leave()
        assert news.group.status is GroupStatus.LEFT
        for relay in news.stage.relays:
            await relay.until(lambda relay=relay: bool(news.said(XGrpLeave, relay)))  # type: ignore[misc]
            [left] = news.said(XGrpLeave, relay)
            assert left.signed is not None
            asked = relay.asked[0]
            key = Ed25519PublicKey.from_der(asked.new_member_key)
            verify(left.signed, key, news.stage.channel.public_id, asked.new_member_id)
        await trio.sleep(60)
        assert await news.bot.bot.agent.connections() == []
        await news.group.leave()
        again = await news.bot.bot.join(news.stage.channel.link, incognito=True)
        assert again.is_incognito
        assert (await news.bot.next(Group)).id == again.id
        assert news.relay.asked[1].profile.display_name != "Bot"


# --- relays -------------------------------------------------------------------------------------


async def test_relays_come_and_go(autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "LOOK_PERIOD", 900)
    async with open_stage(3) as stage, open_bot_on(stage) as bot:
        first, second, third = stage.relays
        await stage.show(first)
        await bot.bot.join(stage.channel.link)
        group = await bot.next(Group)

        async def names() -> list[str]:
            await trio.sleep(60)
            return sorted(each.name for each in await group.relays() if each.is_connected)

        await first.until(lambda: bool(first.subscribers))
        channel = stage.channel
        added = channel.signed(XGrpRelayNew(second.link))
        await first.passes_on(added, added)
        assert await names() == ["relay0", "relay1"]
        await second.passes_on(channel.post("hello"))
        assert (await bot.next(GroupMessage)).text == "hello"
        await first.says_itself(XGrpLeave())  # not signed
        assert await names() == ["relay0", "relay1"]
        await first.says_itself(XGrpLeave(), signed=True)
        assert await names() == ["relay1"]
        await stage.show(second, third)  # the link is read again
        await trio.sleep(1200)
        assert await names() == ["relay1", "relay2"]
        await stage.show(third)
        await trio.sleep(1200)
        assert await names() == ["relay2"]
        await third.passes_on(channel.signed(XGrpMemDel(third.member_id)))
        assert await names() == []
        assert (await bot.bot.group(group.id)).status is GroupStatus.READY
        assert await bot.bot.agent.connections() == []
        assert bot.heard() == []


async def test_a_relay_that_goes_without_a_word_is_asked_again(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "HEARS_OUT", 1800)
    monkeypatch.setattr(joining, "LOOK_PERIOD_ALONE", 600)
    async with open_news() as news:
        relay = news.relay
        await relay.passes_on(news.stage.channel.post("hello"))
        heard = await news.bot.next(GroupMessage)
        for each in relay.subscribers.values():
            await relay.agent.delete(each)
        await trio.sleep(60)
        await heard.react("👍")
        await trio.sleep(60)
        assert not any(each.is_connected for each in await news.group.relays())
        with pytest.raises(CannotSend):
            await heard.react("🚀")
        await trio.sleep(3 * 3600)
        assert [each.is_connected for each in await news.group.relays()] == [True]
        assert len(relay.asked) == 2
        await relay.passes_on(news.stage.channel.post("again"))
        assert (await news.bot.next(GroupMessage)).text == "again"
        await news.nothing()


# --- what is not believed -----------------------------------------------------------------------

READER = b"reader"


def _forged(news: News, event: Event, kind: str) -> Received:
    channel = news.stage.channel
    good = channel.signed(event)
    assert good.signed is not None
    assert isinstance(good.message, ChatMessage)
    match kind:
        case "not signed":
            return evolve(good, signed=None)
        case "another key":
            return channel.signed(event, by=channel.member(OWNER_ID))
        case "another channel":
            other = MemberSigner(bytes(32), OWNER_ID, channel.owner.key)
            return channel.signed(event, by=other)
        case "another author":
            return evolve(good, forwarded=Forwarded(TIME, READER, "name"))
        case "the relay itself":
            relay = news.relay
            signer = MemberSigner(channel.public_id, relay.member_id, relay.key)
            return channel.signed(event, by=signer)
        case "the channel":
            return evolve(good, forwarded=Forwarded(TIME))
        case "another binding":
            return evolve(good, signed=evolve(good.signed, binding=b"D"))
        case "too many signatures":
            return evolve(good, signed=evolve(good.signed, signatures=good.signed.signatures * 5))
        case "a bad one among good ones":
            bad = (*good.signed.signatures, bytes(64))
            return evolve(good, signed=evolve(good.signed, signatures=bad))
        case "directly":
            return evolve(good, forwarded=None)
        case _:
            raise AssertionError(kind)


@pytest.mark.parametrize(
    "kind",
    [
        "not signed",
        "another key",
        "another channel",
        "another author",
        "the relay itself",
        "the channel",
        "another binding",
        "too many signatures",
        "a bad one among good ones",
        "directly",
    ],
)
async def test_a_relay_cannot_change_the_channel(autojump_clock: Clock, kind: str) -> None:
    async with open_news(2) as news:
        channel = news.stage.channel
        own_id = news.relay.asked[0].new_member_id
        other = news.stage.relays[1].member_id
        blocked = MemberRestrictions(Restriction.BLOCKED)
        await news.passes_on(channel.unsigned(XMsgReact(b"id", Emoji("👍"), True), by=READER))
        await news.bot.next(GroupReactionChanged)
        events: list[Event] = [
            XGrpDel(),
            XGrpInfo(evolve(channel.profile, display_name="mine")),
            XGrpPrefs(GroupPreferences()),
            XGrpMemDel(own_id),
            XGrpMemDel(other),
            XGrpMemDel(READER),
            XGrpMemRole(own_id, Role.MEMBER),
            XGrpMemRole(READER, Role.ADMIN),
            XGrpMemRole(OWNER_ID, Role.OBSERVER),
            XGrpMemRestrict(READER, blocked),
            XGrpRelayNew(news.stage.relays[1].link),
        ]
        if kind != "another author":
            events += [XInfo(Profile("Somebody")), XGrpLeave()]
        for event in events:
            forged = _forged(news, event, kind)
            if kind == "the relay itself" and isinstance(event, XInfo | XGrpLeave):
                continue  # which are about the relay
            if kind == "directly" and isinstance(event, XGrpLeave):
                continue
            await news.passes_on(forged)
        await news.nothing()
        group = await news.bot.bot.group(news.group.id)
        assert (group.status, group.name, group.role) == (
            *(GroupStatus.READY, "news"),
            Role.OBSERVER,
        )
        assert len(await group.relays()) == 2
        owner = await group.member(OWNER_ID)
        assert owner is not None
        assert owner.role is Role.OWNER
        # The true one is believed after the forged ones.
        await news.passes_on(channel.signed(XGrpInfo(evolve(channel.profile, display_name="x"))))
        assert (await news.bot.next(GroupChanged)).group.name == "x"


async def test_who_a_relay_says_that_members_are(autojump_clock: Clock) -> None:
    async with open_news() as news:
        channel, relay = news.stage.channel, news.relay
        mallory = channel.member(b"mallory")
        key = mallory.key.public.der
        for role in (Role.OWNER, Role.ADMIN, Role.MODERATOR, Role.MEMBER):
            signer = channel.member(role.encode())
            der = signer.key.public.der
            info = MemberInfo(signer.member_id, role, Profile(role), member_key=der)
            await relay.says_itself(XGrpMemIntro(info), XGrpMemNew(info))
            renamed = XGrpInfo(evolve(channel.profile, display_name="mine"))
            await relay.passes_on(
                channel.signed(renamed, by=signer),
                channel.signed(XGrpMemDel(relay.asked[0].new_member_id), by=signer),
            )
        # Neither the owner nor the program nor a relay is another one.
        for member_id in (OWNER_ID, relay.asked[0].new_member_id, relay.member_id):
            info = MemberInfo(member_id, Role.MEMBER, Profile("Olga"), member_key=key)
            restrictions = MemberRestrictions(Restriction.BLOCKED)
            await relay.says_itself(XGrpMemIntro(info, restrictions), XGrpMemNew(info))
        signer = MemberSigner(channel.public_id, OWNER_ID, mallory.key)
        await relay.passes_on(channel.signed(XGrpDel(), by=signer))
        await relay.says_itself(XGrpLinkMem(Profile("Relay")))
        await news.nothing()
        members = {each.id: each for each in await news.group.members()}
        assert {each.role for each in members.values()} == {
            *(Role.OWNER, Role.MODERATOR),
            Role.MEMBER,
        }
        assert members[OWNER_ID].role is Role.OWNER
        assert members[OWNER_ID].name == "Olga"  # which is all that a relay says of it
        assert not members[OWNER_ID].is_blocked
        assert [each.name for each in await news.group.relays()] == ["Relay"]
        # What an owner says of a key counts more than what a relay says.
        reader = channel.member(READER)
        info = MemberInfo(READER, Role.OBSERVER, Profile("Rita"), member_key=key)
        await relay.says_itself(XGrpMemNew(info))
        admin = XGrpMemRole(READER, Role.ADMIN, reader.key.public.der)
        await relay.passes_on(channel.signed(admin))
        assert (await news.bot.next(RoleChanged)).role is Role.ADMIN
        poisoned = MemberSigner(channel.public_id, READER, mallory.key)
        await relay.passes_on(channel.signed(XGrpMemDel(b"member"), by=poisoned))
        await news.nothing()
        await relay.passes_on(channel.signed(XGrpMemDel(b"member"), by=reader))
        assert (await news.bot.next(MemberLeft)).member.id == b"member"
        # Owners with older apps do not say which key it is.
        info = MemberInfo(b"second", Role.OBSERVER, Profile("Sam"), member_key=key)
        await relay.says_itself(XGrpMemNew(info))
        await relay.passes_on(channel.signed(XGrpMemRole(b"second", Role.ADMIN)))
        assert (await news.bot.next(RoleChanged)).role is Role.ADMIN
        poisoned = MemberSigner(channel.public_id, b"second", mallory.key)
        await relay.passes_on(channel.signed(XGrpMemDel(READER), by=poisoned))
        await news.nothing()


async def test_ids_that_nobody_can_have(autojump_clock: Clock) -> None:
    async with open_news() as news:
        channel, relay = news.stage.channel, news.relay
        own_id = relay.asked[0].new_member_id
        for member_id in (own_id, relay.member_id, b"", b"x" * 255):
            await relay.passes_on(channel.unsigned("forged", by=member_id))
            await relay.passes_on(channel.unsigned(XMsgUpdate(b"id", Text("forged")), by=member_id))
        far = channel.post("in another time", at=2**62)
        early = channel.post("long ago", at=-(2**62))
        await relay.passes_on(far, early)
        times = [(await news.bot.next(GroupMessage)) for _ in range(2)]
        assert all(0 <= each.received_at < TIME + 3600 * 24 * 365 for each in times)
        assert all(each.as_quote() for each in times)
        await relay.sends(b"=\xff garbage")
        await relay.sends(b"F\x00\x02id\x01data")
        await relay.sends(b"{}")
        await news.nothing()
        assert {each.id for each in await news.group.members()} == {OWNER_ID}


async def test_a_member_with_a_known_key_has_to_sign_rightly(autojump_clock: Clock) -> None:
    async with open_news() as news:
        channel, relay = news.stage.channel, news.relay
        reader = channel.member(READER)
        info = MemberInfo(READER, Role.OBSERVER, Profile("Rita"), member_key=reader.key.public.der)
        await relay.says_itself(XGrpMemNew(info))
        wrong = channel.member(READER)
        await relay.passes_on(channel.signed(XInfo(Profile("Mallory")), by=wrong))
        await relay.passes_on(channel.signed(XGrpLeave(), by=wrong))
        await news.nothing()
        await relay.passes_on(channel.signed(XInfo(Profile("Ria")), by=reader))
        assert (await news.bot.next(MemberProfileChanged)).profile.display_name == "Ria"
        await relay.passes_on(channel.signed(XGrpLeave(), by=reader))
        assert (await news.bot.next(MemberLeft)).member.id == READER
        assert isinstance((await news.group.members())[0], Member)
