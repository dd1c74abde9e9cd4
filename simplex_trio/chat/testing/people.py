"""`Person`: a person with an app, as whom a test writes and reads."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, final

import trio

from simplex_trio.chat.changes import MessageDeleted, MessageEdited, ReactionChanged
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.people import (
    Contact,
    IncomingMessage,
    SentMessage,
)
from simplex_trio.chat.testing.programs import BotProgram
from simplex_trio.duplex.config import Network
from simplex_trio.errors import SimplexError

__all__ = ["NothingHappened", "Person", "listening"]

PATIENCE = 600
"""The seconds for which a person waits for something, unless a test says otherwise."""

_AGAIN = 10
"""Seconds until a person opens a link again that could not be opened."""

KINDS = tuple(
    name
    for name in dir(Handlers)
    if name.startswith("on_") and name not in ("on_message", "on_error")
)
"""What a person sees besides messages: the methods of `Handlers` for all that can happen."""

HappenedT = TypeVar("HappenedT")


class NothingHappened(AssertionError):
    """What a test waits for has not happened in the time that it has."""


def listening() -> tuple[Handlers, trio.MemoryReceiveChannel[object]]:
    """Handlers that pass everything on."""
    send, receive = trio.open_memory_channel[object](math.inf)
    handlers = Handlers()

    async def note(happened: object) -> None:
        await send.send(happened)

    handlers.on_message()(note)
    for kind in KINDS:
        getattr(handlers, kind)(note)
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
        asked: Contact | None = None
        with trio.move_on_after(within):
            while asked is None:
                try:
                    asked = await self.program.bot.connect(link)
                except SimplexError as exc:
                    if not exc.retryable:
                        raise
                    await trio.sleep(_AGAIN)
        contact_id = None if asked is None else asked.id
        self._contact = await self.next(Contact, lambda each: each.id == contact_id, within=within)
        return self._contact

    async def invite(self) -> str:
        """A link for one contact; `next` with `Contact` waits for that."""
        return await self.program.bot.invite()

    async def send(
        self, content: Content | str, *, to: Contact | None = None, **options: Any
    ) -> SentMessage:
        """Send a message to ``to``, or the contact that was connected last.

        Everything else is as for `Contact.send`; the message can be edited and deleted.
        """
        return await (self.contact if to is None else to).send(content, **options)

    def go_offline(self) -> None:
        """Lose the network, as in a tunnel: the app goes on, and sends later."""
        self.program.interrupt_network()
        self.program.bot.agent.set_network(Network.LOST)

    def come_back(self) -> None:
        """Have the network again."""
        self.program.restore_network()

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
        meanwhile = ", ".join(type(each).__name__ for each in self._others) or "nothing"
        raise NothingHappened(
            f"no {kind.__name__} for {self.name} in {within:g} seconds; "
            f"what waits for the test: {meanwhile}{self._why()}"
        )

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

    def take_all(self) -> list[object]:
        """Everything that has happened and that no call has returned, without waiting."""
        while self._told.statistics().current_buffer_used:
            self._others.append(self._told.receive_nowait())
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
