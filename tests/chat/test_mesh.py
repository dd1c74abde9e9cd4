"""Members that are connected with each other: the host is needed until then, and not after it."""

from __future__ import annotations

import math
from contextlib import suppress
from random import Random

import pytest
import trio

from simplex_trio.chat.bot import Bot
from simplex_trio.chat.errors import CannotInvite
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group, GroupInvitation
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.groups import mesh
from simplex_trio.chat.machine.groups.records import GroupStatus
from simplex_trio.chat.people import Contact
from simplex_trio.chat.testing.programs import BotProgram
from simplex_trio.chat.testing.world import open_world
from simplex_trio.errors import SimplexError
from simplex_trio.testing.in_memory.crashes import Crashed

from .hosted import Hosted, open_hosted, present
from .people import Person

Clock = trio.testing.MockClock


async def connected(group: Group, name: str) -> None:
    with trio.fail_after(600):
        while not (await present(group, name)).is_connected:  # noqa: ASYNC110 - virtual time
            await trio.sleep(0.1)


async def bring_in_all(hosted: Hosted) -> tuple[Group, list[Group]]:
    group = await hosted.host.bot.create_group("Team")
    return group, [await hosted.bring_in(group, number) for number in range(len(hosted.people))]


def texts(person: Person) -> list[str]:
    return [each.text for each in person.heard() if isinstance(each, GroupMessage)]


async def test_members_hear_each_other_once_with_or_without_the_host(
    autojump_clock: Clock,
) -> None:
    async with open_hosted("Alice", "Bob", connects=True) as hosted:
        alice, bob = hosted.people
        group, (of_alice, of_bob) = await bring_in_all(hosted)
        await of_alice.send("on the way")
        await of_bob.send("on the way too")
        await connected(of_alice, "Bob")
        await connected(of_bob, "Alice")
        for number in range(3):
            await of_alice.send(f"Alice {number}")
            await of_bob.send(f"Bob {number}")
        await trio.sleep(60)
        expected = [f"{{}} {number}" for number in range(3)]
        assert texts(bob) == ["on the way", *(each.format("Alice") for each in expected)]
        assert texts(alice) == ["on the way too", *(each.format("Bob") for each in expected)]
        await group.leave()
        await trio.sleep(60)
        await of_alice.send("without a host")
        await trio.sleep(60)
        assert texts(bob)[-1] == "without a host"
        (known,) = await alice.bot.groups()
        assert known.status is GroupStatus.READY


async def test_without_a_host_nothing_can_come_to_those_that_depend_on_it(
    autojump_clock: Clock,
) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        alice, bob = hosted.people
        group, _ = await bring_in_all(hosted)
        await group.leave()
        lost = await alice.next(Group)
        assert lost.status is (await bob.next(Group)).status is GroupStatus.LOST
        await lost.forget()


