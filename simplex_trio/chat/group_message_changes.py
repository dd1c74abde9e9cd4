"""What happens with messages in groups, as handlers are told of it."""

from __future__ import annotations

from typing import final

from attrs import define, field

from simplex_trio.chat.group_messages import SentGroupMessage, moderate
from simplex_trio.chat.groups import Group, Member, SupportChat
from simplex_trio.chat.messages.content import Content, ReportReason
from simplex_trio.redaction import Redacted

__all__ = [
    "GroupMessageDeleted",
    "GroupMessageEdited",
    "GroupReactionChanged",
    "GroupReport",
]


@final
@define(eq=False, repr=False)
class GroupMessageEdited(Redacted):
    """A member has given a message another content."""

    member: Member
    message_id: bytes
    """With the member it says which message: two members may use the same id."""
    content: Content
    is_live: bool = False
    """Whether more is to come."""
    support: SupportChat | None = field(default=None, repr=False)
    """The conversation with the admins that it is in; `None` if it is for all."""

    @property
    def group(self) -> Group:
        """The group."""
        return self.member.group

    @property
    def text(self) -> str:
        """The text of its content, whatever that is."""
        return self.content.text

    async def delete(self) -> None:
        """Delete the message for all members, as a moderator: see `GroupMessage.delete`."""
        await moderate(self.support or self.group, self.member.id, self.message_id)


@final
@define(eq=False, repr=False)
class GroupMessageDeleted(Redacted):
    """A member has deleted a message of its own, or a moderator one of another."""

    by: Member
    """Who has deleted it."""
    author: Member | None
    """Whose message it was; `None` if it is the program's, or nothing is known of the author."""
    message_id: bytes
    message: SentGroupMessage | None = field(default=None, repr=False)
    """The message, if it was one of the program's, and is still kept."""


@final
@define(eq=False, repr=False)
class GroupReactionChanged(Redacted):
    """A member has reacted to a message, or has taken a reaction back."""

    member: Member
    message_id: bytes
    emoji: str | None
    """`None` if it is of a kind that is not known."""
    added: bool
    author: Member | None = None
    """Whose message it is; `None` if it is the program's, or nothing is known of the author."""
    message: SentGroupMessage | None = field(default=None, repr=False)
    """The message, if it was one of the program's, and is still kept."""


@final
@define(eq=False, repr=False)
class GroupReport(Redacted):
    """A member tells the admins of a message that is against the rules; others do not see that."""

    member: Member
    """Who reports it."""
    reason: ReportReason | str
    text: str
    """What the member says about it."""
    author: Member | None
    """Whose message it is; `None` if it is the program's, or nothing is known of the author."""
    message_id: bytes | None
    content: Content | None
    """What the message says, as the member quotes it."""
    support: SupportChat = field(repr=False)
    """The member's conversation with the admins."""
    message: SentGroupMessage | None = field(default=None, repr=False)
    """The message, if it was one of the program's, and is still kept."""

    @property
    def group(self) -> Group:
        """The group."""
        return self.member.group

    async def answer(self, content: Content | str) -> SentGroupMessage:
        """Say something to the member, in its conversation with the admins."""
        return await self.support.send(content)

    async def delete_message(self) -> None:
        """Delete the message that was reported.

        Raises as `GroupMessage.delete` does, and `ValueError` if it is not one of a member that is
        known.
        """
        if self.author is None or self.message_id is None:
            raise ValueError("not a message of a member that is known")
        await moderate(self.group, self.author.id, self.message_id)
