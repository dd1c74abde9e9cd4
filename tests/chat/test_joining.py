"""Bots that come into groups by their links, whatever the hosts say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import define, evolve

from simplex_trio.chat.errors import (
    CannotJoin,
    LeadsToGroup,
    LinkIsOwn,
    MemberGone,
    NotAGroup,
    NotAllowed,
)
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group, Member
from simplex_trio.chat.looking import LinkKind
from simplex_trio.chat.machine.groups import leaving, links
from simplex_trio.chat.machine.groups.records import GroupStatus
from simplex_trio.chat.messages.addresses import GroupLinkData, group_client_data
from simplex_trio.chat.messages.bodies import decode_info, encode_info, pack
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import MemberScope, XContact, XInfo, XMsgNew, XOk
from simplex_trio.chat.messages.group_events import (
    Acceptance,
    GroupLinkInvitation,
    GroupLinkRejection,
    MemberIdRole,
    XGrpLinkAcpt,
    XGrpLinkInv,
    XGrpLinkMem,
    XGrpLinkReject,
)
from simplex_trio.chat.messages.group_profiles import GroupProfile, PublicGroup, Role
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.errors import LinkNotUsable
from simplex_trio.duplex.events import ConnectionReady, RequestReceived
from simplex_trio.wire.duplex.links import parse_link
from simplex_trio.wire.duplex.short_links import ContactKind, ShortContactLink
from tests.duplex.quiet import next_event, open_quiet

from .hosted import group_handlers, open_hosted, present
from .people import Person, open_quiet_bot

Clock = trio.testing.MockClock

TEAM = GroupProfile("Team")
CHANNEL = evolve(TEAM, public_group=PublicGroup("channel", "https://example.org", bytes(32)))
HOST, OWN = MemberIdRole(b"H" * 16, Role.OWNER), MemberIdRole(b"O" * 16, Role.MEMBER)
INVITATION = GroupLinkInvitation(HOST, "Host", OWN, TEAM, Acceptance.ACCEPTED)


@define(eq=False)
class Stage:
    """An agent that plays a host, and a bot that has asked to come in."""

    host: DuplexAgent
    bot: Person
    link: str
    group: Group
    request: RequestReceived
    connection_id: str = ""

    async def answer(self, event: Event) -> None:
        info = encode_info(ChatMessage(event), pq=False)
        self.connection_id = await self.host.accept(self.request, info, pq=False)

    async def let_in(self, **changes: object) -> None:
        await self.answer(XGrpLinkInv(evolve(INVITATION, **changes)))  # type: ignore[arg-type]
        await next_event(self.host, ConnectionReady)

    async def say(self, *events: Event) -> None:
        messages = [ChatMessage(each, b"%16d" % number) for number, each in enumerate(events)]
        for body in pack(messages, pq=False):
            await self.host.send(self.connection_id, body)


@asynccontextmanager
async def open_stage(shown: GroupProfile = TEAM) -> AsyncIterator[Stage]:
    handlers, told = group_handlers()
    async with (
        open_quiet() as quiet,
        quiet.open_agent() as host,
        open_quiet_bot(quiet, "Bot", handlers=handlers, address=False) as bot,
    ):
        made = await host.create_address(
            data=GroupLinkData(shown).encode(),
            client_data=group_client_data(bytes(16)),
            kind=ContactKind.GROUP,
            pq=False,
        )
        assert made.short_link is not None
        group = await bot.join(made.short_link)
        request = await next_event(host, RequestReceived)
        asked = decode_info(request.info).event
        assert isinstance(asked, XContact)
        assert (asked.profile.display_name, asked.profile.preferences) == ("Bot", None)
        yield Stage(host, Person(bot, told), made.short_link, group, request)


# --- with a host that behaves -------------------------------------------------------------------


async def test_a_link_is_looked_at_and_joined(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        host, (alice, bob) = hosted.host.bot, hosted.people
        group = await host.create_group("Team")
        link = await group.create_link()
        looked = await alice.bot.look(link)
        assert (looked.kind, looked.can_join, looked.can_connect) == (LinkKind.GROUP, True, False)
        assert looked.group == TEAM
        assert looked.joined is None
        own = await host.look(link)
        assert own.is_own
        assert own.joined is not None
        assert own.joined.id == group.id
        with pytest.raises(LinkIsOwn):
            await host.join(link)
        with pytest.raises(LeadsToGroup):
            await alice.bot.connect(link)
        with pytest.raises(NotAGroup):
            await alice.bot.join(host.address)

        asked = await alice.bot.join(link, alias="The team", connect_members=True)
        assert (await alice.bot.join(link)).id == asked.id
        joined = await alice.next(Group)
        assert (joined.id, joined.name, joined.status) == (asked.id, "The team", GroupStatus.READY)
        looked = await alice.bot.look(link)
        assert looked.joined is not None
        assert looked.joined.id == asked.id
        hidden = await bob.bot.join(link, incognito=True, connect_members=True)
        assert hidden.is_incognito
        bobs = await alice.next(Member)
        assert bobs.name != "Bob"
        await bob.next(Group)
        await hidden.send("who am I?")
        message = await alice.next(GroupMessage)
        assert (message.text, message.member.name) == ("who am I?", bobs.name)

        await joined.leave()
        again = await alice.bot.join(link)
        assert again.id != joined.id
        assert (await alice.next(Group)).status is GroupStatus.READY
        assert [each.status for each in await alice.bot.groups()] == [
            GroupStatus.LEFT,
            GroupStatus.READY,
        ]


async def test_a_changed_profile_is_told_before_the_next_message(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        alice, bob = hosted.people
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        await hosted.bring_in(group, 1)
        await of_alice.send("one")
        await alice.bot.set_profile("Alicia")
        await trio.sleep(60)
        assert {each.name for each in await group.members()} == {"Alice", "Bob"}
        await of_alice.send("two")
        for person in (hosted.host, bob):
            names = [(await person.next(GroupMessage)).member.name for _ in range(2)]
            assert names == ["Alice", "Alicia"]


# --- whatever the host says ---------------------------------------------------------------------


async def test_a_host_lets_the_bot_in(autojump_clock: Clock) -> None:
    async with open_stage() as stage:
        await stage.let_in()
        joined = await stage.bot.next(Group)
        assert (joined.status, joined.role) == (GroupStatus.READY, Role.MEMBER)
        profile = Profile("The host", short_descr="I host")
        await stage.say(XGrpLinkMem(profile), XGrpLinkMem(Profile("Another one")))
        host = await present(joined, "The host")
        assert (host.id, host.role, await host.profile()) == (HOST.member_id, Role.OWNER, profile)


async def test_a_host_approves_the_bot_in_two_steps(autojump_clock: Clock) -> None:
    async with open_stage() as stage:
        await stage.let_in(accepted=Acceptance.PENDING)
        waiting = await stage.bot.next(Group)
        assert waiting.status is GroupStatus.PENDING
        with pytest.raises(NotAllowed):
            await waiting.send("not yet")
        own = OWN.member_id
        await stage.say(XMsgNew(Text("3 + 4?"), scope=MemberScope(own)))
        question = await stage.bot.next(GroupMessage)
        assert (question.text, question.support is not None) == ("3 + 4?", True)
        forged = XGrpLinkAcpt(Acceptance.ACCEPTED, Role.MEMBER, b"X" * 16)
        review = XGrpLinkAcpt(Acceptance.PENDING_REVIEW, Role.MEMBER, own)
        await stage.say(forged, review, review)
        waiting = await stage.bot.next(Group)
        assert waiting.status is GroupStatus.IN_REVIEW
        accepted = XGrpLinkAcpt(Acceptance.ACCEPTED, Role.AUTHOR, own)
        await stage.say(accepted, accepted)
        joined = await stage.bot.next(Group)
        assert (joined.status, joined.role) == (GroupStatus.READY, Role.AUTHOR)
        await joined.send("thank you")
        await trio.sleep(60)
        assert not [each for each in stage.bot.heard() if isinstance(each, Group)]


REJECTION = XGrpLinkReject(GroupLinkRejection(HOST, OWN, TEAM, "blocked_name"))


@pytest.mark.parametrize(
    "answer",
    [
        REJECTION,
        XOk(),
        XInfo(Profile("Host")),
        XGrpLinkInv(evolve(INVITATION, group_profile=CHANNEL)),
        XGrpLinkInv(evolve(INVITATION, from_member=OWN)),
        XGrpLinkInv(evolve(INVITATION, from_member=MemberIdRole(b"", Role.OWNER))),
        XGrpLinkInv(evolve(INVITATION, invited_member=MemberIdRole(b"x" * 256, Role.MEMBER))),
    ],
    ids=lambda each: type(each).__name__,
)
async def test_a_host_does_not_let_the_bot_in(autojump_clock: Clock, answer: Event) -> None:
    async with open_stage() as stage:
        await stage.answer(answer)
        failed = await stage.bot.next(Group)
        assert failed.id == stage.group.id
        assert failed.status is GroupStatus.NOT_JOINED
        assert failed.rejection == ("blocked_name" if answer is REJECTION else None)
        await trio.sleep(60)
        assert await stage.bot.bot.agent.connections() == []
        await failed.forget()
        again = await stage.bot.bot.join(stage.link)
        assert again.id != failed.id


async def test_a_host_that_does_not_answer(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "PATIENCE", 6 * 3600)
    async with open_stage() as stage:
        await trio.sleep(5 * 3600)
        assert not [each for each in stage.bot.heard() if isinstance(each, Group)]
        await trio.sleep(3 * 3600)
        failed = await stage.bot.next(Group)
        assert (failed.status, failed.rejection) == (GroupStatus.NOT_JOINED, None)
        assert await stage.bot.bot.agent.connections() == []


async def test_a_bot_that_does_not_want_to_wait(autojump_clock: Clock) -> None:
    async with open_stage() as stage:
        await stage.let_in(accepted=Acceptance.PENDING)
        waiting = await stage.bot.next(Group)
        await waiting.leave()
        assert waiting.status is GroupStatus.LEFT
        await trio.sleep(60)
        assert await stage.bot.bot.agent.connections() == []


async def test_a_host_whose_connection_breaks_is_lost(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "HEARS_OUT", 3600)
    async with open_stage() as stage:
        await stage.let_in()
        joined = await stage.bot.next(Group)
        await stage.host.delete(stage.connection_id)
        await trio.sleep(60)
        await joined.send("is anybody there?")
        failed = await stage.bot.next(Group)
        assert failed.status is GroupStatus.LOST


async def test_links_of_channels_and_of_nothing(autojump_clock: Clock) -> None:
    async with open_quiet() as quiet, quiet.open_agent() as agent:
        handlers, _ = group_handlers()
        async with open_quiet_bot(quiet, "Bot", handlers=handlers, address=False) as bot:
            made = await agent.create_address(
                data=GroupLinkData(CHANNEL).encode(),
                client_data=group_client_data(bytes(16)),
                kind=ContactKind.GROUP,
                pq=False,
            )
            assert made.short_link is not None
            looked = await bot.look(made.short_link)
            assert (looked.kind, looked.can_join) == (LinkKind.CHANNEL, False)
            parsed = parse_link(made.short_link)
            assert isinstance(parsed, ShortContactLink)
            for channel in (parsed, evolve(parsed, kind=ContactKind.CHANNEL)):
                with pytest.raises(CannotJoin):
                    await bot.join(channel)
            await agent.delete(made.connection_id)
            await trio.sleep(60)
            for link in (made.short_link, made.link):
                with pytest.raises(LinkNotUsable):
                    await bot.join(link)
            assert await bot.groups() == []


async def test_a_question_to_a_host_that_is_lost_ends(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "HEARS_OUT", 3600)
    async with open_stage() as stage:
        gone = trio.Event()

        @stage.bot.bot._handlers.groups.command
        async def order(message: GroupMessage) -> None:
            with pytest.raises(MemberGone):
                await message.ask("What?")
            gone.set()

        await stage.let_in()
        await stage.bot.next(Group)
        await stage.say(XMsgNew(Text("/order")))
        await trio.sleep(60)
        await stage.host.delete(stage.connection_id)
        (group,) = await stage.bot.bot.groups()
        await trio.sleep(60)
        await group.send("hello?")
        with trio.fail_after(4 * 3600):
            await gone.wait()
