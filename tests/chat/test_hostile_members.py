"""What members can make the host of a group send and store is limited."""

from __future__ import annotations

import pytest
import trio

from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group, Member
from simplex_trio.chat.machine.groups import asking, forwarding, pending, relations
from simplex_trio.chat.machine.groups.introducing import numbered
from simplex_trio.chat.machine.groups.records import MemberOrigin, MemberRecord, MemberStatus
from simplex_trio.chat.machine.groups.relations import Relation, Relations
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.events import XInfo, XMsgNew
from simplex_trio.chat.messages.group_events import (
    Introduction,
    XGrpMemCon,
    XGrpMemInv,
    XGrpMemRole,
)
from simplex_trio.chat.messages.group_profiles import GroupProfile, Role
from simplex_trio.chat.messages.pictures import Picture
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.pacing import Pace

from .hosted import Hosted, open_hosted, present, say_in_group

Clock = trio.testing.MockClock


async def records(hosted: Hosted, group: Group) -> dict[str, MemberRecord]:
    """The host's records of members, by their names."""
    found = await hosted.host.bot._core.step(lambda store: GroupStore(store).members(group.id))
    return {each.name: each for each in found}


async def relation(hosted: Hosted, group: Group, one: str, other: str) -> Relation:
    known = await records(hosted, group)

    def look(store: Store) -> Relation:
        found = Relations(store.t.kept, group.id)
        return found.between(known[one].number, known[other].number)

    return await hosted.host.bot._core.step(look)


def test_a_budget_is_spent_and_comes_back() -> None:
    pace = Pace(burst=10, rate=2)
    assert pace.wait_for("a", 0) == 0
    for _ in range(3):
        pace.spend("a", 5, 0)
    assert pace.wait_for("a", 0) == 2.5
    assert pace.wait_for("b", 0) == 0
    assert pace.wait_for("a", 2.5) == 0
    for number in range(2000):
        pace.spend(str(number), 1, number)
    assert len(pace._due) <= 1001


async def test_a_flood_is_passed_on_slowly_and_others_are_heard(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "PASSED_ON_BURST", 10)
    monkeypatch.setattr(forwarding, "PASSED_ON_RATE", 1)
    async with open_hosted("Alice", "Bob", "Carol") as hosted:
        group = await hosted.host.bot.create_group("Team")
        of_alice, of_bob, _ = [await hosted.bring_in(group, number) for number in range(3)]
        began = trio.current_time()
        for number in range(20):
            await of_alice.send(f"flood {number}")
        await trio.sleep(5)
        await of_bob.send("am I heard?")
        carol = hosted.people[2]
        while (message := await carol.next(GroupMessage)).member.name != "Bob":
            pass
        assert message.text == "am I heard?"
        assert trio.current_time() - began < 10
        heard = 0
        while trio.current_time() - began < 30:
            await trio.sleep(1)
            heard = sum(isinstance(each, GroupMessage) for each in hosted.people[1].heard())
            # Each message is two copies here, to Bob and to Carol.
            assert 2 * heard <= 10 + (trio.current_time() - began) + 2
        assert 2 * heard >= 30
        # Nothing of it is lost.
        while (message := await hosted.people[1].next(GroupMessage)).text != "flood 19":
            pass


async def test_one_who_does_not_read_is_not_queued_for_without_limit(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "MAX_QUEUED", 5)
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        await hosted.bring_in(group, 0)
        await hosted.bring_in(group, 1)
        bob = (await records(hosted, group))["Bob"]
        connection_id = bob.connection_id
        assert connection_id is not None

        def keep_from_sending(store: Store) -> None:
            for number in range(20):
                store.t.broadcast([connection_id], b"{}", most_queued=5)
                assert store.t.status(connection_id).queued == min(number + 1, 5)

        await hosted.host.bot._core.step(keep_from_sending)


