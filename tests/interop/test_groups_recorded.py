"""All that members of a group say to each other is understood, and recorded.

SIMPLEX_TRIO_CHAT is the path of the chat program, SIMPLEX_TRIO_ROUTER the router for queues and
SIMPLEX_TRIO_XFTP one for files.  With SIMPLEX_TRIO_RECORDING, the path of a file such as
``tests/vectors/chat_groups_7_0.json.gz``, what was said is written there as test vectors, each test
replacing what it said before.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, evolve, field

from simplex_trio.chat.messages.addresses import AddressData, group_client_data
from simplex_trio.chat.messages.batches import as_forward, pack_forwarded, pack_group
from simplex_trio.chat.messages.bodies import Forwarded
from simplex_trio.chat.messages.content import Report, Text
from simplex_trio.chat.messages.events import (
    Emoji,
    MemberScope,
    Mention,
    MessageRef,
    Quote,
    XContact,
    XFileCancel,
    XInfo,
    XMsgDel,
    XMsgFileDescr,
    XMsgNew,
    XMsgReact,
    XMsgUpdate,
    XOk,
)
from simplex_trio.chat.messages.group_events import (
    Acceptance,
    BusinessChat,
    BusinessSide,
    GroupInvitation,
    GroupLinkInvitation,
    Introduction,
    MemberIdRole,
    MemberInfo,
    MemberRestrictions,
    Restriction,
    XGrpAcpt,
    XGrpDel,
    XGrpDirectInv,
    XGrpInfo,
    XGrpInv,
    XGrpLeave,
    XGrpLinkAcpt,
    XGrpLinkInv,
    XGrpLinkMem,
    XGrpMemCon,
    XGrpMemDel,
    XGrpMemFwd,
    XGrpMemInfo,
    XGrpMemIntro,
    XGrpMemInv,
    XGrpMemNew,
    XGrpMemRestrict,
    XGrpMemRole,
    XGrpPrefs,
)
from simplex_trio.chat.messages.group_profiles import (
    GroupPreference,
    GroupPreferences,
    GroupProfile,
    Role,
    Switch,
)
from simplex_trio.chat.messages.mentions import mentioned_members, write_mention
from simplex_trio.chat.messages.message import ChatMessage, XGrpMsgForward
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.scalars import ChatVersions, Timestamp
from simplex_trio.wire.duplex.links import parse_link
from simplex_trio.wire.duplex.requests import ContactURI
from tests.chat.messages.recorded import check_fields, check_info, check_values, check_versions
from tests.interop.chat_program import ChatProgram, open_chat_program
from tests.interop.conftest import named
from tests.interop.conversation import SQUARE
from tests.interop.raw_side import Heard, RawSide, new_id, open_raw_side
from tests.interop.recording import Recorder
from tests.interop.test_chat_recorded import version_of

PROFILE = Profile("Raw", image=SQUARE)
ALLOWED = GroupPreferences(
    direct_messages=GroupPreference(Switch.ON), history=GroupPreference(Switch.ON)
)


@define(eq=False)
class Stage:
    """A raw side, and chat programs."""

    raw: RawSide
    recorder: Recorder
    folder: Path
    router: str
    who: dict[str, str] = field(factory=dict)
    """The programs at the other ends of connections."""
    _stack: AsyncExitStack = field(factory=AsyncExitStack)

    async def program(self, name: str) -> ChatProgram:
        xftp = os.environ.get("SIMPLEX_TRIO_XFTP")
        options: dict[str, Any] = {} if xftp is None else {"xftp": xftp}
        return await self._stack.enter_async_context(
            open_chat_program(
                named("SIMPLEX_TRIO_CHAT"), self.router, self.folder / name, name=name, **options
            )
        )

    async def contact(self, program: ChatProgram, name: str) -> str:
        """Connect the raw side with a program; returns the connection's id."""
        answer = await program.command("/c")
        link = answer["connLinkInvitation"]["connFullLink"]
        connection = await self.raw.join(link, XInfo(PROFILE))
        self.who[connection] = name
        await self.raw.hear(XInfo, connection)
        await self.raw.ready(connection)
        await program.event("contactConnected")
        return connection


