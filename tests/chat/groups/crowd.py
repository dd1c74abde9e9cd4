"""A group whose members are programs that write down what they see, and what they must have seen.

Time goes on in rounds.  Within a round anything happens at the same time; at its end all programs
run, all have the network, and nothing is under way any more.  Then each message of the round must
have reached each member that was there all the time, once, and all must agree on who is there.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import trio
from attrs import define, field

from simplex_trio.chat.errors import NotAllowed, UnknownGroup
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group, GroupInvitation, Member
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.groups.records import GroupStatus, MemberStatus
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.preferences import Preferences
from simplex_trio.chat.messages.profiles import PeerType, Profile
from simplex_trio.chat.people import Contact
from simplex_trio.chat.testing.programs import BotProgram
from simplex_trio.chat.testing.world import World
from simplex_trio.duplex.config import Network
from simplex_trio.errors import SimplexError
from simplex_trio.testing.in_memory.crashes import Crashed

__all__ = ["Actor", "Crowd"]

_A_ROUND = 4 * 3600
"""Seconds until nothing is under way any more, whatever has to be tried again."""


@define(eq=False)
class Sent:
    """A message of a round, and who must see it."""

    author: str
    text: str
    due: set[str]


@define(eq=False)
class Actor:
    """A program that may be in the group."""

    name: str
    connects: bool
    """Whether it connects with all members."""
    program: BotProgram = field(init=False)
    seen: list[tuple[str, str]] = field(factory=list)
    """The messages of others, in the order in which they came: author and text."""
    repeated: int = 0
    """How many of them came again after the program had ended."""
    contacts: dict[str, int] = field(factory=dict)
    group_id: int | None = None
    has_lost_power: bool = False
    """Whether its disk has forgotten in this round which messages it had begun with."""
    is_settled: bool = False
    """Whether it has been in the group since before this round."""
    is_invited: bool = False
    role: Role = Role.MEMBER
    is_blocked: bool = False
    is_doubtful: bool = False
    """Whether others learn in this round, sooner or later, that they are to see what it says."""
    sent: int = 0
    told: list[object] = field(factory=list)
    """What it was told of groups beside messages."""

    def handlers(self) -> Handlers:
        handlers = Handlers()

        @handlers.on_connected
        async def connected(contact: Contact) -> None:
            self.contacts[contact.name] = contact.id
            await trio.lowlevel.checkpoint()

        @handlers.groups.on_invited
        async def join(invitation: GroupInvitation) -> None:
            await invitation.accept(connect_members=self.connects)

        @handlers.groups.on_joined
        async def joined(group: Group) -> None:
            self.group_id = group.id
            await trio.lowlevel.checkpoint()

        @handlers.groups.on_message()
        async def message(message: GroupMessage) -> None:
            self.repeated += message.is_repeated
            entry = message.member.name, message.text
            if entry not in self.seen or not (message.is_repeated or self.has_lost_power):
                self.seen.append(entry)
            await trio.lowlevel.checkpoint()

        async def note(happened: object) -> None:
            self.told.append(happened)
            await trio.lowlevel.checkpoint()

        for each in (
            *("on_member_joined", "on_member_left", "on_role", "on_member_blocked"),
            *("on_lost", "on_ended", "on_changed", "on_member_profile"),
        ):
            getattr(handlers.groups, each)(note)
        return handlers

    async def group(self) -> Group:
        assert self.group_id is not None
        return await self.program.bot.group(self.group_id)

    async def member(self, name: str) -> Member:
        """Another member, as this one knows it."""
        found = [each for each in await (await self.group()).members() if each.name == name]
        assert len(found) == 1, f"{self.name} knows {len(found)} members {name}"
        return found[0]


class Crowd:
    """A group, those who are in it, and those who are to be."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.actors: dict[str, Actor] = {}
        self.round: list[Sent] = []
        self.link = ""
        self.messages = 0
        """How many were checked."""

    @property
    def host(self) -> Actor:
        """The owner of the group."""
        return next(iter(self.actors.values()))

    @property
    def members(self) -> list[Actor]:
        """Those in the group, with the host."""
        return [each for each in self.actors.values() if each.group_id is not None]

    async def add(self, name: str, *, connects: bool = True) -> Actor:
        """A program that is not in the group yet; the first one makes it."""
        actor = self.actors[name] = Actor(name, connects)
        profile = Profile(name, preferences=Preferences(), peer_type=PeerType.HUMAN)
        is_host = len(self.actors) == 1
        actor.program = await self.world.bot(actor.handlers, profile=profile, address=is_host)
        if is_host:
            group = await actor.program.bot.create_group("Crowd")
            self.link = await group.create_link()
            actor.group_id = group.id
            actor.is_settled, actor.role = True, Role.OWNER
        else:
            await actor.program.bot.connect(self.host.program.address)
        return actor

    async def invite(self, actor: Actor, role: Role = Role.MEMBER) -> None:
        """The host invites one that is not there, who joins by itself."""
        contact = await self.host.program.bot.contact(self.host.contacts[actor.name])
        assert contact is not None
        await (await self.host.group()).invite(contact, role=role)
        actor.role, actor.is_blocked, actor.is_invited = role, False, True

    async def join(self, actor: Actor) -> None:
        """One that is not there asks at the link of the group, and is let in."""
        actor.role, actor.is_blocked, actor.is_invited = Role.MEMBER, False, True
        while True:
            try:
                await actor.program.bot.join(self.link, connect_members=actor.connects)
                return
            except SimplexError as exc:
                if not exc.retryable:
                    raise
                await trio.sleep(10)

    async def say(self, actor: Actor) -> None:
        """Write a message."""
        actor.sent += 1
        text = f"{actor.name} {actor.sent}"
        due: set[str] = set()
        if actor.is_settled and not actor.is_blocked and not actor.is_doubtful:
            due |= {each.name for each in self.members if each is not actor and each.is_settled}
        try:
            await (await actor.group()).send(text)
        except (NotAllowed, UnknownGroup):  # it is no member any more, or an observer
            return
        except Crashed:  # perhaps after it was stored
            due.clear()
        self.round.append(Sent(actor.name, text, due))

    async def leave(self, actor: Actor) -> None:
        """It leaves by itself."""
        await (await actor.group()).leave()
        self._gone(actor)

    async def remove(self, actor: Actor, by: Actor | None = None) -> None:
        """The host removes it, or another admin does."""
        member = await (by or self.host).member(actor.name)
        await member.remove()
        self._doubt(actor)
        self._gone(actor)

    def _gone(self, actor: Actor) -> None:
        for each in self.round:
            each.due.discard(actor.name)
        actor.group_id, actor.is_settled, actor.is_invited = None, False, False

    async def set_role(self, actor: Actor, role: Role, by: Actor | None = None) -> None:
        """The host gives it another role, or another admin does."""
        await (await (by or self.host).member(actor.name)).set_role(role)
        if Role.OBSERVER in (actor.role, role):
            self._doubt(actor)
        actor.role = role

    async def set_blocked(self, actor: Actor, *, blocked: bool, by: Actor | None = None) -> None:
        """The host blocks it for all, or no longer, or another admin does."""
        member = await (by or self.host).member(actor.name)
        await (member.block() if blocked else member.unblock())
        actor.is_blocked = blocked
        self._doubt(actor)

    def _doubt(self, actor: Actor) -> None:
        """Others need not see what it says in this round."""
        actor.is_doubtful = True
        for each in self.round:
            if each.author == actor.name:
                each.due.clear()

    # --- the end of a round ---------------------------------------------------------------------

    async def settle(self, seconds: float = _A_ROUND) -> None:
        """Let everything come to its end, and check it."""
        for actor in self.actors.values():
            if not actor.program.is_running:
                await actor.program.start()
            actor.program.restore_network()
            self.disarm(actor)
        await self.world.advance(seconds)
        for actor in self.actors.values():
            assert actor.program.is_running, f"{actor.name} has ended"
            if actor.is_invited and actor.group_id is not None:
                actor.is_settled = True
            actor.is_doubtful = False
        self._check_messages()
        for actor in self.actors.values():
            actor.has_lost_power = False
        await self._check_members()
        self.world.check()

    def _check_messages(self) -> None:
        for actor in self.actors.values():
            counted = Counter(actor.seen)
            twice = [each for each, count in counted.items() if count > 1]
            assert not twice, f"{actor.name} has seen {twice} twice"
            for sent in self.round:
                if actor.name in sent.due:
                    assert (sent.author, sent.text) in counted, f"{actor.name} lacks {sent.text}"
            for author in {author for author, _ in actor.seen}:
                numbers = [int(text.split()[1]) for name, text in actor.seen if name == author]
                assert numbers == sorted(numbers), f"{actor.name} has {author} as {numbers}"
            actor.seen.clear()
        self.messages += len(self.round)
        self.round.clear()

    async def _check_members(self) -> None:
        there = {each.name for each in self.members}
        for actor in self.members:
            group = await actor.group()
            assert group.status is GroupStatus.READY, f"{actor.name}: {group.status}"
            assert group.role == actor.role, f"{actor.name}: {group.role}, not {actor.role}"
            members = await group.members()
            known = sorted(each.name for each in members)
            assert known == sorted(there - {actor.name}), f"{actor.name} knows {known}"
            for member in members:
                other = self.actors[member.name]
                found: Any = (member.role, member.is_blocked, member.status)
                expected = (other.role, other.is_blocked, MemberStatus.PRESENT)
                assert found == expected, f"{actor.name} knows {other.name} as {found}"

    # --- what happens to programs ---------------------------------------------------------------

    def go_offline(self, actor: Actor) -> None:
        """It loses the network until the end of the round."""
        if actor.program.is_running:
            actor.program.interrupt_network()
            actor.program.bot.agent.set_network(Network.LOST)

    def disarm(self, actor: Actor) -> None:
        """Do not let it crash by itself."""
        actor.program.crash_after(10**9)

    async def crash(self, actor: Actor, *, loses_power: bool = False) -> None:
        """It is killed, and runs again."""
        actor.has_lost_power |= loses_power
        await actor.program.crash(loses_power=loses_power)
        await actor.program.start()
