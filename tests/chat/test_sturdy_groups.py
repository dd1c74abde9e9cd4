"""Nothing that members say, and nothing that comes at a bad time, ends a bot."""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path
from random import Random

import pytest
import trio

from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.group_requests import MemberRequest
from simplex_trio.chat.groups import Group
from simplex_trio.chat.machine.groups.applicants import admit, begin_talking
from simplex_trio.chat.machine.groups.own_links import update_link
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.group_events import XGrpDirectInv, XGrpInfo, XGrpPrefs
from simplex_trio.chat.messages.group_profiles import (
    GroupPreference,
    GroupPreferences,
    GroupProfile,
    Role,
    Switch,
)
from simplex_trio.chat.messages.pictures import Picture

from .hosted import open_hosted, present, say_in_group
from .people import Person
from .test_group_files import CONTENT, open_shared

Clock = trio.testing.MockClock

ON, OFF = GroupPreference(Switch.ON), GroupPreference(Switch.OFF)


def noise(size: int) -> Picture:
    return Picture("data:image/png;base64," + b64encode(Random(1).randbytes(size)).decode())


def long_profile(name: str = "Team") -> GroupProfile:
    """A profile that fills a message, and that nothing can compress."""
    return GroupProfile(name, image=noise(10_700))


async def still_hears(person: Person, teller: Group) -> None:
    await teller.send("still there?")
    message = await person.next(GroupMessage)
    assert message.text == "still there?"


async def test_a_group_says_more_of_itself_than_a_link_can(autojump_clock: Clock) -> None:
    async with open_hosted("Alice") as hosted:
        (alice,) = hosted.people
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0, Role.ADMIN)
        await of_alice.create_link()
        await say_in_group(hosted.host, group, XGrpInfo(long_profile()))
        await still_hears(alice, group)
        (again,) = await alice.bot.groups()
        assert again.profile == long_profile()


async def test_one_message_changes_much_very_often(autojump_clock: Clock) -> None:
    """What a long profile was before each of the changes is more than one record can hold."""
    async with open_hosted("Alice") as hosted:
        (alice,) = hosted.people
        group = await hosted.host.bot.create_group("Team")
        await hosted.bring_in(group, 0)
        rules = [GroupPreferences(voice=each) for each in (ON, OFF)]
        await say_in_group(hosted.host, group, XGrpInfo(long_profile()))
        await say_in_group(hosted.host, group, *(XGrpPrefs(rules[n % 2]) for n in range(120)))
        await still_hears(alice, group)


async def test_a_member_leaves_before_a_file_for_it_is_uploaded(
    autojump_clock: Clock, tmp_path: Path
) -> None:
    async with open_shared(tmp_path) as shared:
        host = shared.hosted.host
        alice = await present(shared.group, "Alice")
        sent = await alice.support.send_file(CONTENT)
        await alice.remove()
        await trio.sleep(600)
        assert await sent.wait() is DeliveryState.FAILED
        await still_hears(host, shared.of_bob)


async def test_a_link_has_no_room_for_a_long_profile(autojump_clock: Clock) -> None:
    """What comes compressed can be longer than what a link shows."""
    async with open_hosted("Alice") as hosted:
        group = await hosted.host.bot.create_group("Team")
        link = await group.create_link()
        longer = GroupProfile("Team", image=noise(16_000))

        def change(store: Store) -> None:
            groups = GroupStore(store)
            found = groups.group(group.id)
            assert found is not None
            update_link(groups, groups.change_group(found, profile=longer))

        await group._core.step(change)
        await trio.sleep(60)
        info = await hosted.people[0].bot.look(link)
        assert info.group == group.profile  # as before


@pytest.mark.parametrize("kind", ["of another version", "of another contact"])
async def test_both_ask_for_a_contact_with_a_link_of_no_use(
    autojump_clock: Clock, kind: str
) -> None:
    async with open_hosted("Alice") as hosted:
        (alice,) = hosted.people
        rules = GroupPreferences(direct_messages=ON)
        group = await hosted.host.bot.create_group(GroupProfile("Team", group_preferences=rules))
        of_alice = await hosted.bring_in(group, 0)

        def forget_contact(store: Store) -> None:
            groups = GroupStore(store)
            for each in groups.members(of_alice.id):
                groups.change_member(each, contact_id=None)

        await alice.bot._core.step(forget_contact)
        asked = await (await present(of_alice, "Host")).ask_contact()
        await trio.sleep(60)
        record = await alice.bot._core.step(lambda store: store.contact(asked.id))
        assert record is not None
        assert record.asked is not None
        own = record.asked.link
        assert own is not None
        link = ""
        while link <= own:  # and so Alice is to join it
            link = (await hosted.host.bot.agent.create(pq=False)).link
        if kind == "of another version":
            link = re.sub("e2e=v%3D[0-9]+-[0-9]+", "e2e=v%3D90-99", link)
        else:
            other = await alice.bot.connect(link)
        await say_in_group(hosted.host, group, XGrpDirectInv(link))
        await still_hears(alice, group)
        after = await alice.bot._core.step(lambda store: store.contact(asked.id))
        assert after is not None
        assert after.connection_id == record.connection_id
        if kind == "of another contact":
            assert other._record.connection_id != after.connection_id


async def test_one_is_approved_by_a_program_that_is_no_admin_any_more(
    autojump_clock: Clock,
) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        alice, bob = hosted.people
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0, Role.ADMIN)
        link = await of_alice.create_link(approval=True)
        core, settings = alice.bot._core, alice.bot._core.settings
        await bob.bot.join(link)
        request = await alice.next(MemberRequest)

        def approve(store: Store) -> None:
            groups = GroupStore(store)
            found, member = groups.group(of_alice.id), request.member._record
            assert found is not None
            member = begin_talking(groups, settings, found, member)
            assert admit(groups, settings, found, member, None) == []
            groups.change_group(found, own_role=Role.MEMBER)

        await core.step(approve)
        await trio.sleep(60)
        assert [each.name for each in await of_alice.requests()] == ["Bob"]
        await still_hears(alice, group)