@asynccontextmanager
async def open_stage(scenario: str, router: str, folder: Path) -> AsyncIterator[Stage]:
    """A stage; what was said on it is checked at the end, and written where that is asked for."""
    recorder = Recorder()
    async with open_raw_side(recorder, router) as raw:
        stage = Stage(raw, recorder, folder, router)
        async with stage._stack:
            yield stage
    numbers = {recorder.number_of(connection): name for connection, name in stage.who.items()}
    for case in recorder.cases:
        case["name"] = f"{scenario}-{case['name']}"
        case["who"] = numbers.get(case["connection"])
        check_fields(case)
        check_values(case)
        check_info(case)
        check_versions(case)
    if path := os.environ.get("SIMPLEX_TRIO_RECORDING"):
        version = (await version_of(named("SIMPLEX_TRIO_CHAT"))).strip()
        merge(Path(path), scenario, recorder, version)


def merge(path: Path, scenario: str, recorder: Recorder, version: str) -> None:
    """Put the cases of a scenario into a file, in place of those of before."""
    kept = []
    if path.exists():
        cases = json.loads(gzip.decompress(path.read_bytes()))["cases"]
        kept = [each for each in cases if not each["name"].startswith(f"{scenario}-")]
    merged = Recorder(sorted([*kept, *recorder.cases], key=scenario_of))
    merged.write(path, f"{version}, and an agent of this package that a test speaks through")


def scenario_of(case: dict[str, Any]) -> str:
    scenario: str = case["name"].partition("-")[0]
    return scenario


def message(text: str, **extra: Any) -> str:
    """A message for ``/_send``."""
    content = {"type": "text", "text": text}
    return json.dumps([{"msgContent": content, "mentions": {}} | extra])


def text_is(text: str) -> Any:
    def fits(heard: Heard) -> bool:
        event = heard.event
        return isinstance(event, XMsgNew) and event.content == Text(text)

    return fits


async def items(program: ChatProgram, command: str) -> dict[str, Any]:
    """The item that a command has made in the conversation."""
    answer = await program.command(command)
    item: dict[str, Any] = answer["chatItems"][0]["chatItem"]
    return item


async def sees(program: ChatProgram, text: str) -> int:
    """The id of the item in which a message is shown."""
    item = await program.item(text)
    number: int = item["meta"]["itemId"]
    return number


# --- a member who is invited ----------------------------------------------------------------------


