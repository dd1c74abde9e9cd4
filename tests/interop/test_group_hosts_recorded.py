"""What a host of a group and its members say to each other is understood, and recorded.

`test_groups_recorded` says how.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from attrs import evolve

from simplex_trio.chat.messages.addresses import GROUP_LINK_ID_SIZE, AddressData, group_client_data
from simplex_trio.chat.messages.batches import as_forward, pack_group, reads_binary
from simplex_trio.chat.messages.bodies import Forwarded
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.events import (
    MemberScope,
    Mention,
    XContact,
    XInfo,
    XMsgDel,
    XMsgNew,
    XMsgReact,
    XMsgUpdate,
)
from simplex_trio.chat.messages.group_events import (
    Acceptance,
    BusinessChat,
    BusinessSide,
    GroupLinkInvitation,
    GroupLinkRejection,
    MemberIdRole,
    MemberRestrictions,
    RejectionReason,
    Restriction,
    XGrpDel,
    XGrpDirectInv,
    XGrpInfo,
    XGrpLeave,
    XGrpLinkAcpt,
    XGrpLinkInv,
    XGrpLinkMem,
    XGrpLinkReject,
    XGrpMemDel,
    XGrpMemRestrict,
    XGrpMemRole,
    XGrpPrefs,
)
from simplex_trio.chat.messages.group_profiles import (
    GroupPreference,
    GroupProfile,
    Role,
    Switch,
)
from simplex_trio.chat.messages.message import ChatMessage, XGrpMsgForward
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.wire.duplex.links import parse_link
from simplex_trio.wire.duplex.requests import ContactURI
from tests.interop.group_stage import (
    ALLOWED,
    PROFILE,
    Host,
    message,
    now,
    open_stage,
    sees,
    text_is,
)
from tests.interop.raw_side import new_id


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
                assert isinstance(heard.element.message, ChatMessage)
                readable = reads_binary(heard.element.message.versions)
                await host.forward(heard, "Alice", "Bob", binary=binary and readable)
                await sees(bob, text)
        with action("raw lets alice connect to bob"):
            await host.connect("Bob", "Alice", wanted)
            await bob.command(f"/_send #1 json {message('directly')}")
            await sees(alice, "directly")
            await raw.hear(XMsgNew, to_bob, text_is("directly"))
        with action("raw speaks"):
            ours = await host.say(XMsgNew(Text("hello @Bob"), {"Bob": Mention(bob_id)}))
            number = await sees(bob, "hello @Bob")
            await host.say(XMsgUpdate(ours, Text("hello again")))
            await bob.event("chatItemUpdated")
            await bob.command(f'/_reaction #1 {number} on {{"type":"emoji","emoji":"✅"}}')
            reaction = (await raw.hear(XMsgReact, to_bob)).event
            assert (reaction.msg_id, reaction.member_id) == (ours, host.own)
            await host.say(XMsgDel(ours))
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
        shown = evolve(link, client_data=group_client_data(os.urandom(GROUP_LINK_ID_SIZE)))
        member_id = new_id()
        with action("bob asks to join, and has to wait"):
            await bob.command(f"/c {shown}")
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
        with action("another one asks to join, and is rejected"):
            carl = await stage.program("Carl")
            await carl.command(f"/c {shown}")
            request = await raw.hear(XContact)
            rejection = GroupLinkRejection(
                MemberIdRole(host.own, Role.OWNER),
                MemberIdRole(new_id(), Role.OBSERVER),
                host.profile,
                RejectionReason.BLOCKED_NAME,
            )
            to_carl = await raw.accept(request, XGrpLinkReject(rejection))
            stage.who[to_carl] = "carl"
            await raw.hear(XInfo, to_carl)


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
