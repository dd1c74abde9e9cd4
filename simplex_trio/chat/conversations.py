"""Conversations: what happens with one contact is dealt with in order, and beside all others."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

import trio
from attrs import define, field

from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.errors import MemberGone, UnknownContact
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.people import IncomingMessage
from simplex_trio.chat.turns import current_turn

__all__ = ["Conversations", "Job", "Turn"]

T = TypeVar("T")
U = TypeVar("U")

Deal: TypeAlias = Callable[["Job", "Turn"], Awaitable[None]]
"""Deals with a job; it finishes what it has begun."""


@define(eq=False)
class Job:
    """Something that has happened, and what to store once it was dealt with."""

    kind: str
    value: object
    settle: Callable[[Store], None] | None
    """`None` if there is nothing to store."""
    speaker: bytes | None = None
    """The member who says it, in a group."""
    is_last: bool = False
    """Whether nothing more comes of the speaker, or without one of all in the group."""
    scope: bytes | None = None
    """The member whose conversation with the admins it is said in."""

    @property
    def is_message(self) -> bool:
        """Whether it is a message, which can answer a question."""
        value = self.value
        return isinstance(value, IncomingMessage) or (
            isinstance(value, GroupMessage) and not value.is_history
        )


@define(eq=False)
class _Conversation:
    """What has happened with one contact, and who deals with it.

    One handler at a time has the turn.  A handler that waits for a file or for an answer stands
    aside meanwhile, and another task goes on with what has happened next.
    """

    contact_id: int
    jobs: deque[Job] = field(factory=deque)
    is_over: bool = False
    """Whether the contact is gone."""
    questions: list[_Question] = field(factory=list)
    """Those of handlers that wait for an answer, the oldest first."""
    tasks: int = 0
    """Tasks that deal with it, or whose handlers stand aside."""
    attending: int = 0
    """Those of them that will look for further jobs without waiting for anything else first."""
    _is_taken: bool = False
    _waiting: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    async def take_turn(self) -> None:
        """Wait until no other handler has the turn."""
        if self._is_taken:
            await self._waiting.park()
        else:
            self._is_taken = True
            try:
                await trio.lowlevel.checkpoint()
            except BaseException:
                self.give_turn_up()
                raise

    def give_turn_up(self) -> None:
        """Let the one that has waited longest go on."""
        if self._waiting:
            self._waiting.unpark()  # whose turn it is now
        else:
            self._is_taken = False

    def silence(self, speaker: bytes | None) -> None:
        """End the questions to a member that is gone, or to all if the program is."""
        for each in self.questions:
            if speaker is None or each.speaker == speaker:
                each.is_over.set()

    def question_for(self, job: Job) -> _Question | None:
        """The question that a job answers."""
        if job.is_message:
            for each in self.questions:
                is_asked = (each.speaker, each.scope) == (job.speaker, job.scope)
                if is_asked and not each.is_over.is_set():
                    return each
        return None


@define(eq=False)
class _Question:
    """A handler waits for the next message of a speaker."""

    turn: Turn
    speaker: bytes | None
    scope: bytes | None = None
    answer: Job | None = None
    is_over: trio.Event = field(factory=trio.Event)
    """Set when there is an answer, or there will be none."""


class Conversations:
    """All conversations that have anything to do; each has a task as long as that is so.

    How much waits in one is bounded by the agent: the next message of a connection comes when the
    last one was acknowledged, which is when its job is finished, or waits for a file.  How many
    handlers may wait for files is bounded by `MAX_FILES`.
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
            conversation = self._open[contact_id] = _Conversation(contact_id)
        conversation.jobs.append(job)
        self.attend(conversation)

    def end(self, contact_id: int) -> None:
        """The contact is gone: what waits to be dealt with is left out, and questions end."""
        conversation = self._open.get(contact_id)
        if conversation is not None:
            conversation.jobs.clear()
            conversation.is_over = True
            conversation.silence(None)

    def silence(self, group_id: int, speaker: bytes | None) -> None:
        """The program has parted with a member of a group, or with all: questions to them end."""
        conversation = self._open.get(group_id)
        if conversation is not None:
            conversation.silence(speaker)

    def attend(self, conversation: _Conversation) -> None:
        """Have a task deal with what has happened, if there is none."""
        if conversation.jobs and not conversation.attending:
            conversation.tasks += 1
            conversation.attending += 1
            self._nursery.start_soon(self._run, conversation)

    async def _run(self, conversation: _Conversation) -> None:
        while True:
            await conversation.take_turn()
            has_turn = True
            try:
                if not conversation.jobs:
                    break
                job = conversation.jobs.popleft()
                if job.is_last:
                    conversation.silence(job.speaker)
                question = conversation.question_for(job)
                if question is not None:
                    has_turn = not question.turn.resume(question, job)
                    continue
                turn = await self._deal_with(job, conversation)
                if turn.stands_aside:  # by a task that has outlived the handler
                    has_turn = False
                    conversation.attending += 1
            finally:
                if has_turn:
                    conversation.give_turn_up()
        # Nothing can be added in between, as there is no checkpoint.
        conversation.attending -= 1
        conversation.tasks -= 1
        if not conversation.tasks:
            del self._open[conversation.contact_id]

    async def _deal_with(self, job: Job, conversation: _Conversation) -> Turn:
        turn = Turn(self._core, self, conversation, job)
        before = current_turn.set(turn)
        try:
            await self._deal(job, turn)
        finally:
            current_turn.reset(before)
        return turn


