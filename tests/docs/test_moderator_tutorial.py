"""The tutorial about a moderator: its program, its test, and the pictures of what people see."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from simplex_trio.chat import (
    GroupMessage,
    GroupMessageDeleted,
    GroupReactionChanged,
    Member,
    MemberBlocked,
    Role,
)
from simplex_trio.chat.testing import Person, World
from tests.docs.test_bot_tutorial import DOCS, SCREENS, loaded

EXAMPLES = DOCS.parent / "examples" / "bots"


@pytest.fixture
def moderator(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(EXAMPLES)
    made = loaded(EXAMPLES / "moderator.py")
    monkeypatch.setitem(sys.modules, "moderator", made)
    yield made
    sys.modules.pop("command_line", None)


async def test_the_test_passes(simplex_world: World, moderator: ModuleType) -> None:
    page = DOCS / "tutorial" / "moderator-bot" / "test_moderator.py"
    await loaded(page).test_warnings(simplex_world)


async def test_people_see_what_is_in_the_pictures(
    simplex_world: World, moderator: ModuleType
) -> None:
    bot = await simplex_world.bot(moderator.handlers, profile=SCREENS.MODERATOR)
    alice = await simplex_world.person("Alice")
    bob = await simplex_world.person(SCREENS.NEWCOMER)
    group = await alice.create_group(SCREENS.GROUP)
    await alice.add(bot, group, role=Role.MODERATOR)
    hello, welcome, *answered = SCREENS.WELCOMED
    await sees(alice, hello)
    await alice.add(bob, group)
    await sees(alice, welcome)
    await bob.send("/rules", to=group)
    for each in answered:
        await sees(alice, each)
    forbidden, warning = SCREENS.WARNED
    await bob.send(forbidden[1], to=group)
    await sees(alice, forbidden)
    deleted = await alice.next(GroupMessageDeleted)
    assert (deleted.by.name, deleted.author and deleted.author.name) == ("Moderator", "Bob")
    await sees(alice, warning)
    for _ in range(2):
        await bob.send(forbidden[1], to=group)
        for _ in range(2):
            await alice.next(GroupMessage)
    await bob.send(forbidden[1], to=group)
    await alice.next(GroupMessage)
    blocked, unblocking = SCREENS.BLOCKED
    assert (await alice.next(MemberBlocked)).member.is_blocked
    await sees(alice, blocked)
    await alice.send("/unblock Rob", to=group)
    usage = "No member has this name. Usage: /unblock <@member>"
    await sees(alice, ("Moderator", usage, ""))
    await alice.send(unblocking[1], to=group)
    assert not (await alice.next(MemberBlocked)).member.is_blocked
    assert (await alice.next(GroupReactionChanged)).emoji == "✅"
    await bob.send("thanks", to=group)
    await sees(alice, ("Bob", "thanks", ""))


async def sees(person: Person, said: tuple[str, str, str]) -> None:
    message = await person.next(GroupMessage)
    quoted = "" if message.quote is None else message.quote.content.text
    assert (message.member.name, message.text, quoted) == said


async def test_it_joins_only_groups_where_it_can_moderate(
    simplex_world: World, moderator: ModuleType
) -> None:
    bot = await simplex_world.bot(moderator.handlers)
    alice = await simplex_world.person("Alice")
    contact = await alice.connect(bot.address)
    group = await alice.create_group("Team")
    await group.invite(contact)
    await alice.expect_nothing()
    assert [each.name for each in await group.members()] == []


async def test_no_way_around_it(simplex_world: World, moderator: ModuleType) -> None:
    bot = await simplex_world.bot(moderator.handlers)
    alice, bob = await simplex_world.person("Alice"), await simplex_world.person("Bob")
    group = await alice.create_group("Team")
    await alice.add(bot, group, role=Role.MODERATOR)
    member: Member = await alice.add(bob, group)
    sent = await bob.send("hello", to=group)
    for text in ("/rules casino", "/help CASINO", "/unblock casino"):
        await bob.send(text, to=group)
        await alice.next(GroupMessageDeleted)
    await sent.edit("a casino")
    await alice.next(GroupMessageDeleted)
    assert (await alice.next(MemberBlocked)).member.id == member.id
    await bot.restart()
    await bob.send("/unblock Bob", to=group)
    await alice.send("the casino", to=group)
    await simplex_world.advance(60)
    assert not [each for each in alice.take_all() if isinstance(each, MemberBlocked)]
