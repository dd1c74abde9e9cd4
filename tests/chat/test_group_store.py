"""What is kept of the members of groups is found again, with few looks at large groups."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TypeVar

import pytest
import trio
from attrs import evolve

from simplex_trio.chat.machine.groups.records import (
    MemberOrigin,
    MemberRecord,
    MemberStatus,
)
from simplex_trio.chat.machine.groups.relations import Relation, Relations
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.group_events import XGrpMemCon
from simplex_trio.chat.messages.group_profiles import Role

from .hosted import open_hosted, say_in_group

Clock = trio.testing.MockClock

T = TypeVar("T")


def member_ids(members: object) -> list[bytes]:
    return sorted(each.member_id for each in members)  # type: ignore[attr-defined]


async def test_the_ways_to_members_agree(autojump_clock: Clock) -> None:
    random = Random(19)
    async with open_hosted() as hosted:
        group = await hosted.host.bot.create_group("Team")

        def change(store: Store) -> None:
            groups = GroupStore(store)
            relations = Relations(store.t.kept, group.id)
            known = groups.members(group.id)
            member = random.choice(known) if known else None
            match random.randrange(5):
                case 0 if member is not None:
                    groups.remove_member(member)
                case 1 if member is not None:
                    groups.change_member(member, status=random.choice(list(MemberStatus)))
                case 2 if member is not None:
                    connection_id = random.choice([None, str(random.random())])
                    groups.change_member(member, connection_id=connection_id)
                case 3 if member is not None:
                    groups.put_member(evolve(member, is_blocked=not member.is_blocked))
                case _:
                    new = MemberRecord(
                        *(group.id, random.randbytes(4), Role.MEMBER),
                        *(MemberStatus.PRESENT, MemberOrigin.INVITEE),
                        number=relations.new_number(),
                    )
                    groups.wait_for(groups.put_member(new), 1)

        def compare(store: Store) -> None:
            groups = GroupStore(store)
            members = groups.members(group.id)
            current = [each for each in members if each.is_current]
            for few in (1, len(current), len(current) + 1):
                assert groups.has_fewer(group.id, few) == (len(current) < few)
            connected = [each for each in members if each.connection_id is not None]
            assert member_ids(groups.connected_members(group.id)) == member_ids(connected)
            assert groups.count_connections(group.id) == len(connected)
            for wanted in (members, members[:1]):
                numbers = [each.number for each in wanted] + [10**6]
                found = groups.numbered_members(group.id, numbers)
                assert member_ids(found) == member_ids(wanted)
            waiting = groups.waiting_members(group.id)
            assert {each.member_id for each in waiting} <= {each.member_id for each in members}

        for _ in range(200):
            await hosted.host.bot._core.step(change)
            await hosted.host.bot._core.step(compare)


def test_those_who_need_the_host() -> None:
    class Kept:
        """Records in memory."""

        def __init__(self) -> None:
            self.values: dict[tuple[str, bytes], bytes] = {}

        def get(self, space: str, key: bytes) -> bytes | None:
            return self.values.get((space, key))

        def put(self, space: str, key: bytes, value: bytes) -> None:
            self.values[space, key] = value

        def delete(self, space: str, key: bytes) -> None:
            self.values.pop((space, key), None)

        def scan(
            self, space: str, prefix: bytes, after: bytes | None = None
        ) -> list[tuple[bytes, bytes]]:
            found = sorted((key, value) for (of, key), value in self.values.items() if of == space)
            return [e for e in found if e[0].startswith(prefix) and (not after or e[0] > after)]

    relations = Relations(Kept(), 1)  # type: ignore[arg-type]
    expected: list[int] = []
    for number in range(2, 700):
        relation = Relation(number % 4)
        relations.put(1, number, relation)
        if relation.needs_host:
            expected.append(number)
    assert relations.need_host(1) == expected
    assert relations.need_host(0) == []


async def test_a_message_that_tells_nothing_is_settled_at_once(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_hosted("Alice") as hosted:
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        await trio.sleep(60)
        core = hosted.host.bot._core
        steps, step = 0, core.step

        async def counted(decide: Callable[[Store], T], **options: bool) -> T:
            nonlocal steps
            steps += 1
            return await step(decide, **options)

        monkeypatch.setattr(core, "step", counted)
        await say_in_group(hosted.people[0], of_alice, XGrpMemCon(b"somebody else"))
        await trio.sleep(60)
        assert steps == 1
        await of_alice.send("this is heard")
        await trio.sleep(60)
        assert steps == 3
