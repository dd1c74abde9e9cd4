"""`Person`: a person with an app, as whom a test writes and reads."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar, final, overload

import trio

from simplex_trio.chat.changes import MessageDeleted, MessageEdited, ReactionChanged
from simplex_trio.chat.group_handlers import GroupHandlers
from simplex_trio.chat.groups import Group, GroupInvitation, Member
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.records import ContactStatus
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.group_profiles import GroupProfile, Role
from simplex_trio.chat.people import (
    Contact,
    IncomingMessage,
    SentMessage,
)
from simplex_trio.chat.testing.programs import BotProgram
from simplex_trio.chat.testing.same_group import find_contact, find_group
from simplex_trio.duplex.config import Network
from simplex_trio.errors import SimplexError

if TYPE_CHECKING:
    from simplex_trio.chat.group_messages import SentGroupMessage

__all__ = ["NothingHappened", "Person", "listening"]

PATIENCE = 600
"""The seconds for which a person waits for something, unless a test says otherwise."""

_AGAIN = 10
"""Seconds until a person opens a link again that could not be opened."""


def _kinds(table: type[Handlers | GroupHandlers]) -> tuple[str, ...]:
    names = (name for name in dir(table) if name.startswith("on_"))
    return tuple(name for name in names if name not in ("on_message", "on_error"))


KINDS = _kinds(Handlers)
"""What a person sees besides messages: the methods of `Handlers` for all that can happen."""

GROUP_KINDS = _kinds(GroupHandlers)
"""The same of `Handlers.groups`."""

HappenedT = TypeVar("HappenedT")
OpenedT = TypeVar("OpenedT")


class NothingHappened(AssertionError):
    """What a test waits for has not happened in the time that it has."""


def listening() -> tuple[Handlers, trio.MemoryReceiveChannel[object]]:
    """Handlers that pass everything on."""
    send, receive = trio.open_memory_channel[object](math.inf)
    handlers = Handlers()

    async def note(happened: object) -> None:
        await send.send(happened)

    for table, kinds in ((handlers, KINDS), (handlers.groups, GROUP_KINDS)):
        table.on_message()(note)
        for kind in kinds:
            getattr(table, kind)(note)
        table.decided.clear()  # by noting it
    return handlers, receive


@final
class Person:
    """A person with an app; `World.person` makes one.

    The app acknowledges what it gets at once.  What happens waits until the test asks for it, each
    kind in its order.
    """

    def __init__(
        self,
        name: str,
        program: BotProgram,
        told: trio.MemoryReceiveChannel[object],
        why: Callable[[], str],
    ) -> None:
        self.name = name
        self.program: BotProgram = program
        """The person's app, which can be closed and opened as a bot's program."""
        self._told = told
        self._why = why
        self._others: list[object] = []
        self._contact: Contact | None = None

    def __repr__(self) -> str:
        return f"<Person {self.name!r}>"

    @property
    def contact(self) -> Contact:
        """The contact that was connected last; raises `RuntimeError` if there is none."""
        if self._contact is None:
            raise RuntimeError(f"{self.name} is not connected yet")
        return self._contact

    # --- what the person does -------------------------------------------------------------------

    async def connect(self, link: str, *, within: float = PATIENCE) -> Contact:
        """Open a link, as often as it takes, and wait until the two are connected.

        Raises as `Bot.connect` does if another attempt cannot help, and `NothingHappened`.
        """
        self._contact = await self._connect(link, within=within)
        return self._contact

    async def _connect(self, link: str, *, within: float) -> Contact:
        asked = await self._opened(lambda: self.program.bot.connect(link), within=within)
        contact_id = None if asked is None else asked.id
        contact = await self.next(Contact, lambda each: each.id == contact_id, within=within)
        if contact.status is not ContactStatus.READY:
            raise self._nothing(f"{self.name} could not be connected")
        return contact

    async def _opened(
        self, open_link: Callable[[], Awaitable[OpenedT]], *, within: float
    ) -> OpenedT | None:
        """Open a link as often as it takes; `None` if the time is over."""
        with trio.move_on_after(within):
            while True:
                try:
                    return await open_link()
                except SimplexError as exc:
                    if not exc.retryable:
                        raise
                    await trio.sleep(_AGAIN)
        return None

    async def invite(self) -> str:
        """A link for one contact; `next` with `Contact` waits for that."""
        return await self.program.bot.invite()

    @overload
    async def send(
        self, content: Content | str, *, to: Contact | None = None, **options: Any
    ) -> SentMessage: ...

    @overload
    async def send(
        self, content: Content | str, *, to: Group, **options: Any
    ) -> SentGroupMessage: ...

    async def send(
        self, content: Content | str, *, to: Contact | Group | None = None, **options: Any
    ) -> SentMessage | SentGroupMessage:
        """Send a message to ``to``, or the contact that was connected last.

        Everything else is as for `Contact.send` and `Group.send`; the message can be edited and
        deleted.  A group may be given as anyone in it has it: see `group`.
        """
        if isinstance(to, Group):
            return await (await self.group(to)).send(content, **options)
        return await (self.contact if to is None else to).send(content, **options)

    def go_offline(self) -> None:
        """Lose the network, as in a tunnel: the app goes on, and sends later."""
        self.program.interrupt_network()
        self.program.bot.agent.set_network(Network.LOST)

    def come_back(self) -> None:
        """Have the network again."""
        self.program.restore_network()

    # --- in groups ------------------------------------------------------------------------------

    async def create_group(self, profile: GroupProfile | str = "Team") -> Group:
        """Make a group whose owner is this person: see `Bot.create_group`."""
        return await self.program.bot.create_group(profile)

    async def add(
        self,
        who: Person | BotProgram,
        group: Group,
        *,
        role: Role = Role.MEMBER,
        within: float = PATIENCE,
    ) -> Member:
        """Invite a person or a bot to a group, and wait until it has joined.

        The two are connected first, if they are not yet.  A person joins; a bot has to have a
        handler that does (`GroupHandlers.on_invited`), and the group is ready on its side a moment
        later.  Raises `NothingHappened` if it does not join, and as `Group.invite` does.
        """
        mine = await self.group(group)
        contact = await find_contact(self.program.bot, _program(who).bot)
        if contact is None:
            contact = await self._meet(who, within=within)
        invited = await mine.invite(contact, role=role)
        if isinstance(who, Person):
            await who.accept_invitation(within=within)
        try:
            return await self.next(Member, lambda each: each.id == invited.id, within=within)
        except NothingHappened as exc:
            raise self._nothing(f"{contact.name} has not joined in {within:g} seconds") from exc

    async def _meet(self, who: Person | BotProgram, *, within: float) -> Contact:
        """Connect with a person or a bot; whom this person writes to stays the same."""
        program = _program(who)
        contact = await self._connect(program.address or await program.bot.invite(), within=within)
        if isinstance(who, Person):
            theirs = await who.next(Contact, within=within)
            assert await theirs.security_code() == await contact.security_code()
        return contact

    async def accept_invitation(self, *, within: float = PATIENCE) -> Group:
        """Join the group of the next invitation, and wait until this person is in it.

        `next` with `GroupInvitation` is for tests that want to do something else with it.
        """
        invitation = await self.next(GroupInvitation, within=within)
        await invitation.accept(connect_members=True)
        return await self._in_group(invitation.group.id, within=within)

    async def join(self, link: str, *, within: float = PATIENCE) -> Group:
        """Ask for a group at its link, and wait until this person is in it.

        If the host wants to approve it first, or does not let it in, the `Group.status` says so.
        Raises as `Bot.join` does if another attempt cannot help, and `NothingHappened`.
        """
        asked = await self._opened(
            lambda: self.program.bot.join(link, connect_members=True), within=within
        )
        return await self._in_group(None if asked is None else asked.id, within=within)

    async def _in_group(self, group_id: int | None, *, within: float) -> Group:
        return await self.next(Group, lambda each: each.id == group_id, within=within)

    async def group(self, group: Group) -> Group:
        """A group as this person has it now, of a `Group` of anyone who is in it.

        A group that the person has left, or was removed from, is found by a `Group` of its own
        alone.  Raises `LookupError` if this person is not in it.
        """
        found = await find_group(self.program.bot, group)
        if found is None:
            raise LookupError(f"{self.name} is not in the group")
        return found

    # --- what the person sees -------------------------------------------------------------------

    async def next(
        self,
        kind: type[HappenedT],
        fits: Callable[[HappenedT], bool] = lambda each: True,
        *,
        within: float = PATIENCE,
    ) -> HappenedT:
        """The next thing of a kind that happens, if it ``fits``; others wait for later calls.

        Kinds are what the functions of `Handlers` are called with, such as `Contact`,
        `MessageEdited` and `ProfileChanged`.  Raises `NothingHappened` if there is none in
        ``within`` seconds.
        """
        for number, each in enumerate(self._others):
            if isinstance(each, kind) and fits(each):
                return self._others.pop(number)  # type: ignore[return-value]
        with trio.move_on_after(within):
            async for each in self._told:
                if isinstance(each, kind) and fits(each):
                    return each
                self._others.append(each)
        raise self._nothing(f"no {kind.__name__} for {self.name} in {within:g} seconds")

    def _nothing(self, what: str) -> NothingHappened:
        meanwhile = ", ".join(type(each).__name__ for each in self._others) or "nothing"
        return NothingHappened(f"{what}; what waits for the test: {meanwhile}{self._why()}")

    async def next_message(self, *, within: float = PATIENCE) -> IncomingMessage:
        """The next message that comes; see `next`."""
        return await self.next(IncomingMessage, within=within)

    async def next_edit(self, *, within: float = PATIENCE) -> MessageEdited:
        """The next message that is edited; see `next`."""
        return await self.next(MessageEdited, within=within)

    async def next_deletion(self, *, within: float = PATIENCE) -> MessageDeleted:
        """The next message that is deleted; see `next`."""
        return await self.next(MessageDeleted, within=within)

    async def next_reaction(self, *, within: float = PATIENCE) -> ReactionChanged:
        """The next reaction; see `next`."""
        return await self.next(ReactionChanged, within=within)

    def _gather(self) -> None:
        while self._told.statistics().current_buffer_used:
            self._others.append(self._told.receive_nowait())

    def take_all(self) -> list[object]:
        """Everything that has happened and that no call has returned, without waiting."""
        self._gather()
        taken, self._others = self._others, []
        return taken

    async def expect_nothing(self, *, within: float = PATIENCE) -> None:
        """Wait, and raise `AssertionError` if anything happens, or has waited for the test."""
        with trio.move_on_after(within):
            if not self._others:
                self._others.append(await self._told.receive())
        if self._others:
            happened = ", ".join(type(each).__name__ for each in self._others)
            raise AssertionError(f"{self.name} was to see nothing, and has seen {happened}")


def _program(who: Person | BotProgram) -> BotProgram:
    return who.program if isinstance(who, Person) else who