class Turn:
    """One call of a handler, and the messages that it is about."""

    def __init__(
        self,
        core: ChatCore,
        conversations: Conversations,
        conversation: _Conversation,
        job: Job,
    ) -> None:
        self._core = core
        self._conversations = conversations
        self._conversation = conversation
        self._speaker = job.speaker
        self._scope = job.scope
        self._in_hand: list[Callable[[Store], None]] = []
        self._aside = 0
        """How many of the handler's tasks wait for something, while others have the turn."""
        self._is_asking = False
        self.contact_id: int = conversation.contact_id
        self.is_over: bool = False

    def begin(self, job: Job) -> None:
        """The handler has this in its hands now."""
        if job.settle is not None:
            self.has_in_hand(job.settle)

    def has_in_hand(self, settle: Callable[[Store], None]) -> None:
        """Settle this when the handler has finished, or asks."""
        self._in_hand.append(settle)

    @property
    def stands_aside(self) -> bool:
        """Whether the handler waits for files or an answer, so that others have the turn."""
        return self._aside > 0

    async def ask(self, send: Callable[[Store], object]) -> IncomingMessage | GroupMessage:
        """Send a question and settle what is in hand, at once; then wait for the next message."""
        if self.is_over:
            raise RuntimeError("the handler of this message has finished")
        if self._is_asking:
            # The second answer would not come before the handler has finished with the first one.
            raise RuntimeError("another task of the handler waits for an answer")
        if self.stands_aside:
            raise RuntimeError("the handler waits for a file, so that it is not its turn to ask")
        self._is_asking = True
        try:
            await self._settle(send)
            job = await self._wait_for_answer()
        finally:
            self._is_asking = False
        message = job.value
        assert isinstance(message, IncomingMessage | GroupMessage)
        message._turn = self
        self.begin(job)
        return message

    async def _wait_for_answer(self) -> Job:
        questions = self._conversation.questions
        question = _Question(self, self._speaker, self._scope)
        if self._conversation.is_over:
            question.is_over.set()
        questions.append(question)
        self._leave()
        try:
            await question.is_over.wait()
        finally:
            if question.answer is None:
                questions.remove(question)
                if self._comes_back():
                    with trio.CancelScope(shield=True):
                        await self._conversation.take_turn()
        if question.answer is None:
            if self._speaker is not None:
                raise MemberGone("the member is gone, or the program is no longer in the group")
            raise UnknownContact("the contact was deleted, by either side")
        return question.answer

    def resume(self, question: _Question, answer: Job) -> bool:
        """Go on with an answer; returns whether the handler takes the turn over with it."""
        question.answer = answer
        question.is_over.set()
        self._conversation.questions.remove(question)
        self._aside -= 1
        if self.stands_aside:  # by another task, which takes the turn when it has its file
            return False
        self._conversation.attending += 1
        return True

    async def stand_aside(
        self, decide: Callable[[Store], T], wait: Callable[[T], Awaitable[U]]
    ) -> U:
        """Settle what is in hand and take a step, at once; then wait, while others have the turn.

        It returns when it is this handler's turn again.  As with conditions, that is waited for
        even if it is cancelled.
        """
        value = await self._settle(decide)
        if self.is_over:  # by now
            return await wait(value)
        self._leave()
        try:
            return await wait(value)
        finally:
            if self._comes_back():
                with trio.CancelScope(shield=True):
                    await self._conversation.take_turn()

    def _leave(self) -> None:
        """Let others have the turn, unless they have it."""
        self._aside += 1
        if self._aside == 1:
            self._conversation.attending -= 1
            self._conversation.give_turn_up()
            self._conversations.attend(self._conversation)

    def _comes_back(self) -> bool:
        """One task waits no more; returns whether the handler has to take the turn again."""
        self._aside -= 1
        if self._aside or self.is_over:
            return False
        self._conversation.attending += 1
        return True

    async def end(self) -> None:
        """The handler has finished."""
        self.is_over = True
        await self._settle(None)

    async def _settle(self, decide: Callable[[Store], T] | None) -> T:
        """Take a step after settling what is in hand, all at once."""
        in_hand, self._in_hand = self._in_hand, []

        def take(store: Store) -> T | None:
            for settle in in_hand:
                settle(store)
            return None if decide is None else decide(store)

        value = None
        if decide is not None or in_hand:
            try:
                value = await self._core.step(take)
            except BaseException:
                self._in_hand = in_hand + self._in_hand
                raise
        return value  # type: ignore[return-value]
