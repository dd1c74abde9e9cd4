"""Conversations: what happens with one contact is dealt with in order, and beside all others."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio
from attrs import define, field

from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.errors import UnknownContact
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.people import IncomingMessage, SentMessage

__all__ = ["Conversations", "Job", "Turn"]

Deal: TypeAlias = Callable[["Job", "Turn"], Awaitable[None]]
"""Deals with a job; it finishes what it has begun."""


@define(eq=False)
class Job:
    """Something that has happened, and what to store once it was dealt with."""

    kind: str
    value: object
    settle: Callable[[Store], None] | None
    """`None` if there is nothing to store."""


@define(eq=False)
class _Conversation:
    jobs: deque[Job] = field(factory=deque)
    more: trio.Event = field(factory=trio.Event)
    is_over: bool = False
    """Whether the contact is gone."""


class Conversations:
    """All conversations that have anything to do; each has a task as long as that is so.

    How much waits in one is bounded by the agent: the next message of a connection comes when the
    last one was acknowledged, which is when its job is finished.
    """

    def __init__(self, nursery: trio.Nursery, core: ChatCore, deal: Deal) -> None:
        self._nursery = nursery
        self._core = core
        self._deal = deal
        self._open: dict[int, _Conversation] = {}

    def add(self, contact_id: int, job: Job) -> None:
        """Add something that has happened with a contact."""
        conversation = self._open.get(contact_id)
        if conversation is None:
            conversation = self._open[contact_id] = _Conversation()
            self._nursery.start_soon(self._run, contact_id, conversation)
        conversation.jobs.append(job)
        conversation.more.set()

    def end(self, contact_id: int) -> None:
        """The contact is gone: what waits to be dealt with is left out, and questions end."""
        conversation = self._open.get(contact_id)
        if conversation is not None:
            conversation.jobs.clear()
            conversation.is_over = True
            conversation.more.set()

    async def _run(self, contact_id: int, conversation: _Conversation) -> None:
        while conversation.jobs:
            await deal_with_next(self._core, conversation, self._deal)
        # Nothing can be added in between, as there is no checkpoint.
        del self._open[contact_id]


async def deal_with_next(core: ChatCore, conversation: _Conversation, deal: Deal) -> None:
    """Deal with what has happened first; if that is cancelled, it stays."""
    job = conversation.jobs.popleft()
    try:
        await deal(job, Turn(core, conversation, deal))
    except BaseException:
        if not conversation.is_over:
            conversation.jobs.appendleft(job)
        raise


class Turn:
    """One call of a handler, and the messages that it is about."""

    def __init__(self, core: ChatCore, conversation: _Conversation, deal: Deal) -> None:
        self._core = core
        self._conversation = conversation
        self._deal = deal
        self._in_hand: Job | None = None
        self._is_over = False

    def begin(self, job: Job) -> None:
        """The handler has this in its hands now."""
        self._in_hand = job

    async def ask(self, send: Callable[[Store], SentMessage]) -> IncomingMessage:
        """Send a question and settle what is in hand, at once; then wait for the next message."""
        if self._is_over:
            raise RuntimeError("the handler of this message has finished")
        await self._settle(send)
        job = await self._next_message()
        message = job.value
        assert isinstance(message, IncomingMessage)
        message._turn = self
        self.begin(job)
        return message

    async def _next_message(self) -> Job:
        conversation = self._conversation
        while True:
            while conversation.jobs:
                if isinstance(conversation.jobs[0].value, IncomingMessage):
                    return conversation.jobs.popleft()
                # Until it is settled, the next message does not come.
                await deal_with_next(self._core, conversation, self._deal)
            if conversation.is_over:
                raise UnknownContact("the contact was deleted, by either side")
            conversation.more = trio.Event()
            await conversation.more.wait()

    async def end(self) -> None:
        """The handler has finished."""
        self._is_over = True
        await self._settle(None)

    async def _settle(self, send: Callable[[Store], SentMessage] | None) -> None:
        settle = None if self._in_hand is None else self._in_hand.settle

        def decide(store: Store) -> None:
            if send is not None:
                send(store)
            if settle is not None:
                settle(store)

        if send is not None or settle is not None:
            await self._core.step(decide)
        self._in_hand = None
