"""What a relay of the real program has said to a subscriber, as a bot takes it."""

from __future__ import annotations

import pytest
import trio

from simplex_trio.chat import bot as bot_module
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
from simplex_trio.chat.machine.channels.records import ChannelRecord, WantedRelay
from simplex_trio.chat.machine.channels.relays import keep_channel, put_relay, relays_of
from simplex_trio.chat.machine.groups.records import (
    GroupRecord,
    GroupStatus,
    MemberOrigin,
    MemberRecord,
    MemberStatus,
)
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.bodies import Received, decode_body
from simplex_trio.chat.messages.group_events import XGrpDel, XGrpLinkInv
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.crypto.keys import Ed25519PublicKey
from simplex_trio.duplex.events import Integrity, PeerMessage
from tests.duplex.quiet import open_quiet
from tests.vectors import load

from .hosted import group_handlers
from .people import Person, open_quiet_bot

Clock = trio.testing.MockClock

CONNECTION = "recorded"


def recorded() -> list[bytes]:
    """What the relay has said, from its answer on."""
    return [
        bytes.fromhex(case["bytes"])
        for case in load("chat_groups_7_0.json")
        if case["name"].startswith("channel-") and case.get("direction") == "from_app"
    ]


def messages(bodies: list[bytes]) -> list[Received]:
    found = [each for body in bodies for each in decode_body(body) if isinstance(each, Received)]
    return [each for each in found if isinstance(each.message, ChatMessage)]


def subscribe(store: Store, answer: bytes, owner_id: bytes, *, wrong_key: bool) -> None:
    """The program as it is when it has just been let in."""
    [keys] = [each for each in load("chat_groups_7_0.json") if each["kind"] == "channel_keys"]
    members = {
        bytes.fromhex(each): Ed25519PublicKey(bytes.fromhex(key)).der
        for each, key in keys["members"].items()
    }
    [said] = messages([answer])
    assert isinstance(said.message, ChatMessage)
    event = said.message.event
    assert isinstance(event, XGrpLinkInv)
    public_id, own_id = bytes.fromhex(keys["group_id"]), bytes.fromhex(keys["subscriber"])
    relay_id = bytes.fromhex(keys["relay"])
    channel = ChannelRecord("link", public_id, members[owner_id], bytes(32))
    groups = GroupStore(store)
    profile = event.group_link_invitation.group_profile
    group = groups.put_group(
        GroupRecord(1, GroupStatus.READY, profile, own_id, Role.OBSERVER, channel=channel)
    )
    keep_channel(store.t.kept, group.group_id, channel, 2**40)
    present = (MemberStatus.PRESENT, MemberOrigin.BEFORE)
    key = members[relay_id] if wrong_key else members[owner_id]
    groups.put_member(MemberRecord(1, owner_id, Role.OWNER, *present, key=key, is_key_signed=True))
    groups.put_member(
        MemberRecord(
            *(1, relay_id, Role.RELAY, MemberStatus.PRESENT, MemberOrigin.HOST),
            connection_id=CONNECTION,
            key=members[relay_id],
        )
    )
    put_relay(store.t.kept, WantedRelay(1, "first", relay_id))


@pytest.mark.parametrize("wrong_key", [False, True])
async def test_what_a_real_relay_says(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch, wrong_key: bool
) -> None:
    async def ask_no_relays(*_: object) -> None:
        await trio.lowlevel.checkpoint()

    monkeypatch.setattr(bot_module, "keep_channels", ask_no_relays)
    answer, *bodies = recorded()
    [owner_id] = {
        each.forwarded.member_id
        for each in messages(bodies)
        if isinstance(each.message, ChatMessage)
        and isinstance(each.message.event, XGrpDel)
        and each.forwarded is not None
    }
    assert owner_id is not None
    handlers, told = group_handlers()
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Bot", handlers=handlers, address=False) as made,
    ):
        bot = Person(made, told)
        await made._core.step(lambda s: subscribe(s, answer, owner_id, wrong_key=wrong_key))
        for _ in range(2):  # all of it comes again, as from another relay
            for number, body in enumerate(bodies):
                await made._arrived(
                    PeerMessage(CONNECTION, number, body, Integrity.OK, 0, False, number, 2**31, 0)
                )
                await trio.sleep(1)
            if wrong_key:
                break
        heard = [each for each in bot.heard() if isinstance(each, GroupMessage)]
        texts = [each.text for each in heard]
        posts = ["before you came", "as the channel", "one", "two"]
        assert texts == [*posts[:2], "as the owner", *posts[2:], "renamed"]
        assert [each.text for each in heard if each.is_history] == posts[:1]
        assert [each.text for each in heard if each.member.is_channel] == posts
        assert heard[-1].member.name == ("Owner" if wrong_key else "Publisher")
        assert heard[2].member.id == owner_id
        kinds = {type(each) for each in bot.heard()}
        assert kinds >= {GroupMessageEdited, GroupReactionChanged, GroupMessageDeleted}
        changes = {GroupChanged, GroupEnded, RoleChanged, MemberBlocked}
        [group] = await made.groups()
        relays = await made._core.step(lambda s: relays_of(s.t.kept, 1), durable=False)
        if wrong_key:
            assert not kinds & changes
            assert (group.status, group.role) == (GroupStatus.READY, Role.OBSERVER)
            assert [each.link for each in relays] == ["first"]
        else:
            assert kinds >= changes | {MemberLeft, MemberProfileChanged}
            assert group.status is GroupStatus.DELETED
            assert sum(isinstance(each, GroupEnded) for each in bot.heard()) == 1