async def test_connections_that_do_not_come_about_are_given_up(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alice connects with the host alone, so the one that Bob offers leads nowhere."""
    monkeypatch.setattr(mesh, "PATIENCE", 6 * 3600)
    async with open_hosted("Alice", "Bob", joins=False) as hosted:
        alice, bob = hosted.people
        group = await hosted.host.bot.create_group("Team")
        for contact, person, connects in zip(
            hosted.contacts, hosted.people, (False, True), strict=True
        ):
            await group.invite(contact)
            invitation = await person.next(GroupInvitation)
            await invitation.accept(connect_members=connects)
            await person.next(Group)
        await trio.sleep(60)
        assert len(await bob.bot.agent.connections()) == 3
        await trio.sleep(5 * 3600)
        assert len(await bob.bot.agent.connections()) == 3
        await trio.sleep(3 * 3600)
        assert len(await bob.bot.agent.connections()) == 2
        (of_bob,) = await bob.bot.groups()
        await of_bob.send("still passed on")
        assert (await alice.next(GroupMessage)).text == "still passed on"


# --- crashes ------------------------------------------------------------------------------------


def host_handlers(programs: list[BotProgram]) -> Handlers:
    handlers = Handlers()

    @handlers.on_connected
    async def invite(contact: Contact) -> None:
        (program,) = programs
        bot = await running(program)
        await make_group(bot)
        (group,) = await bot.groups()
        with suppress(CannotInvite):  # it is a member by now, if this comes again after a crash
            await group.invite(contact)

    return handlers


async def running(program: BotProgram) -> Bot:
    """The bot of a program that may be about to start."""
    while True:
        try:
            return program.bot
        except RuntimeError:
            await trio.sleep(1)


async def make_group(bot: Bot) -> None:
    if not await bot.groups():
        await bot.create_group("Team")


def member_handlers(heard: list[str]) -> Handlers:
    handlers = Handlers()

    @handlers.groups.on_invited
    async def join(invitation: GroupInvitation) -> None:
        await invitation.accept(connect_members=True)

    @handlers.groups.on_message()
    async def note(message: GroupMessage) -> None:
        heard.append(message.text)

    return handlers


async def lives(bot: BotProgram, random: Random, calm: trio.Event) -> None:
    while True:
        at = None if calm.is_set() else int(math.exp(random.uniform(0, math.log(200))))
        await bot.start(crash_after=at)
        await bot.wait_ended()
        await trio.sleep(random.choice([0, 1, 30]))


async def calm_down(calm: trio.Event, *programs: BotProgram) -> None:
    """From now on programs run without crashes."""
    calm.set()
    for each in programs:
        await each.stop()
    for each in programs:
        await running(each)


@pytest.mark.parametrize("seed", range(3))
async def test_members_are_connected_whenever_programs_crash(
    autojump_clock: Clock, seed: int
) -> None:
    random = Random(seed)
    calm = trio.Event()
    heard: dict[str, list[str]] = {"Alice": [], "Bob": []}
    async with open_world(seed=seed) as world, trio.open_nursery() as nursery:
        hosts: list[BotProgram] = []
        host = await world.bot(lambda: host_handlers(hosts), profile="Host", main=make_group)
        hosts.append(host)

        async def come(bot: Bot) -> None:
            while True:
                try:
                    await bot.connect(host.address)
                    return
                except SimplexError:
                    await trio.sleep(10)

        members = [
            await world.bot(
                lambda told=told: member_handlers(told),
                profile=name,
                main=come,
                address=False,
                start=False,
            )
            for name, told in heard.items()
        ]
        await host.stop()
        for each in (host, *members):
            nursery.start_soon(lives, each, Random(random.random()), calm)
            await trio.sleep(random.choice([0, 20]))
        await trio.sleep(random.choice([100, 300, 1000]))
        await calm_down(calm, host, *members)
        with trio.fail_after(24 * 3600):
            for name, program in zip(("Bob", "Alice"), members, strict=True):
                while not await is_connected(program, name):  # noqa: ASYNC110 - virtual time
                    await trio.sleep(10)
        for name, program in zip(heard, members, strict=True):
            (group,) = await program.bot.groups()
            await group.send(f"from {name}")
        await trio.sleep(3600)
        assert heard["Alice"] == ["from Bob"]
        assert heard["Bob"] == ["from Alice"]
        for each in members:
            assert len(await each.bot.agent.connections()) == 3
        nursery.cancel_scope.cancel()


async def is_connected(program: BotProgram, name: str) -> bool:
    if not program.is_running:
        return False
    try:
        (group,) = await program.bot.groups()
        found = [each for each in await group.members() if each.name == name]
    except (ValueError, RuntimeError, SimplexError, trio.ClosedResourceError, Crashed):
        return False
    return bool(found) and found[0].is_connected


@pytest.mark.parametrize("seed", range(3))
async def test_a_group_is_joined_by_link_whenever_programs_crash(
    autojump_clock: Clock, seed: int
) -> None:
    random = Random(seed + 100)
    calm = trio.Event()
    heard: list[str] = []
    joined: list[int] = []
    async with open_world(seed=seed) as world, trio.open_nursery() as nursery:

        async def host_group(bot: Bot) -> None:
            await make_group(bot)
            (group,) = await bot.groups()
            while True:
                try:
                    links.append(await group.create_link())
                    return
                except SimplexError:
                    await trio.sleep(10)

        def handlers() -> Handlers:
            table = member_handlers(heard)

            @table.groups.on_joined
            async def note(group: Group) -> None:
                joined.append(group.id)

            return table

        async def come(bot: Bot) -> None:
            while True:
                try:
                    await bot.join(links[0], connect_members=True)
                    return
                except (SimplexError, IndexError):
                    await trio.sleep(10)

        links: list[str] = []
        host = await world.bot(profile="Host", main=host_group)
        member = await world.bot(handlers, profile="Alice", main=come, address=False, start=False)
        with trio.fail_after(3600):
            while not links:  # noqa: ASYNC110 - virtual time
                await trio.sleep(1)
        await host.stop()
        for each in (host, member):
            nursery.start_soon(lives, each, Random(random.random()), calm)
        await trio.sleep(random.choice([100, 300]))
        await calm_down(calm, host, member)
        with trio.fail_after(24 * 3600):
            while not joined or not await is_connected(member, "Host"):  # noqa: ASYNC110
                await trio.sleep(10)
        await trio.sleep(600)
        (group,) = await host.bot.groups()
        await group.send("hello")
        await trio.sleep(3600)
        assert heard == ["hello"]
        (known,) = await member.bot.groups()
        assert known.status is GroupStatus.READY
        assert set(joined) == {known.id}
        nursery.cancel_scope.cancel()
