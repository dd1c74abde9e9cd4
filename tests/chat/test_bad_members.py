"""Hosts and members that do what they should not: it changes nothing, and costs little."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from attrs import evolve

from simplex_trio.chat.group_changes import (
    GroupChanged,
    GroupEnded,
    MemberBlocked,
    MemberContactRequest,
    MemberLeft,
    MemberProfileChanged,
    RoleChanged,
)
from simplex_trio.chat.group_message_changes import GroupMessageDeleted
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group, GroupInvitation, Member
from simplex_trio.chat.machine.groups import arriving, elements, joining, mesh, store
from simplex_trio.chat.machine.groups.records import GroupStatus, MemberStatus
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import XInfo, XMsgDel, XMsgNew
from simplex_trio.chat.messages.group_events import (
    Acceptance,
    Introduction,
    MemberIdRole,
    MemberInfo,
    MemberRestrictions,
    Restriction,
    XGrpDel,
    XGrpDirectInv,
    XGrpInfo,
    XGrpInv,
    XGrpLeave,
    XGrpLinkAcpt,
    XGrpLinkMem,
    XGrpMemCon,
    XGrpMemDel,
    XGrpMemFwd,
    XGrpMemIntro,
    XGrpMemInv,
    XGrpMemNew,
    XGrpMemRestrict,
    XGrpMemRole,
    XGrpPrefs,
)
from simplex_trio.chat.messages.group_events import (
    GroupInvitation as Invitation,
)
from simplex_trio.chat.messages.group_profiles import GroupPreferences, GroupProfile, Role
from simplex_trio.chat.messages.message import ChatMessage, XGrpMsgForward
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.versions import CHAT_VERSIONS
from simplex_trio.chat.people import timestamp

from .hosted import Hosted, open_hosted, present, say_in_group
from .people import Person, disobey, talk

Clock = trio.testing.MockClock

CHANGES: tuple[type[Any], ...] = (
    GroupChanged,
    GroupEnded,
    GroupMessage,
    Group,
    Member,
    MemberBlocked,
    MemberContactRequest,
    MemberLeft,
    MemberProfileChanged,
    RoleChanged,
)
BLOCKED = MemberRestrictions(Restriction.BLOCKED)


def changes(person: Person) -> list[object]:
    return [each for each in person.heard() if isinstance(each, CHANGES)]


def info(number: int, role: Role = Role.MEMBER) -> MemberInfo:
    return MemberInfo(b"%016d" % number, role, Profile(f"Member {number}"), CHAT_VERSIONS)


def forward(event: Event, author: bytes, *, number: int = 0, name: str = "") -> XGrpMsgForward:
    said = ChatMessage(event, b"id %d" % number)
    return XGrpMsgForward(said, timestamp(1_900_000_000), author, name)


async def known(person: Person, group: Group) -> int:
    """How many records of members there are."""
    return await person.bot._core.step(lambda store: len(GroupStore(store).members(group.id)))


@pytest.mark.parametrize("role", [Role.MEMBER, Role.MODERATOR, Role.ADMIN])
async def test_members_cannot_do_what_their_role_does_not_allow(
    autojump_clock: Clock, role: Role
) -> None:
    """What one member says is passed on by the host, which this one has not checked."""
    async with open_hosted("Alice", "Bob") as hosted:
        alice = hosted.people[0]
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0, Role.ADMIN)
        await hosted.bring_in(group, 1, role)
        host = await present(of_alice, "Host")
        bob = await present(of_alice, "Bob")
        await trio.sleep(60)
        changes(alice)
        alice._others.clear()
        forbidden: list[Event] = [
            XGrpMemRole(host.id, Role.OBSERVER),
            XGrpMemRole(b"unknown", Role.MEMBER),
            XGrpMemRole(bob.id, Role.OWNER),
            XGrpMemDel(host.id),
            XGrpMemDel(b"unknown"),
            XGrpMemRestrict(host.id, BLOCKED),
            XGrpMemRestrict(of_alice._record.own_id, BLOCKED),
            XGrpDel(),
            XGrpInfo(GroupProfile("Mine")),
            XGrpPrefs(GroupPreferences()),
            XGrpMemNew(info(1, Role.OWNER)),
            # Only the host may say these, and itself.
            XGrpMemIntro(info(2)),
            XGrpMemFwd(info(3), Introduction("simplex:/invitation#/?v=1")),
            XGrpMemInv(host.id, Introduction("simplex:/invitation#/?v=1")),
            XGrpMemCon(host.id),
            XGrpLinkAcpt(Acceptance.ACCEPTED, Role.OWNER, of_alice._record.own_id),
            XGrpLinkMem(Profile("Another host")),
            XGrpDirectInv("simplex:/invitation#/?v=1"),
        ]
        if role is not Role.ADMIN:
            forbidden += [
                XGrpMemRole(of_alice._record.own_id, Role.OBSERVER),
                XGrpMemDel(of_alice._record.own_id),
                XGrpMemNew(info(1)),
            ]
        said = [forward(each, bob.id, number=n) for n, each in enumerate(forbidden)]
        await say_in_group(hosted.host, group, *said, to="Alice")
        await trio.sleep(60)
        assert changes(alice) == []
        assert {each.name for each in await of_alice.members()} == {"Host", "Bob"}
        (again,) = await alice.bot.groups()
        assert (again.name, again.status, again.role) == ("Team", GroupStatus.READY, Role.ADMIN)
        allowed = forward(XMsgNew(Text("I may say this")), bob.id, number=99)
        await say_in_group(hosted.host, group, allowed, to="Alice")
        assert (await alice.next(GroupMessage)).member.id == bob.id


async def test_only_admins_pass_on_what_others_say(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob", connects=True) as hosted:
        alice, bob = hosted.people
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        of_bob = await hosted.bring_in(group, 1)
        await trio.sleep(60)
        host_id, alices = (await present(of_bob, "Host")).id, of_alice._record.own_id
        said = XMsgNew(Text("I owe you money"))
        await say_in_group(bob, of_bob, forward(said, host_id), forward(said, b"x" * 16))
        # And nothing is taken as said by the program itself, or by what cannot be an id.
        for number, author in enumerate((alices, b"", b"x" * 256)):
            forged = forward(said, author, number=number)
            await say_in_group(hosted.host, group, forged, to="Alice")
        await trio.sleep(60)
        assert not [each for each in changes(alice) if isinstance(each, GroupMessage)]
        assert await known(alice, of_alice) == 2


async def test_an_admin_to_be_passes_nothing_on(autojump_clock: Clock) -> None:
    """It may be told already what it will be, and is no member before the others let it in."""
    async with open_hosted("Alice", "Bob") as hosted:
        bob = hosted.people[1]
        group = await hosted.host.bot.create_group("Team")
        await hosted.bring_in(group, 0)
        of_bob = await hosted.bring_in(group, 1, Role.ADMIN)
        alice, bobs = await present(group, "Alice"), await present(group, "Bob")

        def wait(store: Store) -> None:
            GroupStore(store).change_member(bobs._record, status=MemberStatus.IN_REVIEW)

        await group._core.step(wait)
        said = XMsgNew(Text("I owe you money"))
        await say_in_group(bob, of_bob, forward(said, alice.id), XMsgDel(b"hers", alice.id))
        await trio.sleep(60)
        heard = hosted.host.heard()
        assert not [e for e in heard if isinstance(e, GroupMessage | GroupMessageDeleted)]


async def test_two_members_do_not_share_a_connection(autojump_clock: Clock) -> None:
    """A host passes the link of one on as that of another one, too."""
    async with open_hosted("Alice", connects=True) as hosted:
        (alice,) = hosted.people
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        link = Introduction((await hosted.host.bot.agent.create(pq=False)).link)
        links = [XGrpMemFwd(info(number), link) for number in range(2)]
        await say_in_group(hosted.host, group, *links)
        await trio.sleep(60)
        found = await alice.bot._core.step(lambda store: GroupStore(store).members(of_alice.id))
        connected = [each.connection_id for each in found if each.connection_id is not None]
        assert len(connected) == len(set(connected)) == 2


async def test_strange_members_are_not_met(autojump_clock: Clock) -> None:
    async with open_hosted("Alice") as hosted:
        (alice,) = hosted.people
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        host = await present(of_alice, "Host")
        for number, member_id in enumerate(
            (of_alice._record.own_id, host.id, b"", b"x" * 256, b"x" * 10_000)
        ):
            strange = evolve(info(number, Role.OWNER), member_id=member_id)
            for event in (
                XGrpMemIntro(strange),
                XGrpMemNew(strange),
                XGrpMemFwd(strange, Introduction("simplex:/invitation#/?v=1")),
                XGrpMemRestrict(member_id, BLOCKED),
                XGrpMemDel(member_id) if member_id != of_alice._record.own_id else XGrpMemCon(b""),
            ):
                if isinstance(event, XGrpMemDel | XGrpMemRestrict) and member_id == host.id:
                    continue
                await say_in_group(hosted.host, group, event)
        await trio.sleep(60)
        assert changes(alice) == []
        (member,) = await of_alice.members()
        assert (member.name, member.role, member.is_blocked) == ("Host", Role.OWNER, False)


async def test_the_gone_do_not_come_back(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        alice = hosted.people[0]
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        of_bob = await hosted.bring_in(group, 1)
        bob = await present(of_alice, "Bob")
        await of_bob.leave()
        assert (await alice.next(MemberLeft)).member.id == bob.id
        await trio.sleep(60)
        alice.heard().clear()
        again = MemberInfo(bob.id, Role.MEMBER, Profile("Bob"), CHAT_VERSIONS)
        late = [forward(XMsgNew(Text("late")), bob.id), forward(XGrpLeave(), bob.id, number=1)]
        for event in (*late, XGrpMemNew(again), XGrpMemIntro(again)):
            await say_in_group(hosted.host, group, event)
        await trio.sleep(60)
        assert changes(alice) == []
        assert await known(alice, of_alice) == 1


async def test_thousands_of_introductions_are_bounded(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_MEMBERS", 100)
    monkeypatch.setattr(mesh, "MAX_CONNECTIONS", 5)
    async with open_hosted("Alice", connects=True) as hosted:
        (alice,) = hosted.people
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        introductions = [XGrpMemIntro(info(number)) for number in range(1000)]
        await say_in_group(hosted.host, group, *introductions)
        await trio.sleep(600)
        assert await known(alice, of_alice) == 100
        # One contact, the host, and four others.
        assert len(await alice.bot.agent.connections()) == 1 + 5
        unknown = [
            forward(XMsgNew(Text("hello")), b"author %9d" % number, number=number)
            for number in range(200)
        ]
        await say_in_group(hosted.host, group, *unknown)
        await of_alice.send("still here")
        assert (await hosted.host.next(GroupMessage)).text == "still here"
        assert await known(alice, of_alice) == 100


async def test_one_message_tells_of_so_many_things(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elements, "MAX_TOLD", 10)
    async with open_hosted("Alice") as hosted:
        (alice,) = hosted.people
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        names = [XInfo(Profile(f"Host {number}")) for number in range(30)]
        await say_in_group(hosted.host, group, *names)
        await trio.sleep(60)
        assert len(changes(alice)) == 10
        assert (await of_alice.members())[0].name == "Host 9"


async def test_invitations_of_a_contact_are_bounded(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "MAX_INVITATIONS_OF_CONTACT", 3)
    async with open_hosted("Alice", joins=False) as hosted:
        (alice,) = hosted.people
        host = hosted.host.bot
        groups = [await host.create_group(f"Team {number}") for number in range(5)]
        for group in groups:
            await group.invite(hosted.contacts[0])
        await trio.sleep(60)
        invitations = [each for each in alice.heard() if isinstance(each, GroupInvitation)]
        assert len(invitations) == 3
        alice._others.clear()
        await invitations[0].decline()
        await groups[4].invite(hosted.contacts[0])
        assert (await alice.next(GroupInvitation)).group.name == "Team 4"
        # Some make no sense.
        ids = MemberIdRole(b"H" * 16, Role.OWNER), MemberIdRole(b"O" * 16, Role.MEMBER)
        address = host.address
        for link in ("", "https://example.org", address):
            await disobey(
                hosted.host,
                hosted.contacts[0],
                XGrpInv(Invitation(*ids, link, GroupProfile("Odd"))),
            )
        await trio.sleep(60)
        assert not [each for each in alice.heard() if isinstance(each, GroupInvitation)]


async def test_invitations_of_those_that_are_gone_make_room(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "MAX_INVITATIONS", 2)
    async with open_hosted("Alice", joins=False) as hosted:
        (alice,) = hosted.people
        group = await hosted.host.bot.create_group("Team")
        (contact,) = hosted.contacts
        for number in range(3):
            await group.invite(contact)
            invited = await alice.next(GroupInvitation)
            assert invited.group.name == "Team"
            if number < 2:
                await contact.delete()
                await trio.sleep(60)
                for person in (hosted.host, alice):
                    person.heard().clear()
                contact, _ = await talk(hosted.host, alice)
        assert len(await alice.bot.groups()) == 1


async def test_another_admin_cannot_take_a_members_place(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob", "Mallory", connects=False) as hosted:
        alice, bob, mallory = hosted.people
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        await hosted.bring_in(group, 1)
        await hosted.bring_in(group, 2, Role.ADMIN)
        bobs = await present(of_alice, "Bob")
        await _set_connects(alice, of_alice)
        agent = mallory.bot.agent
        made = await agent.create(pq=False)
        other = MemberInfo(bobs.id, Role.MEMBER, Profile("Bob"), CHAT_VERSIONS)
        forged = XGrpMemFwd(other, Introduction(made.link))
        await _introduce_mallory(hosted, alice, of_alice, forged)
        await trio.sleep(60)
        assert not (await present(of_alice, "Bob")).is_connected
        assert len(await alice.bot.agent.connections()) == 2
        assert (await present(of_alice, "Bob")).status is MemberStatus.PRESENT
        assert bob.bot.profile.display_name == "Bob"


async def _set_connects(person: Person, group: Group) -> None:
    def decide(store: Any) -> None:
        groups = GroupStore(store)
        found = groups.group(group.id)
        assert found is not None
        groups.change_group(found, connects=True)

    await person.bot._core.step(decide)


async def _introduce_mallory(
    hosted: Hosted, alice: Person, of_alice: Group, forged: XGrpMemFwd
) -> None:
    """Have Mallory's event judged by Alice as one that came through a connection of its own."""
    mallory = await present(of_alice, "Mallory")

    def decide(store: Any) -> None:
        groups = GroupStore(store)
        found, record = groups.group(of_alice.id), mallory._record
        assert found is not None
        arrival = arriving.Arrival(
            *(store, groups, alice.bot._core.settings, found, record, record, b"id", 0, 0)
        )
        from simplex_trio.chat.machine.groups.members import passed_link

        assert not passed_link(arrival, forged)
        assert arrival.told == []

    await alice.bot._core.step(decide)