async def test_a_member_who_is_invited(router: str, tmp_path: Path) -> None:
    async with open_stage("member", router, tmp_path) as stage:
        raw, action = stage.raw, stage.recorder.action
        alice, bob = await stage.program("Alice"), await stage.program("Bob Smith")
        with action("alice connects"):
            contact = await stage.contact(alice, "alice")
        link = (await alice.command("/c"))["connLinkInvitation"]["connFullLink"]
        await bob.command(f"/c {link}")
        await bob.event("contactConnected")
        await alice.event("contactConnected")

        with action("alice creates a group and invites"):
            await alice.command("/g #team The team")
            await alice.command("/set welcome #team hello and welcome")
            await alice.command("/a #team Raw admin")
            invitation = (await raw.hear(XGrpInv, contact)).event.group_invitation
            own = invitation.invited_member.member_id
            alice_id = invitation.from_member.member_id
        with action("raw joins"):
            host = await raw.join(invitation.conn_request, XGrpAcpt(own))
            stage.who[host] = "alice in the group"
            await raw.hear(XOk, host)
            await raw.ready(host)
            await alice.event("joinedGroupMember")
        with action("alice invites bob, who joins"):
            await alice.command("/a #team @'Bob Smith'")
            await bob.event("receivedGroupInvitation")
            await bob.command("/j #team")
            bob_id = (await raw.hear(XGrpMemNew, host)).event.member_info.member_id
            forwarded = (await raw.hear(XGrpMemFwd, host)).event
            await bob.event("userJoinedGroup")
        with action("bob speaks, forwarded by alice"):
            said = await items(bob, f"/_send #1 json {message('through the host')}")
            heard = await raw.hear(XMsgNew, host, text_is("through the host"))
            assert heard.element.forwarded is not None
            assert heard.element.forwarded.member_id == bob_id
            number = said["meta"]["itemId"]
            await bob.command(f"/_update item #1 {number} text through the host, edited")
            await raw.hear(XMsgUpdate, host)
            await bob.command(f"/_delete item #1 {number} broadcast")
            await raw.hear(XMsgDel, host)
            pair = json.loads(message("one")) + json.loads(message("two"))
            await bob.command(f"/_send #1 json {json.dumps(pair)}")
            await raw.hear(XMsgNew, host, text_is("two"))
        with action("raw speaks, forwarded by alice"):
            await raw.say(host, XMsgNew(Text("hello through the host")))
            await sees(bob, "hello through the host")
        with action("raw and bob connect"):
            intro = forwarded.member_intro.group_conn_req
            peer = await raw.join(intro, XGrpMemInfo(own, PROFILE))
            stage.who[peer] = "bob in the group"
            await raw.hear(XGrpMemInfo, peer)
            await raw.ready(peer)
            await raw.say(host, XGrpMemCon(bob_id))
            await bob.event("connectedToGroupMember")

        with action("texts"):
            await alice.command(f"/_send #1 json {message('plain *text*')}")
            plain = await raw.hear(XMsgNew, host, text_is("plain *text*"))
            await bob.command(f"/_send #1 json {message('bob directly')}")
            direct = await raw.hear(XMsgNew, peer, text_is("bob directly"))
            assert direct.element.forwarded is None
            ours = await raw.say(host, XMsgNew(Text("which one?")))
            asked = await sees(alice, "which one?")
        with action("a quote of raw's message"):
            quoting = message("this one", quotedItemId=asked)
            await alice.command(f"/_send #1 json {quoting}")
            quote = (await raw.hear(XMsgNew, host, text_is("this one"))).event.quote
            assert quote.msg_ref.msg_id == ours
            assert quote.msg_ref.member_id == own
        with action("a mention of raw"):
            await alice.command("#team hello @Raw and @'Bob Smith'")
            mentioning = (await raw.hear(XMsgNew, host, lambda heard: heard.event.mentions)).event
            assert mentioning.mentions["Raw"].member_id == own
            assert mentioning.mentions["Bob Smith"].member_id == bob_id
        with action("raw quotes and mentions"):
            ref = MessageRef(now(), False, plain.id, alice_id)
            text = f"{write_mention('Bob Smith')} look"
            mentions = mentioned_members(text, {"Bob Smith": bob_id})
            quoting_event = XMsgNew(Text(text), mentions, quote=Quote(ref, Text("plain *text*")))
            for each in (host, peer):
                await raw.say(each, quoting_event)
            await sees(alice, text)
        with action("reactions"):
            emoji = '{"type":"emoji","emoji":"👍"}'
            for turn in ("on", "off"):
                await alice.command(f"/_reaction #1 {asked} {turn} {emoji}")
                reaction = (await raw.hear(XMsgReact, host)).event
                assert reaction.member_id == own
            await raw.say(host, XMsgReact(plain.id, Emoji("🚀"), True, alice_id))
            await alice.event("chatItemReaction", lambda event: event["added"])
        with action("live message"):
            live = await items(alice, f"/_send #1 live=on json {message('typ')}")
            number = live["meta"]["itemId"]
            await raw.hear(XMsgNew, host, text_is("typ"))
            await alice.command(f"/_update item #1 {number} text typed")
            await raw.hear(XMsgUpdate, host)
        with action("link with preview"):
            preview = {
                "uri": "https://example.com",
                "title": "Example",
                "description": "",
                "image": SQUARE.uri,
            }
            content = {"type": "link", "text": "https://example.com", "preview": preview}
            await alice.command(f"/_send #1 json {message('', msgContent=content)}")
            await raw.hear(XMsgNew, host, lambda heard: not isinstance(heard.event.content, Text))
        with action("message forwarded from the group"):
            await alice.command(f"/_forward #1 #1 {asked}")
            assert (await raw.hear(XMsgNew, host, text_is("which one?"))).event.forward
        await files(stage, alice, host)

        with action("moderation by alice"):
            await bob.command(f"/_send #1 json {message('rude')}")
            await raw.hear(XMsgNew, peer, text_is("rude"))
            rude = await sees(alice, "rude")
            await alice.command(f"/_delete member item #1 {rude}")
            assert (await raw.hear(XMsgDel, host)).event.member_id == bob_id
        with action("moderation by raw"):
            await bob.command(f"/_send #1 json {message('rude again')}")
            again = await raw.hear(XMsgNew, peer, text_is("rude again"))
            for each in (host, peer):
                await raw.say(each, XMsgDel(again.id, bob_id))
            await bob.event("chatItemsDeleted", lambda event: event["chatItemDeletions"])
        with action("roles and restrictions"):
            for role in ("observer", "moderator", "member"):
                await alice.command(f"/mr #team 'Bob Smith' {role}")
                await raw.hear(XGrpMemRole, host)
            for word in ("block", "unblock"):
                await alice.command(f"/{word} for all #team 'Bob Smith'")
                await raw.hear(XGrpMemRestrict, host)
        with action("a report"):
            await bob.command("/report #team @Alice spam this one")
            reported = await raw.hear(
                XMsgNew, peer, lambda heard: isinstance(heard.event.content, Report)
            )
            assert reported.event.scope == MemberScope(bob_id)
        with action("bob asks the admins"):
            await bob.command(f"/_send #1(_support) json {message('help me')}")
            scoped = await raw.hear(XMsgNew, peer, text_is("help me"))
            assert scoped.event.scope == MemberScope(bob_id)
            for each in (host, peer):
                await raw.say(each, XMsgNew(Text("of course"), scope=MemberScope(bob_id)))
            await sees(bob, "of course")
        with action("profiles and preferences"):
            await alice.command("/p Alice At home")
            await alice.command(f"/_send #1 json {message('after the change')}")
            await raw.hear(XInfo, host)
            for command in (
                "/set disappear #team on 3600",
                "/set disappear #team off",
                "/set delete #team on",
                "/set direct #team on",
                "/set voice #team on admin",
                "/set admission review #team all",
                "/set admission review #team off",
                "/delete welcome #team",
                "/gp #team crew The crew",
            ):
                await alice.command(command)
                await raw.hear(XGrpInfo, host)
        with action("bob wants a direct conversation"):
            await alice.command("/set direct #crew on")
            await raw.hear(XGrpInfo, host)
            await ask_directly(stage, bob, peer)
        with action("a member leaves"):
            await bob.command("/l #crew")
            await raw.hear(XGrpLeave, peer)
        with action("raw is removed"):
            await alice.command("/rm #crew Raw messages=on")
            assert (await raw.hear(XGrpMemDel, host)).event.messages


