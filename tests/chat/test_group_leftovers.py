"""Nothing is left of a group that is over, and nothing of it waits for ever."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from simplex_trio.chat.group_changes import GroupEnded
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group
from simplex_trio.chat.messages.group_profiles import (
    GroupPreference,
    GroupPreferences,
    GroupProfile,
    Role,
    Switch,
)

from .hosted import open_hosted, present
from .people import Person

Clock = trio.testing.MockClock


async def left_of(person: Person, group_id: int) -> list[str]:
    """The spaces in which anything is kept of a group."""

    def look(store: Any) -> list[str]:
        rows = store.t.kept._rows()._connection.execute("SELECT space, key, value FROM kept")
        number = group_id.to_bytes(8, "big")
        said = f'"group_id":{group_id},'.encode()
        return sorted(
            {
                space.decode()
                for space, key, value in rows
                if space != b".chat"  # counters
                and (number in key or value == number or said in value)
            }
        )

    return await person.bot._core.step(look, durable=False)


async def busy_group(hosted: Any) -> tuple[Group, Group]:
    """A group in which all has happened that leaves anything; of the host and of Alice."""
    on = GroupPreferences(history=GroupPreference(Switch.ON))
    group = await hosted.host.bot.create_group(GroupProfile("Team", group_preferences=on))
    await group.create_link(approval=True)
    of_alice = await hosted.bring_in(group, 0, Role.MODERATOR)
    await hosted.bring_in(group, 1)
    for each in (group, of_alice):
        await each.state.put("key", "value")
        await each.send("hello")
    message = await hosted.people[1].next(GroupMessage)
    await message.reply("hi")
    said = await hosted.people[0].next(GroupMessage)
    while said.text != "hi":
        said = await hosted.people[0].next(GroupMessage)
    await said.delete()
    await trio.sleep(60)
    return group, of_alice


@pytest.mark.parametrize("ends", ["left", "removed", "deleted"])
async def test_nothing_is_kept_of_a_forgotten_group(autojump_clock: Clock, ends: str) -> None:
    async with open_hosted("Alice", "Bob", "Carol") as hosted:
        alice, _, carol = hosted.people
        group, of_alice = await busy_group(hosted)
        link = group.link
        assert link is not None
        await carol.bot.join(link)  # and nothing is decided about that
        await trio.sleep(60)
        match ends:
            case "left":
                await of_alice.leave()
            case "removed":
                await (await present(group, "Alice")).remove()
                await alice.next(GroupEnded)
            case _:
                await group.delete()
                await alice.next(GroupEnded)
        await trio.sleep(60)
        (of_alice,) = await alice.bot.groups()
        assert of_alice.status.is_over
        await of_alice.forget()
        assert await left_of(alice, of_alice.id) == []
        assert len(await alice.bot.agent.connections()) == 1  # the host, as a contact
        if ends == "deleted":
            assert await left_of(hosted.host, group.id) == []


async def test_a_group_is_forgotten_when_the_program_is_told_of_its_end(
    autojump_clock: Clock,
) -> None:
    """The connection through which that was told is deleted, too."""
    async with open_hosted("Alice") as hosted:
        (alice,) = hosted.people
        ended = trio.Event()

        @alice.bot._handlers.groups.on_ended
        async def forget(event: GroupEnded) -> None:
            await event.group.forget()
            ended.set()

        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        await group.delete()
        await ended.wait()
        await trio.sleep(60)
        assert await left_of(alice, of_alice.id) == []
        assert len(await alice.bot.agent.connections()) == 1
