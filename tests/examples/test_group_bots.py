"""The bots among the examples that are for groups, with people in virtual time.

The moderator is tried in ``tests/docs/test_moderator_tutorial.py``.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.chat import Bot, Group, GroupEnded, GroupMessage, GroupStatus, NotAllowed, Role
from simplex_trio.chat.testing import Person, World, open_world
from tests.examples.test_bots import FOLDER


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(FOLDER)
    yield
    for name in ("captcha", "announcer", "command_line"):
        sys.modules.pop(name, None)


async def applicant(world: World, name: str, link: str) -> Person:
    person = await world.person(name)
    group = await person.join(link)
    assert group.status is GroupStatus.PENDING
    return person


async def do_the_sum(person: Person, *, wrong: bool = False) -> str:
    """Answer the question that comes next; returns how it begins."""
    question = await person.next(GroupMessage)
    found = re.fullmatch(r"(.*) (\d) and (\d)\?", question.text)
    assert found is not None
    await question.answer(str(int(found[2]) + int(found[3]) + wrong))
    return found[1]


async def test_captcha(autojump_clock: MockClock) -> None:
    module = importlib.import_module("captcha")
    async with open_world() as world:
        bot = await world.bot(lambda: module.handlers)
        group = await module.the_group(bot.bot, "My town")
        link = await group.create_link(approval=True)

        alice = await applicant(world, "Alice", link)
        assert await do_the_sum(alice, wrong=True) == "Please write one number: how much is"
        assert await do_the_sum(alice) == "No.  How much is"
        joined = await alice.next(Group)
        assert (joined.status, joined.name) == (GroupStatus.READY, "My town")

        bob = await applicant(world, "Bob", link)
        for _ in range(module.TRIES):
            await do_the_sum(bob, wrong=True)
        await bob.next(GroupEnded)

        carol = await applicant(world, "Carol", link)
        await carol.next(GroupMessage)
        await carol.next(GroupEnded, within=module.PATIENCE + 60)

        # A restart in the middle: it asks again.
        dan = await applicant(world, "Dan", link)
        await dan.next(GroupMessage)
        await bot.restart()
        again = await module.the_group(bot.bot, "My town")
        assert await again.create_link(approval=True) == link
        await do_the_sum(dan)
        assert (await dan.next(Group)).status is GroupStatus.READY
        assert sorted(each.name for each in await again.members()) == ["Alice", "Dan"]


async def test_announcer(autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module("announcer")
    put, lines = trio.open_memory_channel[str](0)
    links, told = trio.open_memory_channel[str](1)

    async def work(bot: Bot) -> None:
        group = await module.the_group(bot, "News")
        await links.send(await group.create_link(role=Role.OBSERVER))
        await module.announce(group, lines)

    async with open_world() as world:
        await world.bot(main=work)
        link = await told.receive()
        await put.send("nobody is there\n")
        alice = await world.person("Alice")
        group = await alice.join(link)
        await world.advance(10)
        for text in ("We are open on Sunday.", "  ", "And on Monday."):
            await put.send(f"{text}\n")
        for text in ("We are open on Sunday.", "And on Monday."):
            assert (await alice.next(GroupMessage)).text == text
        with pytest.raises(NotAllowed):
            await alice.send("hello", to=group)
        await world.advance(10)
    sent = "sent to 1 of 1\n"
    assert capsys.readouterr().out == f"sent to 0 of 0\n{sent}{sent}"