def name(member: dict[str, Any]) -> str:
    displayed: str = member["memberProfile"]["displayName"]
    return displayed


def now() -> Timestamp:
    return Timestamp.of(datetime.now(UTC))


async def files(stage: Stage, alice: ChatProgram, host: str) -> None:
    """A picture, a voice message and a note; they need a router for files."""
    if "SIMPLEX_TRIO_XFTP" not in os.environ:
        return
    raw, action = stage.raw, stage.recorder.action
    note = stage.folder / "note.txt"
    await trio.Path(note).write_bytes(bytes(5000))
    for kind, content in (
        ("file", {"type": "file", "text": "a note"}),
        ("image", {"type": "image", "text": "", "image": SQUARE.uri}),
        ("voice", {"type": "voice", "text": "", "duration": 2}),
    ):
        with action(f"file: {kind}"):
            sent = message("", fileSource={"filePath": str(note)}, msgContent=content)
            item = await items(alice, f"/_send #1 json {sent}")
            await raw.hear(XMsgNew, host, lambda heard: heard.event.file is not None)
            described = await raw.hear(XMsgFileDescr, host)
            assert described.event.file_descr.file_descr_complete
    with action("file taken back"):
        await alice.command(f"/fc {item['file']['fileId']}")
        await raw.hear(XFileCancel, host)


async def ask_directly(stage: Stage, program: ChatProgram, connection: str) -> None:
    """A program asks the raw side for a direct conversation."""
    members = (await program.command("/_members #1"))["group"]["members"]
    [number] = [each["groupMemberId"] for each in members if name(each) == "Raw"]
    created = await program.command(f"/_create member contact #1 {number}")
    there = created["contact"]["contactId"]
    await program.command(f"/_invite member contact @{there} text may I?")
    asked = (await stage.raw.hear(XGrpDirectInv, connection)).event
    direct = await stage.raw.join(asked.conn_req, XInfo(PROFILE))
    stage.who[direct] = "a member, directly"
    await stage.raw.hear(XInfo, direct)
    await stage.raw.ready(direct)


# --- hosts --------------------------------------------------------------------------------------


