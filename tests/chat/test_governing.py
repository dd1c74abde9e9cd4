"""What a bot does to members and groups as their owner."""

from __future__ import annotations

import pytest
import trio

from simplex_trio.chat.errors import MemberGone, NotAllowed, UnknownGroup
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.machine.groups.records import GroupStatus
from simplex_trio.chat.messages.group_profiles import (
    GroupPreference,
    GroupPreferences,
    GroupProfile,
    Role,
    Switch,
)
from simplex_trio.chat.messages.preferences import Command

from .hosted import open_hosted, present

Clock = trio.testing.MockClock


async def test_roles_are_changed_and_members_told(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0, Role.MODERATOR)
        await hosted.bring_in(group, 1)
        alice, bob = await present(group, "Alice"), await present(group, "Bob")
        await bob.set_role(Role.ADMIN)
        assert bob.role is Role.ADMIN
        await trio.sleep(60)
        (of_bob,) = await hosted.people[1].bot.groups()
        assert of_bob.role is Role.ADMIN
        with pytest.raises(NotAllowed):
            await alice.set_role(Role.RELAY)
        (host,) = [e for e in await of_alice.members() if e.role is Role.OWNER]
        with pytest.raises(NotAllowed):
            await host.set_role(Role.MEMBER)
        with pytest.raises(NotAllowed):
            await host.remove()
        with pytest.raises(NotAllowed):
            await host.block()


async def test_a_member_is_removed_and_told(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        await hosted.bring_in(group, 0)
        of_bob = await hosted.bring_in(group, 1)
        alice = await present(group, "Alice")
        await alice.remove(messages=True)
        with pytest.raises(MemberGone):
            await alice.remove()
        await trio.sleep(60)
        (of_alice,) = await hosted.people[0].bot.groups()
        assert of_alice.status is GroupStatus.REMOVED
        assert [each.name for each in await of_bob.members()] == ["Host"]
        assert [each.name for each in await group.members()] == ["Bob"]
        again = await hosted.bring_in(group, 0)
        assert again.id != of_alice.id
        assert (await present(group, "Alice")).id != alice.id


async def test_what_a_blocked_member_says_is_not_passed_on(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        await hosted.bring_in(group, 1)
        alice = await present(group, "Alice")
        await alice.block()
        await trio.sleep(60)
        await of_alice.send("buy now")
        await trio.sleep(60)
        for each in (hosted.host, hosted.people[1]):
            assert not [e for e in each.heard() if isinstance(e, GroupMessage)]
        await alice.unblock()
        await of_alice.send("sorry")
        for each in (hosted.host, hosted.people[1]):
            assert (await each.next(GroupMessage)).text == "sorry"


async def test_the_group_says_something_else_of_itself(autojump_clock: Clock) -> None:
    async with open_hosted("Alice") as hosted:
        group = await hosted.host.bot.create_group(GroupProfile("Team"))
        of_alice = await hosted.bring_in(group, 0)
        await group.set_commands([Command("help", "Shows help")])
        off = GroupPreference(Switch.OFF)
        await group.set_preferences(GroupPreferences(voice=off))
        await group.set_profile("Crew")
        await trio.sleep(60)
        (of_alice,) = await hosted.people[0].bot.groups()
        assert of_alice.profile == group.profile
        assert group.profile == GroupProfile(
            "Crew",
            group_preferences=GroupPreferences(
                voice=off, commands=(Command("help", "Shows help"),)
            ),
        )
        with pytest.raises(NotAllowed):
            await of_alice.set_profile("Mine")


async def test_the_group_is_deleted_for_all(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        for number in range(2):
            await hosted.bring_in(group, number)
        await group.delete()
        assert await hosted.host.bot.groups() == []
        with pytest.raises(UnknownGroup):
            await group.send("gone")
        await trio.sleep(60)
        for each in hosted.people:
            (theirs,) = await each.bot.groups()
            assert theirs.status is GroupStatus.DELETED
        spaces = await hosted.host.bot._core.step(
            lambda store: [store.t.kept.count(f".chat.{name}") for name in _OF_GROUPS]
        )
        assert spaces == [0] * len(_OF_GROUPS)


_OF_GROUPS = (
    "groups",
    "members",
    "member-profiles",
    "members-of-connections",
    "group-told",
    "group-seen",
    "group-seen-order",
    "group-relations",
    "group-admissions",
)