async def test_each_pair_gets_links_once_and_only_through_its_host(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob", "Carol") as hosted:
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        of_bob = await hosted.bring_in(group, 1)
        known = await records(hosted, group)
        links = Introduction("simplex:/invitation#/?v=1")
        assert await relation(hosted, group, "Alice", "Bob") is Relation.INTRODUCED
        alice = known["Alice"].member_id
        for event in (
            XGrpMemInv(b"nobody", links),
            XGrpMemInv(group._record.own_id, links),
            XGrpMemInv(known["Bob"].member_id, links),
        ):
            await say_in_group(hosted.people[1], of_bob, event)
        await trio.sleep(60)
        assert await relation(hosted, group, "Alice", "Bob") is Relation.INTRODUCED
        for _ in range(3):
            await say_in_group(hosted.people[1], of_bob, XGrpMemInv(alice, links))
        await trio.sleep(60)
        assert await relation(hosted, group, "Alice", "Bob") is Relation.INVITED
        await of_bob.send("still heard?")
        assert (await hosted.people[0].next(GroupMessage)).text == "still heard?"
        await say_in_group(hosted.people[0], of_alice, XGrpMemCon(b"nobody"))
        await say_in_group(hosted.people[0], of_alice, XGrpMemCon(known["Bob"].member_id))
        await trio.sleep(60)
        assert await relation(hosted, group, "Alice", "Bob") is Relation.CONNECTED
        await of_bob.send("not passed on")
        await trio.sleep(60)
        assert not [e for e in hosted.people[0].heard() if isinstance(e, GroupMessage)]


async def test_what_is_not_allowed_is_not_passed_on(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0, Role.OBSERVER)
        await hosted.bring_in(group, 1)
        known = await records(hosted, group)
        alice, bob = known["Alice"].member_id, known["Bob"].member_id
        for event in (
            XMsgNew(Text("no")),
            XGrpMemRole(alice, Role.OWNER),
            XGrpMemRole(bob, Role.OBSERVER),
        ):
            await say_in_group(hosted.people[0], of_alice, event)
        await trio.sleep(60)
        assert not [e for e in hosted.people[1].heard() if isinstance(e, GroupMessage)]
        (of_bob,) = await hosted.people[1].bot.groups()
        assert of_bob.role is Role.MEMBER
        assert {e.name: e.role for e in await of_bob.members()}["Alice"] is Role.OBSERVER


async def test_those_who_ask_at_a_link_are_let_in_slowly(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ANSWERED_AT_ONCE", 1)
    monkeypatch.setattr(asking, "ANSWER_PERIOD", 100)
    async with open_hosted("Alice", "Bob", "Carol") as hosted:
        group = await hosted.host.bot.create_group("Team")
        link = await group.create_link()
        began = trio.current_time()
        for person in hosted.people:
            await person.bot.join(link)
        times = []
        for _ in hosted.people:
            await hosted.host.next(Member)
            times.append(trio.current_time() - began)
        assert times[0] < 50
        assert 90 < times[1] < 160
        assert 190 < times[2] < 260
        assert await group.requests() == []


async def test_relations_take_little_room_and_go_with_members(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relations, "PIECE", 16)
    async with open_hosted() as hosted:
        group = await hosted.host.bot.create_group(GroupProfile("Team"))

        def take(store: Store) -> tuple[int, int]:
            groups = GroupStore(store)
            kept = Relations(store.t.kept, group.id)
            members = []
            for number in range(40):
                member = groups.put_member(_member(group, number))
                members.append(numbered(groups, member))
                for other in members[:-1]:
                    kept.put(members[-1].number, other.number, Relation.INTRODUCED)
            rows = store.t.kept.count(".chat.group-relations")
            row = kept.row(members[20].number)
            assert sum(row(each.number) is Relation.INTRODUCED for each in members) == 39
            for each in members[1:]:
                groups.remove_member(each)
            left = kept.row(members[0].number)
            assert all(left(each.number) is Relation.NONE for each in members)
            return rows, store.t.kept.count(".chat.group-relations")

        rows, left = await hosted.host.bot._core.step(take)
        assert rows == 40 * 3 + 1
        assert left == 1


def _member(group: Group, number: int) -> MemberRecord:
    return MemberRecord(
        *(group.id, f"member {number}".encode(), Role.MEMBER),
        *(MemberStatus.PRESENT, MemberOrigin.INVITEE),
    )


async def test_a_profile_that_fills_a_message_keeps_no_other_out(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        picture = Picture(f"data:image/png;base64,{'A' * 15_000}")
        for profile in (
            Profile("Alice", image=picture),
            Profile("Alice", full_name="A" * 15_000),
        ):
            await say_in_group(hosted.people[0], of_alice, XInfo(profile))
            await trio.sleep(60)
            of_bob = await hosted.bring_in(group, 1)
            await trio.sleep(60)
            assert "Alice" in {each.name for each in await of_bob.members()}
            bob = await present(group, "Bob")
            await bob.remove()
            await trio.sleep(60)


async def test_a_link_that_fills_a_message_is_not_passed_on(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        await hosted.bring_in(group, 0)
        of_bob = await hosted.bring_in(group, 1)
        alice = (await records(hosted, group))["Alice"].member_id
        links = Introduction("simplex:/invitation#/?v=1" + "x" * 14_000)
        await say_in_group(hosted.people[1], of_bob, XGrpMemInv(alice, links))
        await of_bob.send("hello")
        assert (await hosted.host.next(GroupMessage)).text == "hello"
        assert await relation(hosted, group, "Alice", "Bob") is Relation.INTRODUCED


async def test_what_waits_for_a_member_is_limited_and_sent_in_order(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "MAX_PENDING", 3)
    async with open_hosted("Alice") as hosted:
        group = await hosted.host.bot.create_group("Team")
        await hosted.bring_in(group, 0)
        alice = (await records(hosted, group))["Alice"]

        def keep(store: Store) -> None:
            for number in range(5):
                event = XMsgNew(Text(str(number)))
                pending.keep_pending(GroupStore(store), alice, event, b"%d" % number)
            assert store.t.kept.count(".chat.group-pending") == 3

        def send(store: Store) -> None:
            pending.send_pending(GroupStore(store), alice)
            assert store.t.kept.count(".chat.group-pending") == 0

        await hosted.host.bot._core.step(keep)
        await hosted.host.bot._core.step(send)
        heard = [(await hosted.people[0].next(GroupMessage)).text for _ in range(3)]
        assert heard == ["2", "3", "4"]