@define(eq=False)
class Host:
    """The raw side as the owner of a group."""

    stage: Stage
    own: bytes = field(factory=new_id)
    profile: GroupProfile = field(
        factory=lambda: GroupProfile("team", description="welcome", group_preferences=ALLOWED)
    )
    members: dict[str, tuple[bytes, str]] = field(factory=dict)
    """Ids and connections of members."""

    @property
    def raw(self) -> RawSide:
        return self.stage.raw

    @property
    def everyone(self) -> list[str]:
        return [connection for _, connection in self.members.values()]

    def info(self, who: str) -> MemberInfo:
        member_id, _ = self.members[who]
        return MemberInfo(member_id, Role.MEMBER, Profile(who), ChatVersions(1, 17))

    async def invite(self, who: str, contact: str, program: ChatProgram, **options: Any) -> str:
        """Invite a contact, which joins; returns the connection of the new member."""
        member_id = new_id()
        link = (await self.raw.agent.create(pq=False)).link
        invitation = GroupInvitation(
            MemberIdRole(self.own, Role.OWNER),
            MemberIdRole(member_id, Role.MEMBER),
            link,
            self.profile,
            group_size=1 + len(self.members),
            **options,
        )
        await self.raw.say(contact, XGrpInv(invitation))
        await program.event("receivedGroupInvitation")
        await program.command("/j #team")
        joining = await self.raw.hear(XGrpAcpt)
        assert joining.event.member_id == member_id
        connection = await self.raw.accept(joining, XOk())
        self.stage.who[connection] = f"{who.lower()} in the group"
        await self.raw.ready(connection)
        self.members[who] = member_id, connection
        return connection

    async def introduce(self, newcomer: str, member: str) -> XGrpMemInv:
        """Introduce a new member to another one; returns how it can be joined.

        That has to come first: a newcomer ignores the introduction of a member that it knows as the
        author of something already.
        """
        _, new = self.members[newcomer]
        member_id, old = self.members[member]
        await self.raw.say(old, XGrpMemNew(self.info(newcomer)))
        await self.raw.say(new, XGrpMemIntro(self.info(member)))
        wanted: XGrpMemInv = (await self.raw.hear(XGrpMemInv, new)).event
        assert wanted.member_id == member_id
        return wanted

    async def connect(self, newcomer: str, member: str, wanted: XGrpMemInv) -> None:
        """Let a member join a new one, and wait until both say that they are connected."""
        new_member_id, new = self.members[newcomer]
        member_id, old = self.members[member]
        await self.raw.say(old, XGrpMemFwd(self.info(newcomer), wanted.member_intro))
        assert (await self.raw.hear(XGrpMemCon, new)).event.member_id == member_id
        assert (await self.raw.hear(XGrpMemCon, old)).event.member_id == new_member_id

    async def say(self, event: Any) -> bytes:
        """Say something to all, with one id."""
        said = ChatMessage(event, new_id())
        [body] = pack_group([said]).bodies
        for each in self.everyone:
            await self.raw.say_body(each, body)
        assert said.id is not None
        return said.id

    async def forward(self, heard: Heard, by: str, to: str, *, binary: bool) -> None:
        """Pass on what a member has said."""
        member_id, _ = self.members[by]
        _, connection = self.members[to]
        seconds = int(datetime.now(UTC).timestamp())
        element = evolve(heard.element, forwarded=Forwarded(seconds, member_id, by))
        for body in pack_forwarded([element], binary=binary).bodies:
            await self.raw.say_body(connection, body)


