"""What a relay of a channel says to a subscriber is understood, verified, and recorded.

`test_groups_recorded` says how.  Programs before 7.0 have channels of another kind.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest
from attrs import define, field

from simplex_trio.chat.messages.addresses import GroupLinkData, RelayLinkData
from simplex_trio.chat.messages.bodies import Chunk, encode_element
from simplex_trio.chat.messages.channel_events import XGrpRelayNew, XGrpRoster, XMember
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import (
    Emoji,
    XInfo,
    XMsgDel,
    XMsgNew,
    XMsgReact,
    XMsgUpdate,
)
from simplex_trio.chat.messages.group_events import (
    XGrpDel,
    XGrpInfo,
    XGrpLeave,
    XGrpLinkInv,
    XGrpLinkMem,
    XGrpMemDel,
    XGrpMemIntro,
    XGrpMemNew,
    XGrpMemRestrict,
    XGrpMemRole,
)
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.message import ChatMessage, XGrpMsgForward
from simplex_trio.chat.messages.rosters import RosterMember, decode_roster
from simplex_trio.chat.messages.scalars import ChatVersions
from simplex_trio.chat.messages.signing import Author, MemberSigner, Trust, check_trust
from simplex_trio.crypto.keys import Ed25519PrivateKey, Ed25519PublicKey
from simplex_trio.wire.duplex.link_boxes import LinkContent
from simplex_trio.wire.duplex.link_data import ContactLinkData
from simplex_trio.wire.duplex.links import parse_link
from simplex_trio.wire.duplex.short_links import ShortContactLink
from tests.interop.conftest import named
from tests.interop.group_stage import (
    PROFILE,
    Stage,
    items,
    message,
    open_stage,
    sees,
    text_is,
)
from tests.interop.raw_side import Heard, RawSide, new_id
from tests.interop.test_chat_recorded import version_of

VERSIONS = ChatVersions(1, 19)
"""Only those who speak these are sent rosters."""


@define(eq=False)
class Subscriber:
    """The raw side as a subscriber of a channel with one relay."""

    raw: RawSide
    channel: GroupLinkData
    group_id: bytes
    relay: str
    """The connection with it."""
    signer: MemberSigner
    keys: dict[bytes, Ed25519PublicKey]
    roles: dict[bytes, Role | str] = field(factory=dict)

    def trust(self, heard: Heard) -> Trust:
        """How a message is believed."""
        by = heard.element.forwarded
        author = None
        if by is not None and by.member_id is not None:
            role = self.roles.get(by.member_id, Role.OBSERVER)
            author = Author(by.member_id, role, self.keys.get(by.member_id))
        return check_trust(heard.element, author, self.group_id, Role.OBSERVER)

    async def say(self, event: Event, *, signed: bool = False) -> bytes:
        said = ChatMessage(event, new_id(), VERSIONS)
        body = encode_element(self.signer.sign(said)) if signed else said.encode()
        await self.raw.say_body(self.relay, body)
        assert said.id is not None
        return said.id


async def content_of(raw: RawSide, link: str | ShortContactLink) -> LinkContent:
    parsed = parse_link(link) if isinstance(link, str) else link
    assert isinstance(parsed, ShortContactLink)
    return await raw.agent._read_data(parsed, "")


async def subscribe(stage: Stage, link: str) -> Subscriber:
    """Subscribe to a channel."""
    raw = stage.raw
    raw.versions = VERSIONS
    content = await content_of(raw, link)
    user = content.user
    assert isinstance(user, ContactLinkData)
    assert not user.direct
    channel = GroupLinkData.decode(user.program_data)
    assert channel.group_profile.public_group is not None
    group_id = channel.group_profile.public_group.public_group_id
    assert group_id == content.fixed.entity_id == sha256(content.fixed.root_key.raw).digest()
    [relay] = user.relays
    relays = await content_of(raw, relay)
    assert relays.fixed.entity_id is not None
    assert RelayLinkData.decode(relays.user.program_data).relay_profile.display_name == "relay"
    [owner] = user.owners
    signer = MemberSigner(group_id, new_id(), Ed25519PrivateKey(os.urandom(32)))
    asking = XMember(PROFILE, signer.member_id, signer.key.public.der, relays.fixed.entity_id)
    info = signer.sign_info(ChatMessage(asking, versions=VERSIONS))
    connection = await raw.join_with(str(relay), info)
    stage.who[connection] = "the relay"
    keys = {
        owner.owner_id: owner.key,
        relays.fixed.entity_id: relays.fixed.root_key,
        signer.member_id: signer.key.public,
    }
    roles: dict[bytes, Role | str] = {owner.owner_id: Role.OWNER}
    stage.channel = {
        "group_id": group_id,
        "relay": relays.fixed.entity_id,
        "subscriber": signer.member_id,
        "members": keys,
    }
    answer = await raw.hear(XGrpLinkInv, connection)
    invitation = answer.event.group_link_invitation
    assert invitation.from_member.member_id == relays.fixed.entity_id
    assert invitation.invited_member.member_id == signer.member_id
    await raw.accept(answer, XInfo(PROFILE))
    await raw.ready(connection)
    return Subscriber(raw, channel, group_id, connection, signer, keys, roles)


async def test_a_subscriber_of_a_channel(router: str, tmp_path: Path) -> None:
    if " v6" in await version_of(named("SIMPLEX_TRIO_CHAT")):
        pytest.skip("the program has channels of another kind")
    async with open_stage("channel", router, tmp_path) as stage:
        raw, action = stage.raw, stage.recorder.action
        relay = await stage.program("relay", relay=True)
        second = await stage.program("second", relay=True)
        owner, other = await stage.program("Owner"), await stage.program("Other")
        addresses = [
            (await each.command("/sa"))["contactLink"]["connLinkContact"]["connShortLink"]
            for each in (relay, second)
        ]
        await owner.command("/relays name=relay {} name=second {}".format(*addresses))
        await owner.command("/public group relays=1 #news The news")
        await owner.event("groupLinkDataUpdated")
        shown = await owner.command("/show link #news")
        link = shown["groupLink"]["connLinkContact"]["connShortLink"]
        await owner.command(f"/_send #1(as_group=on) json {message('before you came')}")
        await relay.event("newChatItems")
        await other.command(f"/c {link}")
        await other.event("userJoinedGroup")
        await owner.event("joinedGroupMemberConnecting")
        await owner.command("/mr #news Other member")
        await other.event("memberRole")
        with action("raw subscribes"):
            news = await subscribe(stage, link)
            await raw.hear(XGrpLinkMem, news.relay)
            await raw.hear(XGrpMemIntro, news.relay)
            roster = await raw.hear(XGrpRoster, news.relay)
            assert news.trust(roster) is Trust.SIGNATURE
            [promoted_before] = await roster_after(news, roster)
            assert promoted_before.role is Role.MEMBER
            news.keys[promoted_before.member_id] = promoted_before.key
            await raw.hear(XGrpMsgForward, news.relay)
        with action("posts"):
            post = await items(owner, f"/_send #1(as_group=on) json {message('as the channel')}")
            heard = await raw.hear(XMsgNew, news.relay, text_is("as the channel"))
            assert news.trust(heard) is Trust.RELAY
            assert heard.event.as_group
            await owner.command(f"/_send #1 json {message('as the owner')}")
            by_owner = await raw.hear(XMsgNew, news.relay, text_is("as the owner"))
            assert by_owner.element.forwarded is not None
            assert by_owner.element.forwarded.member_id in news.keys
            number = post["meta"]["itemId"]
            await owner.command(f"/_update item #1 {number} text edited post")
            await raw.hear(XMsgUpdate, news.relay)
            pair = message("one")[:-1] + "," + message("two")[1:]
            await owner.command(f"/_send #1(as_group=on) json {pair}")
            await raw.hear(XMsgNew, news.relay, text_is("two"))
        with action("reactions"):
            await sees(other, "as the owner")
            await news.say(XMsgReact(heard.id, Emoji("🚀"), True))
            await owner.event("chatItemReaction")
            seen = await other.command("/_get chat #1 count=1")
            there = seen["chat"]["chatItems"][0]["meta"]["itemId"]
            await other.command(f'/_reaction #1 {there} on {{"type":"emoji","emoji":"👍"}}')
            await raw.hear(XMsgReact, news.relay)
            told = (await raw.hear(XGrpMemNew, news.relay)).event.member_info
            assert told.member_id == promoted_before.member_id
            assert told.member_key == promoted_before.key.der
        with action("a post is deleted"):
            await owner.command(f"/_delete item #1 {number} broadcast")
            await raw.hear(XMsgDel, news.relay)
        with action("the channel changes"):
            await owner.command("/set welcome #news welcome to the news")
            await believed(news, XGrpInfo)
            await owner.command("/p Publisher")
            await owner.command(f"/_send #1 json {message('renamed')}")
            await believed(news, XInfo)
        with action("raw may write"):
            await owner.command("/mr #news Raw member")
            promoted = await believed(news, XGrpMemRole)
            assert promoted.event.member_key == news.signer.key.public.der
            await news.say(XMsgNew(Text("from raw")))
            await sees(other, "from raw")
            await news.say(XInfo(PROFILE), signed=True)
        with action("the other one is blocked, renamed, and leaves"):
            await owner.command("/block for all #news Other")
            await believed(news, XGrpMemRestrict)
            await owner.command("/unblock for all #news Other")
            await believed(news, XGrpMemRestrict)
            await other.command("/p Another")
            await other.command(f'/_reaction #1 {there} off {{"type":"emoji","emoji":"👍"}}')
            await raw.hear(XMsgReact, news.relay)
            await other.command("/l #news")
            await believed(news, XGrpLeave)
        with action("another relay comes and goes"):
            await owner.command("/_add relays #1 2")
            await believed(news, XGrpRelayNew)
            await owner.command("/rm #news second")
            await believed(news, XGrpMemDel)
        with action("the channel is deleted"):
            await owner.command("/d #news")
            await believed(news, XGrpDel)


async def believed(news: Subscriber, kind: type[Event]) -> Heard:
    """The next event of a kind, which is signed."""
    heard = await news.raw.hear(kind, news.relay)
    assert news.trust(heard) is Trust.SIGNATURE
    return heard


async def roster_after(news: Subscriber, roster: Heard) -> tuple[RosterMember, ...]:
    """The roster whose chunk follows."""
    chunk = (await news.raw.hear(Chunk, news.relay)).event
    assert (chunk.msg_id, chunk.number) == (roster.id, 1)
    assert chunk.data is not None
    return decode_roster(chunk.data, roster.event.file_inv)
