"""Groups that a bot makes: people come in, and the bot passes on what they say to each other."""

from __future__ import annotations

import pytest
import trio

from simplex_trio.chat.errors import CannotInvite, NotAllowed
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import GroupInvitation
from simplex_trio.chat.machine.groups import hosting
from simplex_trio.chat.machine.groups.joining import invited
from simplex_trio.chat.machine.groups.leaving import fail
from simplex_trio.chat.machine.groups.records import GroupStatus, MemberStatus
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.group_events import GroupInvitation as GroupInvited
from simplex_trio.chat.messages.group_events import MemberIdRole
from simplex_trio.chat.messages.group_profiles import GroupProfile, Role
from simplex_trio.errors import EncodeError

from .hosted import open_hosted, present

Clock = trio.testing.MockClock


async def test_contacts_come_into_a_group_and_hear_each_other(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        of_bob = await hosted.bring_in(group, 1, Role.MODERATOR)
        assert of_alice.name == of_bob.name == "Team"
        await of_alice.send("hello, all")
        for each in (hosted.host, hosted.people[1]):
            message = await each.next(GroupMessage)
            assert (message.text, message.member.name) == ("hello, all", "Alice")
        await of_bob.send("hello, Alice")
        for each in (hosted.host, hosted.people[0]):
            message = await each.next(GroupMessage)
            assert (message.text, message.member.name) == ("hello, Alice", "Bob")
        await group.send("welcome")
        for each in hosted.people:
            assert (await each.next(GroupMessage)).member.role is Role.OWNER


async def test_an_invitation_can_be_repeated_with_another_role(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", joins=False) as hosted:
        group = await hosted.host.bot.create_group(GroupProfile("Team", short_descr="Us"))
        member = await group.invite(hosted.contacts[0])
        invitation = await hosted.people[0].next(GroupInvitation)
        again = await group.invite(hosted.contacts[0], role=Role.OBSERVER)
        assert again.id == member.id
        await trio.sleep(60)
        assert await group.members() == []
        await invitation.accept()
        alice = await present(group, "Alice")
        assert (alice.id, alice.role) == (member.id, Role.OBSERVER)
        (of_alice,) = await hosted.people[0].bot.groups()
        assert of_alice.role is Role.OBSERVER
        with pytest.raises(CannotInvite, match="a member already"):
            await group.invite(hosted.contacts[0])
        with pytest.raises(NotAllowed):
            await of_alice.send("no")
        assert not [each for each in hosted.people[0].heard() if isinstance(each, GroupInvitation)]
        assert (await group.members())[0].status is MemberStatus.PRESENT


async def test_after_a_failed_attempt_the_same_invitation_is_good_again(
    autojump_clock: Clock,
) -> None:
    async with open_hosted("Alice", joins=False) as hosted:
        (alice,) = hosted.people
        group = await hosted.host.bot.create_group("Team")
        await group.invite(hosted.contacts[0])
        invitation = await alice.next(GroupInvitation)

        def fails(store: Store) -> None:
            groups = GroupStore(store)
            record = groups.group(invitation.group.id)
            assert record is not None
            fail(groups, groups.change_group(record, status=GroupStatus.JOINING))

        # As if no router had been there for three weeks.
        await alice.bot._core.step(fails)
        await group.invite(hosted.contacts[0], role=Role.AUTHOR)
        again = await alice.next(GroupInvitation)
        assert again.group.id == invitation.group.id
        assert (again.group.status, again.group.role) == (GroupStatus.INVITED, Role.AUTHOR)
        await again.accept()
        assert (await present(group, "Alice")).role is Role.AUTHOR
        # Once it has been a member, the link is used.
        (of_alice,) = await alice.bot.groups()
        await of_alice.leave()
        (record,) = await alice.bot._core.step(lambda store: list(GroupStore(store).all_groups()))
        assert record.invited is not None
        contact = (await alice.bot.contacts())[0]._record
        event = GroupInvited(
            MemberIdRole(record.host_id or b"", Role.OWNER),
            MemberIdRole(record.own_id, Role.MEMBER),
            record.invited.link,
            record.profile,
        )
        assert await alice.bot._core.step(lambda store: invited(store, contact, event)) == []


async def test_profiles_that_apps_refuse_are_refused(autojump_clock: Clock) -> None:
    async with open_hosted() as hosted:
        for profile in ("", "a/b", GroupProfile("Team", short_descr="x" * 161)):
            with pytest.raises(EncodeError):
                await hosted.host.bot.create_group(profile)
        with pytest.raises(EncodeError):
            await hosted.host.bot.create_group(GroupProfile("Team", description="x" * 20_000))


async def test_an_invited_contact_that_never_connects_can_be_invited_again(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting, "PATIENCE", 3600)
    async with open_hosted("Alice") as hosted:
        group = await hosted.host.bot.create_group("Team")
        member = await group.invite(hosted.contacts[0])
        await trio.sleep(0.001)

        def joins(store: Store) -> None:
            groups = GroupStore(store)
            record = groups.member(group.id, member.id)
            assert record is not None
            groups.change_member(record, status=MemberStatus.JOINING)
            groups.wait_for(record, hosted.host.bot._core.settings.seconds + 3600)

        # As if it had joined, and had then lost its data.
        await hosted.host.bot._core.step(joins)
        with pytest.raises(CannotInvite):
            await group.invite(hosted.contacts[0])
        await trio.sleep(3 * 3600)
        again = await group.invite(hosted.contacts[0])
        assert again.id != member.id
