"""Messages in groups, as handlers have them in their hands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, final

from attrs import define, field

from simplex_trio.chat.errors import MessageForgotten, NotAllowed
from simplex_trio.chat.files import GroupFile
from simplex_trio.chat.groups import Group, Member, SupportChat
from simplex_trio.chat.machine import sending
from simplex_trio.chat.machine.file_records import file_mark
from simplex_trio.chat.machine.groups.deliveries import Reach, reach_of
from simplex_trio.chat.machine.groups.saying import check_can_answer
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.receiving_files import take_back
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.message_calls import MessageCalls, SentCalls
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.events import MessageRef, Quote
from simplex_trio.chat.people import timestamp
from simplex_trio.chat.sending_calls import as_content
from simplex_trio.redaction import Redacted

if TYPE_CHECKING:
    from simplex_trio.chat.conversations import Turn

__all__ = ["GroupMessage", "SentGroupMessage"]


@final
@define(eq=False, repr=False)
class SentGroupMessage(SentCalls, Redacted):
    """A message that was sent to a group, or in the conversation of a member with the admins.

    `SentMessage.wait` tells how far it has come with all members that the program is connected
    with: `DeliveryState.SENT` when the routers of all have it, and `DeliveryState.DELIVERED` when
    the apps of all have told that they have it, which they do in groups of up to 20 members.
    Members for whom it was given up are left out, unless that is so for all.
    """

    group: Group = field(repr=False)
    id: bytes
    """What all members know it by."""
    content: Content
    sent_at: int
    support: SupportChat | None = field(default=None, repr=False)
    """The conversation with the admins that it is in; `None` if it is for all."""

    @property
    def _conversation(self) -> Group | SupportChat:
        return self.support or self.group

    async def edit(
        self, content: Content | str, *, live: bool = False, mentions: Iterable[Member] = ()
    ) -> None:
        """Replace what it says; with ``live`` more is to come.

        Raises as `Group.send` does.
        """
        said = as_content(content)
        await self._edit(said, live=live, mentions=self.group._mentioned(said, mentions))

    async def _copies(self) -> int:
        try:
            return (await self.reach()).members
        except MessageForgotten:
            return 1

    async def reach(self) -> Reach:
        """How many members have it.

        Raises `MessageForgotten` if 100 others were sent to the group after it, or it has
        disappeared.
        """

        def look_up(store: Store) -> Reach:
            number = store.number_of_sent(self.group.id, self.id)
            found = None if number is None else reach_of(store.t.kept, self.group.id, number)
            if found is None:
                raise MessageForgotten("too many were sent after it, or it has disappeared")
            return found

        return await self.group._core.step(look_up, durable=False)

    def as_quote(self) -> Quote:
        """What an answer to it says of it."""
        own_id = self.group._record.own_id
        return Quote(MessageRef(timestamp(self.sent_at), True, self.id, own_id), self.content)


@final
@define(eq=False, repr=False)
class GroupMessage(MessageCalls[SentGroupMessage], Redacted):
    """A message of a member of a group.

    It is acknowledged when its handler has finished.  If the program ends before, it comes again.
    """

    group: Group = field(repr=False)
    member: Member
    """Who has sent it; for a post of a channel that is the channel: see `Member.is_channel`."""
    id: bytes | None
    """What all members know it by."""
    content: Content
    quote: Quote | None
    """The message that it answers, with its content, as the member says."""
    received_at: int
    """When a router got it, in seconds since 1970."""
    support: SupportChat | None = field(default=None, repr=False)
    """The conversation with the admins that it is in; `None` if it is for all.

    Answers to it are in the same conversation."""
    mentions: Mapping[str, Member] = field(factory=dict, repr=False)
    """The members that it mentions, by their names in the text; other than the program."""
    mentions_me: bool = False
    """Whether it mentions the program."""
    ttl: int | None = None
    """After how many seconds it disappears from the apps, once it was read there."""
    is_live: bool = False
    """Whether the text is still being written, and will be edited."""
    is_repeated: bool = False
    """Whether a handler was begun with it before the program ended.

    A loss of power may make the program forget that."""
    is_history: bool = False
    """Whether it was said before the program was a member: see `GroupHandlers.on_history`."""
    quoted: SentGroupMessage | None = field(default=None, repr=False)
    """The message of the program that it answers, as it was sent, if that is still kept."""
    file: GroupFile | None = None
    """The file that comes with it, if it is one that can be received: see `IncomingFile.save`."""
    _own_name: str | None = field(default=None, repr=False)
    _turn: Turn | None = field(default=None, repr=False)

    @property
    def _conversation(self) -> Group | SupportChat:
        return self.support or self.group

    @property
    def _author_id(self) -> bytes | None:
        return None if self.member.is_channel else self.member.id

    @property
    def said_to_me(self) -> str:
        """The text without a mention of the program at its beginning."""
        if self._own_name is not None:
            for written in (f"@{self._own_name}", f"@'{self._own_name}'"):
                if self.text.startswith(written):
                    return self.text[len(written) :].lstrip(" ,:")
        return self.text

    async def ask(self, question: Content | str) -> GroupMessage:
        """Send a question that quotes this message, and wait for the member's next message.

        What others say meanwhile goes to handlers as always, and so does what this one says to
        others than the question was for: the group, or the admins.  Everything else is as for
        `IncomingMessage.ask`.  Raises `MemberGone` if the member leaves or is removed, or the
        program is in the group no longer.
        """
        if self._turn is None:
            raise RuntimeError("only the handler of a message can ask")
        send = self._conversation._sending(question, quote=self)

        def decide(store: Store) -> SentGroupMessage:
            check_can_answer(GroupStore(store), self.group.id, self.member.id)
            return send(store)

        answer = await self._turn.ask(decide)
        assert isinstance(answer, GroupMessage)
        return answer

    async def delete(self) -> None:
        """Delete it for all members, as a moderator.

        Raises `NotAllowed` if the program is no moderator, or the member has a higher role than it,
        and `ValueError` for a message without id.
        """
        if self.id is None:
            raise ValueError("a message without id")
        if self.member.is_channel:
            raise NotAllowed("only owners delete posts of a channel")
        await moderate(self._conversation, self.member.id, self.id)

    def as_quote(self) -> Quote:
        """What an answer to it says of it."""
        ref = MessageRef(timestamp(self.received_at), False, self.id, self._author_id)
        return Quote(ref, self.content)


async def moderate(conversation: Group | SupportChat, author_id: bytes, msg_id: bytes) -> None:
    """Delete a message of a member, with its file."""

    def decide(store: Store) -> None:
        sending.delete_message(conversation._outlet(store), msg_id, author_id)
        take_back(store, conversation.id, file_mark(msg_id, author_id))

    await conversation._core.step(decide)
