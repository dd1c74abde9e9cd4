"""New members of groups of a bot get the last messages, if the group wants that."""

from __future__ import annotations

import pytest
import trio

from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group
from simplex_trio.chat.machine.groups import history
from simplex_trio.chat.machine.groups.history import History
from simplex_trio.chat.messages.group_profiles import (
    GroupPreference,
    GroupPreferences,
    GroupProfile,
    Role,
    Switch,
)

from .hosted import open_hosted, present

Clock = trio.testing.MockClock

ON, OFF = GroupPreference(Switch.ON), GroupPreference(Switch.OFF)
WITH_HISTORY = GroupProfile("Team", group_preferences=GroupPreferences(history=ON))


async def kept(group: Group) -> list[str]:
    """The texts that new members would get."""
    return await group._core.step(
        lambda store: [each.message.content.text for each in History(store.t.kept, group.id).all()]
    )


async def test_what_is_said_is_kept_as_it_is_by_now(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group(WITH_HISTORY)
        of_alice = await hosted.bring_in(group, 0)
        of_bob = await hosted.bring_in(group, 1, Role.MODERATOR)
        await group.send("first")
        helo = await of_alice.send("helo")
        spam = await of_alice.send("buy now")
        mistake = await of_alice.send("oops")
        await trio.sleep(10)
        await of_alice.support.send("a secret")
        await helo.edit("hello")
        await mistake.delete()
        bob = hosted.people[1]
        while (message := await bob.next(GroupMessage)).id != spam.id:
            pass
        await message.delete()
        own = await group.send("secnd")
        await own.edit("second")
        await of_bob.send("third")
        await trio.sleep(60)
        assert await kept(group) == ["first", "hello", "second", "third"]
        await (await present(group, "Alice")).remove(messages=True)
        assert await kept(group) == ["first", "second", "third"]
        await group.set_preferences(GroupPreferences(history=OFF))
        assert await kept(group) == []
        await group.send("fourth")
        assert await kept(group) == []


async def test_it_is_bounded(autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_HISTORY", 3)
    monkeypatch.setattr(history, "MAX_HISTORY_SIZE", 20_000)
    async with open_hosted("Alice") as hosted:
        group = await hosted.host.bot.create_group(WITH_HISTORY)
        of_alice = await hosted.bring_in(group, 0)
        for number in range(5):
            await of_alice.send(str(number))
        await trio.sleep(60)
        assert await kept(group) == ["2", "3", "4"]
        await of_alice.send("x" * 12_000)
        await of_alice.send("y" * 12_000)
        await trio.sleep(60)
        assert [each[:1] for each in await kept(group)] == ["y"]
        await group.delete()

        def count(store: object) -> int:
            names = ("group-history", "group-history-ids", "group-history-sizes")
            return sum(store.t.kept.count(f".chat.{each}") for each in names)  # type: ignore[attr-defined]

        assert await hosted.host.bot._core.step(count) == 0