async def test_a_host_who_invites(router: str, tmp_path: Path) -> None:
    async with open_stage("host", router, tmp_path) as stage:
        raw, action, host = stage.raw, stage.recorder.action, Host(stage)
        alice, bob = await stage.program("Alice"), await stage.program("Bob")
        with action("alice and bob connect"):
            alices = await stage.contact(alice, "alice")
            bobs = await stage.contact(bob, "bob")
        with action("raw invites alice"):
            to_alice = await host.invite("Alice", alices, alice)
            await alice.event("userJoinedGroup")
        with action("before bob is there"):
            first = XMsgNew(Text("you are the first"))
            message_of_host = await host.say(first)
            await sees(alice, "you are the first")
            await alice.command(f"/_send #1 json {message('the second')}")
            second = await raw.hear(XMsgNew, to_alice, text_is("the second"))
        with action("raw invites bob, who learns what was said"):
            to_bob = await host.invite("Bob", bobs, bob)
            bob_id, _ = host.members["Bob"]
            wanted = await host.introduce("Bob", "Alice")
            alice_id, _ = host.members["Alice"]
            of_alice = evolve(second.element, forwarded=Forwarded(1_790_000_000, alice_id, "Alice"))
            history = [forward(first, message_of_host, host.own, "Raw"), as_forward(of_alice)]
            for body in pack_group(history).bodies:
                await raw.say_body(to_bob, body)
            await sees(bob, "the second")
        with action("raw forwards, in JSON and in a binary batch"):
            for text, binary in (("in JSON", False), ("in a batch", True)):
                await alice.command(f"/_send #1 json {message(text)}")
                heard = await raw.hear(XMsgNew, to_alice, text_is(text))
                await host.forward(heard, "Alice", "Bob", binary=binary)
                await sees(bob, text)
        with action("raw lets alice connect to bob"):
            await host.connect("Bob", "Alice", wanted)
            await bob.command(f"/_send #1 json {message('directly')}")
            await sees(alice, "directly")
            await raw.hear(XMsgNew, to_bob, text_is("directly"))
        with action("raw speaks"):
            text = await host.say(XMsgNew(Text("hello @Bob"), {"Bob": Mention(bob_id)}))
            number = await sees(bob, "hello @Bob")
            await host.say(XMsgUpdate(text, Text("hello again")))
            await bob.event("chatItemUpdated")
            await bob.command(f'/_reaction #1 {number} on {{"type":"emoji","emoji":"✅"}}')
            reaction = (await raw.hear(XMsgReact, to_bob)).event
            assert (reaction.msg_id, reaction.member_id) == (text, host.own)
            await host.say(XMsgDel(text))
            await bob.event("chatItemsDeleted")
        with action("raw changes the group"):
            await host.say(XGrpMemRole(bob_id, Role.MODERATOR))
            await bob.event("memberRole")
            await host.say(XGrpInfo(evolve(host.profile, full_name="The team")))
            await alice.event("groupUpdated")
            await host.say(XGrpPrefs(evolve(ALLOWED, voice=GroupPreference(Switch.OFF))))
            await alice.event("groupUpdated")
            await host.say(XInfo(evolve(PROFILE, full_name="The owner")))
        with action("raw blocks and removes"):
            restricted = MemberRestrictions(Restriction.BLOCKED)
            await raw.say(to_alice, XGrpMemRestrict(bob_id, restricted))
            await alice.event("memberBlockedForAll")
            await host.say(XGrpMemDel(bob_id))
            await bob.event("deletedMemberUser")
            await alice.event("deletedMember")
        with action("raw deletes the group"):
            await raw.say(to_alice, XGrpDel())
            await alice.event("groupDeleted")


def forward(event: Any, msg_id: bytes, member_id: bytes, by: str) -> ChatMessage:
    return ChatMessage(XGrpMsgForward(ChatMessage(event, msg_id), now(), member_id, by))


async def test_a_host_with_a_link(router: str, tmp_path: Path) -> None:
    async with open_stage("hostlink", router, tmp_path) as stage:
        raw, action, host = stage.raw, stage.recorder.action, Host(stage)
        bob = await stage.program("Bob")
        made = await raw.agent.create_address(short=False, pq=False)
        link = parse_link(made.link)
        assert isinstance(link, ContactURI)
        member_id = new_id()
        with action("bob asks to join, and has to wait"):
            await bob.command(f"/c {evolve(link, client_data=group_client_data(os.urandom(16)))}")
            request = await raw.hear(XContact)
            assert request.event.first_message is None
            invitation = GroupLinkInvitation(
                MemberIdRole(host.own, Role.OWNER),
                "Raw",
                MemberIdRole(member_id, Role.MEMBER),
                host.profile,
                Acceptance.PENDING,
                group_size=1,
            )
            to_bob = await raw.accept(request, XGrpLinkInv(invitation))
            stage.who[to_bob] = "bob in the group"
            await raw.hear(XInfo, to_bob)
            await raw.ready(to_bob)
            await raw.say(to_bob, XGrpLinkMem(PROFILE))
        scope = MemberScope(member_id)
        with action("a question and an answer"):
            await raw.say(to_bob, XMsgNew(Text("who are you?"), scope=scope))
            await sees(bob, "who are you?")
            await bob.command(f"/_send #1(_support) json {message('I am Bob')}")
            answer = await raw.hear(XMsgNew, to_bob, text_is("I am Bob"))
            assert answer.event.scope == scope
        with action("bob is let in"):
            await raw.say(to_bob, XGrpLinkAcpt(Acceptance.ACCEPTED, Role.MEMBER, member_id))
            await bob.event("userJoinedGroup")
            await raw.say(to_bob, XMsgNew(Text("you are in")))
            await sees(bob, "you are in")
            await bob.command(f"/_send #1 json {message('thanks')}")
            assert (await raw.hear(XMsgNew, to_bob, text_is("thanks"))).event.scope is None
        with action("raw wants a direct conversation"):
            direct = await raw.agent.create(pq=False)
            stage.who[direct.connection_id] = "bob, directly"
            await raw.say(to_bob, XGrpDirectInv(direct.link, Text("may I?")))
            await bob.event("newMemberContactReceivedInv")
        with action("bob leaves"):
            await bob.command("/l #team")
            await raw.hear(XGrpLeave, to_bob)


