"""A bot that makes groups, and people who come into them, with routers in virtual time."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import trio

from simplex_trio.chat.groups import Group, GroupInvitation, Member
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.groups.records import GroupStatus, MemberStatus
from simplex_trio.chat.machine.groups.saying import say_to
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.preferences import Preferences
from simplex_trio.chat.messages.profiles import PeerType, Profile
from simplex_trio.chat.people import Contact
from tests.duplex.quiet import open_quiet

from .people import Person, open_quiet_bot, talk

__all__ = ["Hosted", "group_handlers", "open_hosted", "present", "say_in_group"]


def group_handlers(
    *, joins: bool = True, connects: bool = False
) -> tuple[Handlers, trio.MemoryReceiveChannel[object]]:
    """Handlers that pass on what happens in groups too, and join them."""
    send, told = trio.open_memory_channel[object](math.inf)
    handlers = Handlers()
    groups = handlers.groups

    async def pass_on(happened: object) -> None:
        await send.send(happened)

    for table in (handlers, groups):
        table.on_message()(pass_on)
        for name in dir(table):
            if name.startswith("on_") and name not in ("on_message", "on_error", "on_invited"):
                getattr(table, name)(pass_on)
        table.decided.clear()  # by passing it on

    @groups.on_invited
    async def join(invitation: GroupInvitation) -> None:
        if joins:
            await invitation.accept(connect_members=connects)
        else:
            await pass_on(invitation)

    return handlers, told


class Hosted:
    """A bot, and people who are its contacts."""

    def __init__(self, host: Person, people: list[Person], contacts: list[Contact]) -> None:
        self.host = host
        self.people = people
        self.contacts = contacts

    async def bring_in(self, group: Group, number: int, role: Role = Role.MEMBER) -> Group:
        """Have a person join; returns the group in the hands of that person."""
        await group.invite(self.contacts[number], role=role)
        joined = await self.people[number].next(Group)
        assert joined.status is GroupStatus.READY
        member = await present(group, self.people[number].bot.profile.display_name)
        assert (await self.host.next(Member)).id == member.id
        return joined


async def present(group: Group, name: str) -> Member:
    """Wait until a member is there."""
    with trio.fail_after(600):
        while True:
            for each in await group.members():
                if each.name == name and each.status is MemberStatus.PRESENT:
                    return each
            await trio.sleep(0.1)


@asynccontextmanager
async def open_hosted(
    *names: str, joins: bool = True, connects: bool = False
) -> AsyncIterator[Hosted]:
    async with AsyncExitStack() as stack:
        quiet = await stack.enter_async_context(open_quiet())
        handlers, told = group_handlers(joins=joins)
        bot = await stack.enter_async_context(
            open_quiet_bot(quiet, "Host", handlers=handlers, address=True)
        )
        host = Person(bot, told)
        people: list[Person] = []
        contacts: list[Contact] = []
        for name in names:
            handlers, told = group_handlers(joins=joins, connects=connects)
            profile = Profile(name, peer_type=PeerType.HUMAN, preferences=Preferences())
            bot = await stack.enter_async_context(
                open_quiet_bot(quiet, profile, handlers=handlers, address=False)
            )
            person = Person(bot, told)
            contact, _ = await talk(host, person)
            people.append(person)
            contacts.append(contact)
        yield Hosted(host, people, contacts)


async def say_in_group(
    person: Person,
    group: Group,
    *events: Event,
    to: str | None = None,
    msg_id: bytes | None = None,
) -> None:
    """Say what a program should not, or by itself would not, to all members or to one."""
    settings = person.bot._core.settings

    def decide(store: Store) -> None:
        groups = GroupStore(store)
        members = [each for each in groups.members(group.id) if to is None or each.name == to]
        said = [(each, msg_id or settings.new_message_id()) for each in events]
        say_to(groups, members, said, notify=False)

    await person.bot._core.step(decide)
