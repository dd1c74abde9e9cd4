"""Commands in groups whose arguments are members, and what the program keeps of members."""

from __future__ import annotations

from typing import Any, cast

import pytest
import trio

from simplex_trio.chat.arguments import WrongArguments
from simplex_trio.chat.errors import MemberGone
from simplex_trio.chat.group_changes import MemberLeft
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Member
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.people import IncomingMessage
from simplex_trio.chat.testing.world import open_world

from .hosted import open_hosted, present

Clock = trio.testing.MockClock


def moderating() -> Handlers:
    handlers = Handlers()

    @handlers.groups.command
    async def warn(message: GroupMessage, whom: Member, times: int, why: str = "") -> None:
        """Warn a member."""
        await message.answer(f"{whom.name} {times} {why}")

    @handlers.groups.command
    async def ban(message: GroupMessage, whom: Member | None = None) -> None:
        """Ban a member."""
        await message.answer("none" if whom is None else f"{whom.name} {whom.id.hex()}")

    @handlers.groups.command
    async def greet(message: GroupMessage, *whom: Member) -> None:
        """Greet members."""
        await message.answer(" ".join(each.name for each in whom))

    return handlers


async def test_arguments_are_members(autojump_clock: Clock) -> None:
    async with open_world() as world:
        bot = await world.bot(moderating, profile="Guard")
        group = await bot.bot.create_group("Team")
        link = await group.create_link()
        names = ("Alice", "Bob", "Carol", "Carol")
        people = [await world.person(name) for name in names]
        for person in people:
            await person.join(link)
        alice = people[0]
        of_alice = await alice.group(group)
        usage = "Usage: /warn <@whom> <times> [why]"
        for said, answer in {
            "/warn bob 2 being rude": "Bob 2 being rude",
            "/ban": "none",
            "/warn Dave 3": f"No member has this name. {usage}",
            "/warn Carol 3": f"Several members have this name. {usage}",
        }.items():
            await of_alice.send(said)
            message = await alice.next(GroupMessage, lambda each: each.member.name == "Guard")
            assert message.text == answer, said
        # Two of one name are told apart by a mention.
        carols = [each for each in await of_alice.members() if each.name == "Carol"]
        guard = await present(of_alice, "Guard")
        for each in carols:
            text = f"{guard.mention} /ban {each.mention}"
            await of_alice.send(text, mentions=[guard, each])
            message = await alice.next(GroupMessage, lambda each: each.member.name == "Guard")
            assert message.text == f"Carol {each.id.hex()}"


def test_only_groups_have_members() -> None:
    handlers = moderating()
    assert "/ban [@whom] - Ban a member" in [
        f"/{each.keyword} {each.params} - {each.label}" for each in handlers.group_commands
    ]
    with pytest.raises(TypeError, match="in groups"):

        @handlers.command
        async def ban(message: IncomingMessage, whom: Member) -> None: ...


def test_names_in_texts() -> None:
    def read(table: Handlers, keyword: str, text: str) -> list[str] | str:
        arguments = next(each for each in table.groups._commands if each.keyword == keyword)
        try:
            found: list[Any] = arguments.arguments.read(
                keyword, text, lambda name: [cast("Any", name)]
            )
        except WrongArguments as exc:
            return exc.usage
        return found

    table = moderating()
    for text, values in {
        "Bob 2": ["Bob", 2],
        "@bob 2": ["bob", 2],
        "'Bob Smith' 3": ["Bob Smith", 3],
        "@'Bob  Smith' 3  once more": ["Bob  Smith", 3, "once more"],
        "O'Neil 1": ["O'Neil", 1],
        "'O 1": ["'O", 1],
        "'' 1": ["''", 1],
        "Bob": "/warn <@whom> <times> [why]",
        "": "/warn <@whom> <times> [why]",
    }.items():
        assert read(table, "warn", text) == values, text
    for text, name in {
        "Bob Smith": "Bob Smith",
        "@'Bob Smith'": "Bob Smith",
        "@Bob": "Bob",
    }.items():
        assert read(table, "ban", text) == [name]
    assert read(table, "greet", "Bob @'Bob Smith' alice") == ["Bob", "Bob Smith", "alice"]
    assert read(table, "greet", "") == []


async def test_values_of_a_member_go_with_it(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        assert group.has_role(Role.OWNER)
        of_alice, _ = [await hosted.bring_in(group, n) for n in range(2)]
        assert of_alice.has_role(Role.MEMBER)
        assert not of_alice.has_role(Role.MODERATOR)
        alice, bob = [await present(group, name) for name in ("Alice", "Bob")]
        for each in (alice, bob):
            await each.state.put("name", each.name)
        assert await alice.state.update("count", lambda count: (count or 0) + 1) == 1
        assert await alice.state.all() == {"count": 1, "name": "Alice"}
        assert await bob.state.all() == {"name": "Bob"}
        assert await group.state.all() == {}
        await of_alice.leave()
        await hosted.host.next(MemberLeft)
        await trio.sleep(60)
        assert await alice.state.get("name") is None
        with pytest.raises(MemberGone):
            await alice.state.put("name", "Alice")
        assert await bob.state.get("name", str) == "Bob"
        await group.delete()
        count = await hosted.host.bot._core.step(
            lambda store: store.t.kept.count(".chat.member-state")
        )
        assert count == 0
