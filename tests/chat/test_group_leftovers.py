"""Nothing is left of a group that is over, and nothing of it waits for ever."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import trio

from simplex_trio.chat.errors import CannotInvite, MemberGone
from simplex_trio.chat.group_changes import GroupEnded
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.group_requests import MemberRequest
from simplex_trio.chat.groups import Group
from simplex_trio.chat.machine.groups.applicants import CONNECTING
from simplex_trio.chat.machine.groups.records import GroupStatus, MemberRecord, ToldRecord
from simplex_trio.chat.machine.groups.saying import say_to
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.events import XContact
from simplex_trio.chat.messages.group_profiles import (
    GroupPreference,
    GroupPreferences,
    GroupProfile,
    Role,
    Switch,
)
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.duplex.config import Network
from tests.duplex.quiet import open_quiet

from .hosted import Hosted, open_hosted, present
from .people import Person
from .test_business import asks, open_desk

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


async def busy_group(hosted: Hosted) -> tuple[Group, Group]:
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


async def test_a_group_without_its_host_is_closed(autojump_clock: Clock) -> None:
    async with open_hosted("Alice") as hosted:
        (alice,) = hosted.people
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0, Role.ADMIN)
        await of_alice.create_link()
        await group.leave()
        await trio.sleep(60)
        (of_alice,) = await alice.bot.groups()
        assert (of_alice.status, of_alice.link) == (GroupStatus.LOST, None)
        assert len(await alice.bot.agent.connections()) == 1


async def test_an_owner_that_removes_its_host_is_cut_off(autojump_clock: Clock) -> None:
    async with open_hosted("Alice") as hosted:
        (alice,) = hosted.people
        lost = trio.Event()

        @alice.bot._handlers.groups.on_lost
        async def note(group: Group) -> None:
            assert group.status is GroupStatus.LOST
            lost.set()

        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0, Role.OWNER)
        (host,) = await of_alice.members()
        await host.remove()
        await lost.wait()
        assert (await hosted.host.next(GroupEnded)).by.name == "Alice"
        (of_alice,) = await alice.bot.groups()
        assert of_alice.status is GroupStatus.LOST
        await of_alice.forget()
        assert await left_of(alice, of_alice.id) == []
        assert len(await alice.bot.agent.connections()) == 1


async def test_customers_that_never_connect_leave_no_group(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        quiet.open_agent() as customer,
        trio.open_nursery() as nursery,
    ):
        desk = await open_desk(quiet, nursery)
        await asks(customer, desk, XContact(Profile("Carol"), contact_req_id=b"k" * 16))
        customer.set_network(Network.LOST)
        await trio.sleep(60)
        (group,) = await desk.bot.groups()
        await trio.sleep(2 * CONNECTING)
        assert await desk.bot.groups() == []
        assert await left_of(desk, group.id) == []
        nursery.cancel_scope.cancel()


async def test_nothing_waits_for_an_applicant_of_a_deleted_group(autojump_clock: Clock) -> None:
    async with open_hosted("Alice") as hosted:
        (alice,) = hosted.people
        outcome: list[str] = []
        asked = trio.Event()

        @hosted.host.bot._handlers.groups.on_member_request
        async def ask(request: MemberRequest) -> None:
            asked.set()
            try:
                await request.ask("What is 3+4?")
            except MemberGone:
                outcome.append("gone")

        group = await hosted.host.bot.create_group("Team")
        await alice.bot.join(await group.create_link(approval=True))
        alice.bot.agent.set_network(Network.LOST)
        await asked.wait()
        await trio.sleep(60)
        await group.delete()
        await trio.sleep(1)
        assert outcome == ["gone"]


async def test_nothing_waits_for_the_link_of_a_group_that_is_left(autojump_clock: Clock) -> None:
    async with open_hosted("Alice") as hosted:
        (alice,) = hosted.people
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0, Role.ADMIN)
        alice.bot.agent.set_network(Network.LOST)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def create() -> None:
                with pytest.raises(CannotInvite):
                    await of_alice.create_link()

            await trio.sleep(60)
            nursery.cancel_scope.deadline = trio.current_time() + 10
            await of_alice.leave()
        assert not nursery.cancel_scope.cancelled_caught


async def test_those_who_were_never_announced_are_removed_in_silence(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def note(groups: object, members: Iterable[MemberRecord], *rest: Any, **options: Any) -> Any:
        members = list(members)
        told.extend(each.name for each in members)
        return say_to(groups, members, *rest, **options)  # type: ignore[arg-type]

    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        await hosted.bring_in(group, 0)
        await hosted.people[1].bot.join(await group.create_link(approval=True))
        request = await hosted.host.next(MemberRequest)
        monkeypatch.setattr("simplex_trio.chat.machine.groups.governing.say_to", note)
        await request.member.remove()
        assert told == []
        assert await group.requests() == []


async def test_hosts_that_have_answered_are_waited_for(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[tuple[bytes, bool]] = []
    wait_for = GroupStore.wait_for

    def note(self: GroupStore, member: MemberRecord, until: int | None) -> None:
        waited.append((member.member_id, until is not None))
        wait_for(self, member, until)

    monkeypatch.setattr(GroupStore, "wait_for", note)
    async with open_hosted("Alice") as hosted:
        (alice,) = hosted.people
        group = await hosted.host.bot.create_group("Team")
        await alice.bot.join(await group.create_link())
        joined = await alice.next(Group)
        host = await present(joined, "Host")
        assert [each for each in waited if each[0] == host.id] == [
            (host.id, True),
            (host.id, False),
        ]


async def test_a_message_settled_late_keeps_what_the_next_one_tells(autojump_clock: Clock) -> None:
    async with open_hosted("Alice") as hosted:
        group = await hosted.host.bot.create_group("Team")

        def decide(store: Store) -> ToldRecord | None:
            groups = GroupStore(store)
            groups.keep_told("connection", ToldRecord(8))
            groups.forget_told("connection", 7)
            return groups.told("connection", 8)

        assert await group._core.step(decide) == ToldRecord(8)
