"""What can be wrong with a call of a chat program."""

from __future__ import annotations

from simplex_trio.errors import SimplexError

__all__ = ["ChatError", "LinkIsOwn", "NotAllowed", "UnknownContact"]


class ChatError(SimplexError):
    """Base of the errors of chat programs."""


class UnknownContact(ChatError):
    """There is no such contact, or no longer."""


class NotAllowed(ChatError):
    """The preferences of the two sides do not allow this in their conversation."""


class LinkIsOwn(ChatError):
    """The link is the program's own address."""