# --- a member who comes by a link ---------------------------------------------------------------


@pytest.mark.parametrize("reviewed", [False, True])
async def test_a_member_who_comes_by_a_link(router: str, tmp_path: Path, reviewed: bool) -> None:
    scenario = "review" if reviewed else "link"
    async with open_stage(scenario, router, tmp_path) as stage:
        raw, action = stage.raw, stage.recorder.action
        alice, bob = await stage.program("Alice"), await stage.program("Bob")
        await alice.command("/g #team The team")
        await alice.command("/set history #team on")
        await alice.command("/set welcome #team welcome to all")
        link = (await alice.command("/create link #team"))["groupLink"]["connLinkContact"]
        await bob.command(f"/c {link['connFullLink']}")
        await bob.event("userJoinedGroup")
        for text in ("what was said", "and more of it"):
            await alice.command(f"/_send #1 json {message(text)}")
        if "SIMPLEX_TRIO_XFTP" in os.environ:
            note = tmp_path / "note.txt"
            await trio.Path(note).write_bytes(bytes(5000))
            sent = message(
                "",
                fileSource={"filePath": str(note)},
                msgContent={"type": "file", "text": "a note"},
            )
            await alice.command(f"/_send #1 json {sent}")
            await alice.event("sndFileCompleteXFTP")
        await sees(bob, "and more of it")
        await bob.command(f"/_send #1 json {message('says bob')}")
        await sees(alice, "says bob")
        if reviewed:
            await alice.command("/mr #team Bob moderator")
            await bob.event("memberRole")
            await alice.command("/set admission review #team all")
        with action("raw asks to join"):
            host = await raw.join(link["connFullLink"], XContact(PROFILE, os.urandom(16)))
            stage.who[host] = "alice in the group"
            invitation = (await raw.hear(XGrpLinkInv, host)).event.group_link_invitation
            own = invitation.invited_member.member_id
            assert invitation.accepted is Acceptance.ACCEPTED
            await raw.ready(host)
            await raw.hear(XGrpLinkMem, host)
        if reviewed:
            with action("raw waits, and talks with the admins"):
                waiting = (await raw.hear(XGrpLinkAcpt, host)).event
                assert waiting.acceptance is Acceptance.PENDING_REVIEW
                await raw.hear(XGrpMemIntro, host)
                await raw.say(host, XMsgNew(Text("let me in"), scope=MemberScope(own)))
                await sees(alice, "let me in")
                members = (await alice.command("/_members #1"))["group"]["members"]
                [number] = [each["groupMemberId"] for each in members if name(each) == "Raw"]
                await alice.command(f"/_send #1(_support:{number}) json {message('wait')}")
                assert (await raw.hear(XMsgNew, host, text_is("wait"))).event.scope is not None
            with action("raw is let in"):
                await alice.command("/accept member #team Raw")
                accepted = await raw.hear(XGrpLinkAcpt, host)
                assert accepted.event.acceptance is Acceptance.ACCEPTED
        with action("raw learns what was said"):
            await raw.hear(XGrpMsgForward, host, lambda heard: said_before(heard, "says bob"))
            await raw.hear(XMsgNew, host, text_is("welcome to all"))
        if not reviewed:
            with action("raw is introduced to bob"):
                intro = (await raw.hear(XGrpMemIntro, host)).event.member_info
                invited = await raw.agent.create(pq=False)
                stage.who[invited.connection_id] = "bob in the group"
                await raw.say(host, XGrpMemInv(intro.member_id, Introduction(invited.link)))
                joining = await raw.hear(XGrpMemInfo, invited.connection_id)
                assert joining.event.member_id == intro.member_id
                peer = await raw.accept(joining, XGrpMemInfo(own, PROFILE))
                await raw.ready(peer)
                await raw.say(host, XGrpMemCon(intro.member_id))
                await raw.say(peer, XMsgNew(Text("hello bob")))
                await sees(bob, "hello bob")
            with action("raw leaves"):
                for each in (host, peer):
                    await raw.say(each, XGrpLeave())
                await alice.event("leftMember")
        else:
            with action("the group is deleted"):
                await alice.command("/d #team")
                await raw.hear(XGrpDel, host)


def said_before(heard: Heard, text: str) -> bool:
    event = heard.event.msg.event
    return isinstance(event, XMsgNew) and event.content == Text(text)


# --- businesses ---------------------------------------------------------------------------------


