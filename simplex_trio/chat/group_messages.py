"""Messages in groups, as handlers have them in their hands."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from attrs import define, field

from simplex_trio.chat.groups import Group, Member
from simplex_trio.chat.machine.groups.saying import check_can_answer
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.events import MessageRef, Quote
from simplex_trio.chat.people import timestamp
from simplex_trio.redaction import Redacted

if TYPE_CHECKING:
    from simplex_trio.chat.conversations import Turn

__all__ = ["GroupMessage", "SentGroupMessage"]


@final
@define(eq=False, repr=False)
class SentGroupMessage(Redacted):
    """A message that was sent to a group."""

    group: Group = field(repr=False)
    id: bytes
    """What all members know it by."""
    content: Content
    sent_at: int

    def as_quote(self) -> Quote:
        """What an answer to it says of it."""
        own_id = self.group._record.own_id
        return Quote(MessageRef(timestamp(self.sent_at), True, self.id, own_id), self.content)


@final
@define(eq=False, repr=False)
class GroupMessage(Redacted):
    """A message of a member of a group.

    It is acknowledged when its handler has finished.  If the program ends before, it comes again.
    """

    group: Group = field(repr=False)
    member: Member
    """Who has sent it."""
    id: bytes | None
    """What all members know it by."""
    content: Content
    quote: Quote | None
    """The message that it answers, with its content, as the member says."""
    received_at: int
    """When a router got it, in seconds since 1970."""
    is_repeated: bool = False
    """Whether a handler was begun with it before the program ended."""
    quoted: SentGroupMessage | None = field(default=None, repr=False)
    """The message of the program that it answers, as it was sent, if that is still kept."""
    _turn: Turn | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """The text of its content, whatever that is."""
        return self.content.text

    async def answer(self, content: Content | str) -> SentGroupMessage:
        """Send a message to the group."""
        return await self.group.send(content)

    async def reply(self, content: Content | str) -> SentGroupMessage:
        """Send a message to the group that quotes this one."""
        return await self.group.send(content, quote=self)

    async def ask(self, question: Content | str) -> GroupMessage:
        """Send a question that quotes this message, and wait for the member's next message.

        What others say meanwhile goes to handlers as always.  Everything else is as for
        `IncomingMessage.ask`.  Raises `MemberGone` if the member leaves or is removed, or the
        program is in the group no longer.
        """
        if self._turn is None:
            raise RuntimeError("only the handler of a message can ask")
        send = self.group._sending(question, quote=self)

        def decide(store: Store) -> SentGroupMessage:
            check_can_answer(GroupStore(store), self.group.id, self.member.id)
            return send(store)

        answer = await self._turn.ask(decide)
        assert isinstance(answer, GroupMessage)
        return answer

    def as_quote(self) -> Quote:
        """What an answer to it says of it."""
        ref = MessageRef(timestamp(self.received_at), False, self.id, self.member.id)
        return Quote(ref, self.content)
