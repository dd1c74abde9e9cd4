"""Members that say what they may not, or what makes no sense: nothing comes of it for others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
import trio
from attrs import evolve, frozen

from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Text, Voice
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import (
    Emoji,
    MemberScope,
    XContact,
    XDirectDel,
    XFileCancel,
    XInfo,
    XMsgDel,
    XMsgNew,
    XMsgReact,
    XMsgUpdate,
    XOk,
)
from simplex_trio.chat.messages.group_events import (
    Acceptance,
    GroupInvitation,
    Introduction,
    MemberIdRole,
    MemberInfo,
    MemberRestrictions,
    Restriction,
    XGrpAcpt,
    XGrpDel,
    XGrpInfo,
    XGrpInv,
    XGrpLeave,
    XGrpLinkAcpt,
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
from simplex_trio.chat.messages.message import ChatMessage, XGrpMsgForward
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.scalars import Timestamp
from tests.chat.hosted import Hosted, open_hosted, present, say_in_group
from tests.chat.people import Person

Clock = trio.testing.MockClock

_NOW = Timestamp("2027-01-15T08:00:00Z")
_PROFILE = Profile("Mallory")
_MARY = b"m" * 16
_LINK = "simplex:/invitation#/?v=2&smp=x"


@frozen
class Scene:
    """What an attempt can be made of."""

    own: bytes
    host: bytes
    alice: bytes
    bob: bytes
    said: bytes
    """The id of a message of the host."""
    group: Group


Attempt: TypeAlias = Callable[[Scene], Event]


def forwarded(author: Callable[[Scene], bytes | None], event: Event | Attempt) -> Attempt:
    def make(s: Scene) -> Event:
        inner = event if isinstance(event, Event) else event(s)
        return XGrpMsgForward(ChatMessage(inner, b"f" * 16), _NOW, author(s), "Somebody")

    return make


def known(member_id: bytes, role: Role | str = Role.MEMBER) -> MemberInfo:
    return MemberInfo(member_id, role, _PROFILE)


_FORGED = XMsgNew(Text("forged"))
_BLOCKED = MemberRestrictions(Restriction.BLOCKED)

BY_ANYONE: dict[str, Attempt] = {
    "forwards as the receiver": forwarded(lambda s: s.host, _FORGED),
    "forwards what is never forwarded": forwarded(
        lambda s: s.alice, lambda s: XGrpMemIntro(known(_MARY))
    ),
    "forwards a link": forwarded(
        lambda s: s.alice, lambda s: XGrpMemFwd(known(_MARY), Introduction(_LINK))
    ),
    "forwards a forward": forwarded(lambda s: s.alice, forwarded(lambda s: s.bob, _FORGED)),
    "forwards an acceptance": forwarded(
        lambda s: s.host, lambda s: XGrpLinkAcpt(Acceptance.ACCEPTED, Role.OWNER, s.own)
    ),
    "forwards as a channel": forwarded(lambda s: None, _FORGED),
    "forwards as one without an id": forwarded(lambda s: b"", _FORGED),
    "forwards as one with a long id": forwarded(lambda s: b"x" * 300, _FORGED),
    "forwards that an unknown one leaves": forwarded(lambda s: _MARY, XGrpLeave()),
    "makes itself owner": lambda s: XGrpMemRole(s.own, Role.OWNER),
    "makes another one owner": lambda s: XGrpMemRole(s.alice, Role.OWNER),
    "takes a role from the host": lambda s: XGrpMemRole(s.host, Role.OBSERVER),
    "gives an unknown one a role": lambda s: XGrpMemRole(_MARY, Role.MEMBER),
    "blocks the host": lambda s: XGrpMemRestrict(s.host, _BLOCKED),
    "removes the host": lambda s: XGrpMemDel(s.host),
    "removes an unknown one": lambda s: XGrpMemDel(_MARY),
    "announces an owner": lambda s: XGrpMemNew(known(_MARY, Role.OWNER)),
    "announces the host": lambda s: XGrpMemNew(known(s.host)),
    "announces one that is there": lambda s: XGrpMemNew(known(s.alice, Role.OBSERVER)),
    "announces itself": lambda s: XGrpMemNew(known(s.own)),
    "announces one without an id": lambda s: XGrpMemNew(known(b"")),
    "announces one with a long id": lambda s: XGrpMemNew(known(b"x" * 256)),
    "introduces one": lambda s: XGrpMemIntro(known(_MARY)),
    "passes a link of the host": lambda s: XGrpMemFwd(known(s.host), Introduction(_LINK)),
    "passes a link of one with a long id": lambda s: XGrpMemFwd(
        known(b"x" * 256), Introduction(_LINK)
    ),
    "sends itself a link": lambda s: XGrpMemInv(s.own, Introduction(_LINK)),
    "sends an unknown one a link": lambda s: XGrpMemInv(_MARY, Introduction(_LINK)),
    "sends the host a link": lambda s: XGrpMemInv(s.host, Introduction(_LINK)),
    "is connected with an unknown one": lambda s: XGrpMemCon(_MARY),
    "is connected with itself": lambda s: XGrpMemCon(s.own),
    "is connected with the host": lambda s: XGrpMemCon(s.host),
    "accepts the host": lambda s: XGrpLinkAcpt(Acceptance.ACCEPTED, Role.OBSERVER, s.host),
    "accepts another one": lambda s: XGrpLinkAcpt(Acceptance.ACCEPTED, Role.OBSERVER, s.alice),
    "lets the host wait": lambda s: XGrpLinkAcpt(Acceptance.PENDING_REVIEW, Role.OBSERVER, s.host),
    "is the host": lambda s: XGrpLinkMem(_PROFILE),
    "is another one": lambda s: XGrpMemInfo(s.alice, _PROFILE),
    "accepts an invitation": lambda s: XGrpAcpt(s.alice),
    "invites the group": lambda s: XGrpInv(
        GroupInvitation(
            MemberIdRole(_MARY, Role.OWNER),
            MemberIdRole(s.alice, Role.MEMBER),
            _LINK,
            GroupProfile("Trap"),
        )
    ),
    "asks to be a contact": lambda s: XContact(_PROFILE),
    "deletes a contact": lambda s: XDirectDel(),
    "says ok": lambda s: XOk(),
    "deletes the group": lambda s: XGrpDel(),
    "renames the group": lambda s: XGrpInfo(evolve(s.group.profile, display_name="Mine")),
    "changes the rules": lambda s: XGrpPrefs(GroupPreferences()),
    "speaks as the group": lambda s: XMsgNew(Text("forged"), as_group=True),
    "edits as the group": lambda s: XMsgUpdate(b"e" * 16, Text("forged"), as_group=True),
    "edits a message of the host": lambda s: XMsgUpdate(s.said, Text("forged")),
    "deletes a message of the host as its own": lambda s: XMsgDel(s.said),
    "deletes a message of the host": lambda s: XMsgDel(s.said, s.host),
    "says what the group does not allow": lambda s: XMsgNew(Voice(3)),
    "takes back a file of another one": lambda s: XFileCancel(s.said),
    "speaks in the conversation of an unknown one": lambda s: XMsgNew(
        Text("forged"), scope=MemberScope(_MARY)
    ),
}
"""What even an admin may not."""

BY_MODERATORS: dict[str, Attempt] = {
    "forwards as another one": forwarded(lambda s: s.alice, _FORGED),
    "forwards as an unknown one": forwarded(lambda s: _MARY, _FORGED),
    "forwards as itself": forwarded(lambda s: s.own, _FORGED),
    "forwards that another one leaves": forwarded(lambda s: s.alice, XGrpLeave()),
    "forwards that the host deletes the group": forwarded(lambda s: s.host, XGrpDel()),
    "forwards another profile": forwarded(lambda s: s.alice, XInfo(_PROFILE)),
    "removes another one": lambda s: XGrpMemDel(s.alice),
    "announces one": lambda s: XGrpMemNew(known(_MARY)),
    "passes a link": lambda s: XGrpMemFwd(known(_MARY), Introduction(_LINK)),
    "gives another one its own role": lambda s: XGrpMemRole(s.alice, Role.MODERATOR),
    "makes another one an observer": lambda s: XGrpMemRole(s.alice, Role.OBSERVER),
    "gives a role that there is not": lambda s: XGrpMemRole(s.alice, "emperor"),
}
"""What takes an admin."""

BY_MEMBERS: dict[str, Attempt] = {
    "blocks another one": lambda s: XGrpMemRestrict(s.alice, _BLOCKED),
    "blocks itself as another": lambda s: XGrpMemRestrict(_MARY, _BLOCKED),
    "deletes a message of another one": lambda s: XMsgDel(b"a" * 16, s.alice),
    "deletes a message of an unknown one": lambda s: XMsgDel(b"a" * 16, _MARY),
    "speaks with the admins as another one": lambda s: XMsgNew(
        Text("forged"), scope=MemberScope(s.alice)
    ),
    "edits with the admins as another one": lambda s: XMsgUpdate(
        b"e" * 16, Text("forged"), scope=MemberScope(s.alice)
    ),
    "reacts with the admins as another one": lambda s: XMsgReact(
        b"e" * 16, Emoji("👍"), add=True, member_id=s.alice, scope=MemberScope(s.alice)
    ),
}
"""What takes a moderator."""

ATTEMPTS = {
    Role.MEMBER: BY_ANYONE | BY_MODERATORS | BY_MEMBERS,
    Role.MODERATOR: BY_ANYONE | BY_MODERATORS,
    Role.ADMIN: BY_ANYONE,
}

RAW = {
    "nothing": b"",
    "no text": b"\xff\xfe",
    "half an object": b'{"v":"1","event":',
    "no object": b'"text"',
    "an array without an end": b"[",
    "an array of arrays": b"[" * 5000,
    "a batch that says it has more": b"=\xff",
    "a compressed part that is none": b"X\x01\x00\x05abcde",
    "a chunk of a file": b"F12345678\x00\x00\x00\x01xxx",
    "an event without parameters": b'{"v":"1","event":"x.msg.new"}',
    "an event of later versions": b'{"v":"1","event":"x.later","params":{}}',
    "a forward without a time": (
        b'{"v":"1","event":"x.grp.msg.forward","params":{"memberId":"YQ==",'
        b'"msg":{"v":"1","event":"x.ok","params":{}},"msgTs":"never"}}'
    ),
    "a forward of another age": (
        b'{"v":"1","event":"x.grp.msg.forward","params":{"memberId":"YQ==",'
        b'"msg":{"v":"1","event":"x.ok","params":{}},"msgTs":"0001-01-01T00:00:00+14:00"}}'
    ),
}


async def say_raw(person: Person, group: Group, body: bytes) -> None:
    """Send a body as it is to all with whom a member is connected."""

    def decide(store: Store) -> None:
        members = GroupStore(store).members(group.id)
        store.t.broadcast([e.connection_id for e in members if e.connection_id], body)

    await person.bot._core.step(decide)


async def seen(person: Person) -> list[object]:
    """What a person knows of the group."""
    (group,) = await person.bot.groups()
    members = await person.bot._core.step(
        lambda store: GroupStore(store).members(group.id), durable=False
    )
    whose = [(e.member_id, e.name, e.role, e.status, e.is_blocked) for e in members]
    return [group.profile, group.role, group.status, *whose]


async def open_scene(hosted: Hosted, role: Role) -> tuple[Group, Group, Scene]:
    no_voice = GroupPreferences(voice=GroupPreference(Switch.OFF))
    profile = GroupProfile("Team", group_preferences=no_voice)
    group = await hosted.host.bot.create_group(profile)
    of_mallory = await hosted.bring_in(group, 0, role)
    for number in (1, 2):
        await hosted.bring_in(group, number)
    said = await group.send("hello, all")
    ids = {each.name: each.id for each in await group.members()}
    own_id = of_mallory._record.own_id
    host_id = (await present(of_mallory, "Host")).id
    scene = Scene(own_id, host_id, ids["Alice"], ids["Bob"], said.id, group)
    return group, of_mallory, scene


async def connected(hosted: Hosted) -> None:
    """Wait until all members are connected with each other."""
    for person in hosted.people:
        (group,) = await person.bot.groups()
        with trio.fail_after(600):
            while True:
                members = await group.members()
                if len(members) == 3 and all(e._record.is_connected for e in members):
                    break
                await trio.sleep(1)


@pytest.mark.parametrize("role", ATTEMPTS)
async def test_nothing_comes_of_what_a_member_may_not_say(
    autojump_clock: Clock, role: Role
) -> None:
    async with open_hosted("Mallory", "Alice", "Bob", connects=True) as hosted:
        mallory, alice, bob = hosted.people
        group, of_mallory, scene = await open_scene(hosted, role)
        await connected(hosted)
        await trio.sleep(60)
        others = (hosted.host, alice, bob)
        before = [await seen(each) for each in others]
        for each in others:
            each.heard().clear()
        wrong: dict[str, object] = {}
        for name, attempt in ATTEMPTS[role].items():
            made = attempt(scene)
            to = "Host" if "host" in name or "receiver" in name else None
            await say_in_group(mallory, of_mallory, made, to=to)
            await trio.sleep(60)
            after = [await seen(each) for each in others]
            heard = [list(each.heard()) for each in others]
            if after != before or any(heard):
                wrong[name] = heard
                before = after
            for each in others:
                each.heard().clear()
        assert not wrong
        # All goes on for the others, and for this one.
        await of_mallory.send("still here")
        await group.send("still here")
        for each in (alice, bob):
            assert {(await each.next(GroupMessage)).member.name for _ in range(2)} == {
                "Mallory",
                "Host",
            }


async def test_what_cannot_be_read_is_left_out(autojump_clock: Clock) -> None:
    async with open_hosted("Mallory", "Alice", "Bob") as hosted:
        mallory, alice, bob = hosted.people
        _, of_mallory, _ = await open_scene(hosted, Role.ADMIN)
        others = (hosted.host, alice, bob)
        for each in (alice, bob):
            await each.next(GroupMessage)
        for number, body in enumerate(RAW.values()):
            if body:
                await say_raw(mallory, of_mallory, body)
            good = [
                ChatMessage(
                    XMsgNew(Text(f"{number} {part}")), f"{number} {part}".encode().ljust(16)
                )
                for part in ("first", "last")
            ]
            parts = [good[0].encode(), body or b"{}", good[1].encode()]
            if body.startswith((b"{", b'"')) and body != RAW["half an object"]:
                await say_raw(mallory, of_mallory, b"[" + b",".join(parts) + b"]")
            else:
                for message in good:
                    await say_raw(mallory, of_mallory, message.encode())
            for person in others:
                texts = [(await person.next(GroupMessage)).text for _ in range(2)]
                assert texts == [f"{number} first", f"{number} last"]


async def test_two_members_may_use_the_same_id(autojump_clock: Clock) -> None:
    async with open_hosted("Mallory", "Alice", "Bob") as hosted:
        mallory, alice, bob = hosted.people
        _, of_mallory, _ = await open_scene(hosted, Role.MEMBER)
        (of_alice,) = await alice.bot.groups()
        await bob.next(GroupMessage)
        msg_id = b"i" * 16
        await say_in_group(mallory, of_mallory, XMsgNew(Text("Mallory's")), msg_id=msg_id)
        await trio.sleep(60)
        await say_in_group(alice, of_alice, XMsgNew(Text("Alice's")), msg_id=msg_id)
        await say_in_group(mallory, of_mallory, XMsgNew(Text("again")), msg_id=msg_id)
        for person in (hosted.host, bob):
            heard = [(await person.next(GroupMessage)) for _ in range(2)]
            assert [(e.member.name, e.text) for e in heard] == [
                ("Mallory", "Mallory's"),
                ("Alice", "Alice's"),
            ]
        await trio.sleep(600)
        for person in (hosted.host, bob):
            assert not [e for e in person.heard() if isinstance(e, GroupMessage)]