async def test_a_customer_of_a_business(router: str, tmp_path: Path) -> None:
    async with open_stage("customer", router, tmp_path) as stage:
        raw, action = stage.raw, stage.recorder.action
        desk, staff = await stage.program("Desk"), await stage.program("Staff")
        link = (await staff.command("/c"))["connLinkInvitation"]["connFullLink"]
        await desk.command(f"/c {link}")
        await desk.event("contactConnected")
        address = (await desk.command("/ad"))["connLinkContact"]["connFullLink"]
        await desk.command("/auto_accept on business")
        with action("raw asks the desk"):
            asking = XContact(PROFILE, os.urandom(16), msg_id=new_id(), content=Text("my order?"))
            host = await raw.join(address, asking, pq=None)
            stage.who[host] = "the desk"
            business = (await raw.hear(XGrpLinkInv, host)).event.group_link_invitation.business
            assert business.chat_type is BusinessSide.BUSINESS
            await raw.ready(host)
        with action("the desk and raw talk"):
            await desk.command(f"/_send #1 json {message('we look into it')}")
            await raw.hear(XMsgNew, host, text_is("we look into it"))
            await raw.say(host, XMsgNew(Text("thank you")))
            await sees(desk, "thank you")
        with action("the desk adds staff"):
            await desk.command("/a #Raw Staff")
            await staff.event("receivedGroupInvitation")
            await staff.command("/j #Raw")
            await raw.hear(XGrpMemNew, host)
            await raw.hear(XGrpMemFwd, host)
            await staff.command(f"/_send #1 json {message('I help you')}")
            await raw.hear(XMsgNew, host, text_is("I help you"))
        with action("the desk changes"):
            await desk.command("/set voice #Raw off")
            await raw.hear(XGrpPrefs, host)


async def test_a_business(router: str, tmp_path: Path) -> None:
    async with open_stage("business", router, tmp_path) as stage:
        raw, action, host = stage.raw, stage.recorder.action, Host(stage)
        bob, staff = await stage.program("Bob"), await stage.program("Staff")
        with action("staff connects"):
            staffs = await stage.contact(staff, "staff")
        data = AddressData(Profile("Raw desk"), Text("how can we help?"), business=True)
        made = await raw.agent.create_address(data=data.encode())
        member_id = new_id()
        with action("bob looks at the address, and asks"):
            answer = await bob.command(f"/_connect plan 1 {made.short_link}")
            link = answer["connLink"]
            shown = answer["connectionPlan"]["contactAddressPlan"]["contactSLinkData_"]
            prepared = await bob.command(
                f"/_prepare contact 1 {link['connFullLink']} {link['connShortLink']} "
                f"{json.dumps(shown)}"
            )
            group = prepared["chat"]["chatInfo"]["groupInfo"]["groupId"]
            await bob.command(f"/_connect group #{group} text my order?")
            request = await raw.hear(XContact)
            assert request.event.first_message is not None
        with action("the desk lets bob in"):
            business = BusinessChat(BusinessSide.BUSINESS, host.own, member_id)
            invitation = GroupLinkInvitation(
                MemberIdRole(host.own, Role.OWNER),
                "Raw desk",
                MemberIdRole(member_id, Role.MEMBER),
                GroupProfile("Raw desk", group_preferences=ALLOWED),
                Acceptance.ACCEPTED,
                business=business,
                group_size=1,
            )
            to_bob = await raw.accept(request, XGrpLinkInv(invitation))
            stage.who[to_bob] = "bob"
            await raw.hear(XInfo, to_bob)
            await raw.ready(to_bob)
            host.members["Bob"] = member_id, to_bob
            await raw.say(to_bob, XMsgNew(Text("we look into it")))
            await sees(bob, "we look into it")
            await bob.command(f"/_send #{group} json {message('thank you')}")
            await raw.hear(XMsgNew, to_bob, text_is("thank you"))
        with action("the desk adds staff"):
            host.profile = GroupProfile("team", group_preferences=ALLOWED)
            to_customer = BusinessChat(BusinessSide.CUSTOMER, host.own, member_id)
            await host.invite("Staff", staffs, staff, business=to_customer)
            await host.connect("Staff", "Bob", await host.introduce("Staff", "Bob"))
            await staff.command(f"/_send #1 json {message('I help you')}")
            await sees(bob, "I help you")
        with action("bob renames himself"):
            await bob.command("/p Robert")
            await bob.command(f"/_send #{group} json {message('I am Robert now')}")
            await raw.hear(XInfo, to_bob)
