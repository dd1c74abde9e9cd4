"""What can be wrong with a call of a chat program."""

from __future__ import annotations

from simplex_trio.errors import SimplexError

__all__ = [
    "ChatError",
    "GroupsNotSupported",
    "LinkIsOwn",
    "MessageForgotten",
    "NotAllowed",
    "UnknownContact",
]


class ChatError(SimplexError):
    """Base of the errors of chat programs."""


class UnknownContact(ChatError):
    """There is no such contact, or no longer."""


class NotAllowed(ChatError):
    """The preferences of the two sides do not allow this in their conversation."""


class LinkIsOwn(ChatError):
    """The link is the program's own address, or one of its invitations."""


class GroupsNotSupported(ChatError):
    """The link leads to a group or a channel, which this version cannot join."""


class MessageForgotten(ChatError):
    """It is not known any more how far a message has come, as too many were sent after it."""
