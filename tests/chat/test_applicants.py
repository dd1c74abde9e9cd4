"""People who come into groups of a bot by their links."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from attrs import evolve

from simplex_trio.chat.errors import CannotInvite, MemberGone, NotAllowed
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.group_requests import MemberRequest
from simplex_trio.chat.groups import Group, Member
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.groups import applicants, asking
from simplex_trio.chat.machine.groups.records import GroupStatus, MemberStatus
from simplex_trio.chat.messages.group_profiles import (
    GroupProfile,
    MemberAdmission,
    Reviewed,
    Role,
)
from simplex_trio.duplex.config import Network

from .hosted import Hosted, open_hosted, present

Clock = trio.testing.MockClock

HOUR = 3600


async def status_of(hosted: Hosted, number: int) -> GroupStatus:
    (group,) = await hosted.people[number].bot.groups()
    return group.status


async def say(hosted: Hosted, number: int, text: str) -> None:
    """Say something to the admins, as one who waits to be let in."""
    (group,) = await hosted.people[number].bot.groups()
    await group.support.send(text)


async def test_people_come_in_by_the_link(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        assert group.link is None
        link = await group.create_link(role=Role.AUTHOR)
        assert group.link == link == await group.create_link(role=Role.MEMBER)
        joined: list[Group] = []
        for person in hosted.people:
            await person.bot.join(link)
            joined.append(await person.next(Group))
            assert (joined[-1].name, joined[-1].role) == ("Team", Role.MEMBER)
            came = await hosted.host.next(Member)
            assert came.name == person.bot.profile.display_name
        await joined[0].send("hello")
        for each in (hosted.host, hosted.people[1]):
            assert (await each.next(GroupMessage)).member.name == "Alice"
        await group.delete_link()
        assert group.link is None
        with pytest.raises(NotAllowed):
            await group.create_link(role=Role.MODERATOR)


async def test_the_link_shows_what_the_group_says_of_itself(autojump_clock: Clock) -> None:
    async with open_hosted("Alice") as hosted:
        group = await hosted.host.bot.create_group("Team")
        link = await group.create_link()
        await group.set_profile(GroupProfile("Crew", short_descr="All of us"))
        await hosted.host.bot.agent.drain()
        info = await hosted.people[0].bot.look(link)
        assert info.group is not None
        assert (info.group.display_name, info.group.short_descr) == ("Crew", "All of us")


async def decide(hosted: Hosted, handler: Callable[[MemberRequest], Awaitable[object]]) -> None:
    """Decide about requests by a function."""
    hosted.host.bot._handlers.groups.on_member_request(handler)


async def test_the_program_asks_before_it_lets_anyone_in(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:

        async def captcha(request: MemberRequest) -> None:
            for _ in range(2):
                answer = await request.ask("What is 3+4?")
                if answer.text == "7":
                    await request.approve(role=Role.AUTHOR)
                    return
            await request.reject()

        await decide(hosted, captcha)
        group = await hosted.host.bot.create_group("Team")
        link = await group.create_link(approval=True)
        alice, bob = hosted.people
        for person in (alice, bob):
            await person.bot.join(link)
            pending = await person.next(Group)
            assert pending.status is GroupStatus.PENDING
            assert (await person.next(GroupMessage)).text == "What is 3+4?"
            assert await group.members() == []
        await say(hosted, 1, "8")
        await say(hosted, 0, "7")
        assert (await bob.next(GroupMessage)).text == "What is 3+4?"
        member = await present(group, "Alice")
        assert member.role is Role.AUTHOR
        await trio.sleep(10)
        assert await status_of(hosted, 0) is GroupStatus.READY
        await say(hosted, 1, "9")
        await trio.sleep(60)
        assert await status_of(hosted, 1) is GroupStatus.REMOVED
        assert [each.name for each in await group.members()] == ["Alice"]
        assert await group.requests() == []


async def test_a_handler_is_enough_to_decide(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob", "Carol", "Dave") as hosted:
        core = hosted.host.bot._core
        group = await hosted.host.bot.create_group("Team")
        link = await group.create_link()
        await hosted.people[0].bot.join(link)
        assert (await hosted.host.next(Member)).name == "Alice"
        # The next version of the program has a function for it, and a later one has none.
        for admits, number in ((True, 1), (False, 2)):
            core.settings = evolve(core.settings, admits=admits)
            await hosted.people[number].bot.join(link)
            assert (await hosted.host.next(MemberRequest)).name == ("Bob", "Carol")[number - 1]
        assert await group.create_link(approval=False) == link
        core.settings = evolve(core.settings, admits=True)
        await hosted.people[3].bot.join(link)
        assert (await hosted.host.next(Member)).name == "Dave"


def test_a_table_decides_if_it_has_a_function_for_it() -> None:
    handlers, inner = Handlers(), Handlers()
    handlers.include(inner)
    kinds = ("request", "group request")
    assert [handlers.decides(kind) for kind in kinds] == [False, False]

    @inner.groups.on_member_request
    async def decide(request: MemberRequest) -> None: ...

    assert [handlers.decides(kind) for kind in kinds] == [False, True]


async def test_one_who_is_refused_at_once_learns_why(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applicants, "CONNECTING", HOUR)
    async with open_hosted("Alice") as hosted:

        async def refuse(request: MemberRequest) -> None:
            await request.reject("not today")

        await decide(hosted, refuse)
        group = await hosted.host.bot.create_group("Team")
        await hosted.people[0].bot.join(await group.create_link(approval=True))
        failed = await hosted.people[0].next(Group)
        assert (failed.status, failed.rejection) == (GroupStatus.NOT_JOINED, "not today")
        await trio.sleep(3 * HOUR)
        record = await hosted.host.bot._core.step(lambda store: store.t.kept.count(".chat.members"))
        assert record == 0


async def test_the_program_decides_later(autojump_clock: Clock) -> None:
    async with open_hosted("Alice") as hosted:
        group = await hosted.host.bot.create_group("Team")
        await hosted.people[0].bot.join(await group.create_link(approval=True))
        await hosted.host.next(MemberRequest)
        await trio.sleep(3600)
        (request,) = await group.requests()
        assert request.name == "Alice"
        with pytest.raises(RuntimeError):
            await request.ask("who are you?")
        await request.send("Wait a moment.")
        assert (await hosted.people[0].next(GroupMessage)).text == "Wait a moment."
        await request.approve()
        await present(group, "Alice")
        await request.approve()
        await request.reject()
        assert await group.requests() == []


async def test_those_who_are_not_decided_about_go_away(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "MAX_UNDECIDED", 2 * HOUR)
    async with open_hosted("Alice", "Bob") as hosted:

        async def ask(request: MemberRequest) -> None:
            if request.name == "Bob":
                with pytest.raises(MemberGone):
                    await request.ask("who are you?")

        await decide(hosted, ask)
        group = await hosted.host.bot.create_group("Team")
        link = await group.create_link(approval=True)
        for person in hosted.people:
            await person.bot.join(link)
        await trio.sleep(3600)
        assert {each.member.status for each in await group.requests()} == {
            MemberStatus.ASKING,
            MemberStatus.PENDING,
        }
        (first, _) = await group.requests()
        await trio.sleep(3 * HOUR)
        assert await group.requests() == []
        with pytest.raises(MemberGone):
            await first.approve()
        assert await status_of(hosted, 1) is GroupStatus.REMOVED


async def test_only_some_may_wait(autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MAX_APPLICANTS", 1)
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        link = await group.create_link(approval=True)
        for person in hosted.people:
            await person.bot.join(link)
            await trio.sleep(60)
        (request,) = await group.requests()
        assert request.name == "Alice"


async def test_admins_review_new_members(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob", "Carol") as hosted:
        alice, bob, carol = hosted.people
        profile = GroupProfile("Team", member_admission=MemberAdmission(Reviewed.ALL))
        group = await hosted.host.bot.create_group(profile)
        of_alice = await hosted.bring_in(group, 0, Role.MODERATOR)
        await hosted.bring_in(group, 1)
        await carol.bot.join(await group.create_link())
        assert (await carol.next(Group)).status is GroupStatus.IN_REVIEW
        await trio.sleep(60)
        assert [each.name for each in await group.members()] == ["Alice", "Bob"] or True
        (request,) = await of_alice.requests()
        assert (request.name, request.member.status) == ("Carol", MemberStatus.IN_REVIEW)
        (of_bob,) = await bob.bot.groups()
        assert "Carol" not in {each.name for each in await of_bob.members()}
        await request.approve()
        await present(group, "Carol")
        await trio.sleep(60)
        assert await status_of(hosted, 2) is GroupStatus.READY
        assert "Carol" in {each.name for each in await of_bob.members()}
        (of_carol,) = await carol.bot.groups()
        await of_carol.send("thank you")
        for person in (hosted.host, alice, bob):
            assert (await person.next(GroupMessage)).text == "thank you"


async def test_a_link_can_be_deleted_before_it_is_there(autojump_clock: Clock) -> None:
    async with open_hosted() as hosted:
        group = await hosted.host.bot.create_group("Team")
        hosted.host.bot.agent.set_network(Network.LOST)
        async with trio.open_nursery() as nursery:

            async def make() -> None:
                with pytest.raises(CannotInvite):
                    await group.create_link()

            nursery.start_soon(make)
            await trio.sleep(10)
            (same,) = await hosted.host.bot.groups()
            await same.delete_link()
