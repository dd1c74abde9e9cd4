"""A bot in a group that crashes at any commit and any use of the network goes on where it was."""

from __future__ import annotations

from functools import partial
from random import Random

import pytest
import trio

from simplex_trio.chat.group_message_changes import GroupMessageEdited, GroupReactionChanged
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import GroupInvitation
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.testing.world import open_world

from .test_crashes import lives

Clock = trio.testing.MockClock

MESSAGES = 3


def clerk() -> Handlers:
    handlers = Handlers()

    @handlers.groups.on_invited
    async def join(invitation: GroupInvitation) -> None:
        await invitation.accept()

    @handlers.groups.command
    async def order(message: GroupMessage) -> None:
        """Asks back."""
        answer = await message.ask("what?")
        await answer.answer(f"ordered {answer.text}")

    @handlers.groups.on_edited
    async def edited(change: GroupMessageEdited) -> None:
        await change.member.group.send(f"edited: {change.content.text}")

    @handlers.groups.on_message()
    async def answer(message: GroupMessage) -> None:
        sent = await message.reply(f"{message.text}!")
        await message.react("👍")
        await sent.edit(f"{message.text}!!")

    return handlers


@pytest.mark.parametrize("seed", range(6))
async def test_what_members_say_is_answered_whenever_the_bot_crashes(
    autojump_clock: Clock, seed: int
) -> None:
    random = Random(seed)
    loses_power = seed % 3 == 0
    calm = trio.Event()
    async with open_world(seed=seed) as world, trio.open_nursery() as nursery:
        bot = await world.bot(clerk)
        alice, bob = await world.person("Alice"), await world.person("Bob")
        group = await alice.create_group("Team")
        for each in (bot, bob):
            await alice.add(each, group)
        await bot.crash()
        nursery.start_soon(partial(lives, bot, random, calm, loses_power=loses_power))
        sent = []
        for number in range(MESSAGES):
            message = await bob.send(f"message {number}", to=group)
            sent.append(message)
            await trio.sleep(random.choice([0, 2, 20]))
            await message.edit(f"better {number}")
        sent.append(await bob.send("/order", to=group))
        sent.append(await bob.send("tea", to=group))
        calm.set()
        with trio.fail_after(24 * 3600):
            for message in sent:
                assert await message.wait() is DeliveryState.DELIVERED
        await trio.sleep(3600)
        happened = bob.take_all()
        heard = [each.text for each in happened if isinstance(each, GroupMessage)]
        edits = [each.content.text for each in happened if isinstance(each, GroupMessageEdited)]
        reactions = [each for each in happened if isinstance(each, GroupReactionChanged)]
        for number in range(MESSAGES):
            assert f"message {number}!" in heard
            assert f"edited: better {number}" in heard
            assert f"message {number}!!" in edits
        assert {each.message_id for each in reactions} >= {each.id for each in sent[:MESSAGES]}
        first = [heard.index(f"message {number}!") for number in range(MESSAGES)]
        assert first == sorted(first)
        assert "ordered tea" in heard or "tea!" in heard
        assert "what?" in heard
        nursery.cancel_scope.cancel()
