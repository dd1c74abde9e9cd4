"""Nothing that members say, and nothing that comes at a bad time, ends a bot."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from random import Random

import trio

from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group
from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.messages.group_events import XGrpInfo, XGrpPrefs
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


def long_profile(name: str = "Team") -> GroupProfile:
    """A profile that fills a message, and that nothing can compress."""
    noise = b64encode(Random(1).randbytes(10_700)).decode()
    return GroupProfile(name, image=Picture("data:image/png;base64," + noise))


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
