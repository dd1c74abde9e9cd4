"""All that members of a group say to each other is understood, and recorded.

SIMPLEX_TRIO_CHAT is the path of the chat program, SIMPLEX_TRIO_ROUTER the router for queues and
SIMPLEX_TRIO_XFTP one for files.  With SIMPLEX_TRIO_RECORDING, the path of a file such as
``tests/vectors/chat_groups_7_0.json.gz``, what was said is written there as test vectors, each test
replacing what it said before.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import trio

from simplex_trio.chat.messages.content import Report, Text
from simplex_trio.chat.messages.events import (
    Emoji,
    MemberScope,
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
    BusinessSide,
    Introduction,
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
from simplex_trio.chat.messages.mentions import mentioned_members, write_mention
from simplex_trio.chat.messages.message import XGrpMsgForward
from tests.interop.chat_program import ChatProgram
from tests.interop.conversation import SQUARE
from tests.interop.group_stage import (
    PROFILE,
    Stage,
    items,
    message,
    name,
    now,
    open_stage,
    sees,
    text_is,
)
from tests.interop.raw_side import Heard, new_id


def is_about_another(own: bytes) -> Any:
    """Programs of 6.4 announce a new member to itself too."""
    return lambda heard: heard.event.member_info.member_id != own


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
            bob_id = (
                await raw.hear(XGrpMemNew, host, is_about_another(own))
            ).event.member_info.member_id
            forwarded = (await raw.hear(XGrpMemFwd, host)).event
            await bob.event("userJoinedGroup")
        with action("bob speaks, forwarded by alice"):
            said = await items(bob, f"/_send #1 json {message('through the host')}")
            heard = await raw.hear(XMsgNew, host, text_is("through the host"), passed_on=True)
            assert heard.element.forwarded is not None
            assert heard.element.forwarded.member_id == bob_id
            number = said["meta"]["itemId"]
            await bob.command(f"/_update item #1 {number} text through the host, edited")
            await raw.hear(XMsgUpdate, host, passed_on=True)
            await bob.command(f"/_delete item #1 {number} broadcast")
            await raw.hear(XMsgDel, host, passed_on=True)
            pair = json.loads(message("one")) + json.loads(message("two"))
            await bob.command(f"/_send #1 json {json.dumps(pair)}")
            await raw.hear(XMsgNew, host, text_is("two"), passed_on=True)
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
            await raw.hear(XInfo)  # to a contact, 6.4 says it there alone
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
            await bob.command("/_leave #1")  # which may not know the new name yet
            await raw.hear(XGrpLeave, peer)
        with action("raw is removed"):
            await alice.command("/rm #crew Raw messages=on")
            assert (await raw.hear(XGrpMemDel, host)).event.messages


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
            answer = await raw.hear(XGrpLinkInv, host)
            invitation = answer.event.group_link_invitation
            own = invitation.invited_member.member_id
            assert invitation.accepted is Acceptance.ACCEPTED
            await raw.accept(answer, XInfo(PROFILE))
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
            answer = await raw.hear(XGrpLinkInv, host)
            business = answer.event.group_link_invitation.business
            assert business.chat_type is BusinessSide.BUSINESS
            own = business.customer_id
            await raw.accept(answer, XInfo(PROFILE))
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
            await raw.hear(XGrpMemNew, host, is_about_another(own))
            await raw.hear(XGrpMemFwd, host)
            await staff.command(f"/_send #1 json {message('I help you')}")
            await raw.hear(XMsgNew, host, text_is("I help you"), passed_on=True)
        with action("the desk changes"):
            await desk.command("/set voice #Raw off")
            await raw.hear(XGrpPrefs, host)
