"""What happens with contacts and messages, as handlers are told of it."""

from __future__ import annotations

from typing import final

from attrs import define, field

from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.people import Contact
from simplex_trio.redaction import Redacted

__all__ = ["MessageDeleted", "MessageEdited", "ProfileChanged", "ReactionChanged"]


@final
@define(eq=False, repr=False)
class MessageEdited(Redacted):
    """A contact has given a message another content."""

    contact: Contact = field(repr=False)
    message_id: bytes
    content: Content
    is_live: bool = False
    """Whether more is to come."""


@final
@define(eq=False, repr=False)
class MessageDeleted(Redacted):
    """A contact has deleted a message of its own."""

    contact: Contact = field(repr=False)
    message_id: bytes


@final
@define(eq=False, repr=False)
class ReactionChanged(Redacted):
    """A contact has reacted to a message, or has taken a reaction back."""

    contact: Contact = field(repr=False)
    message_id: bytes
    emoji: str | None
    """`None` if it is of a kind that is not known."""
    added: bool


@final
@define(eq=False, repr=False)
class ProfileChanged(Redacted):
    """A contact has another profile, or other preferences."""

    contact: Contact = field(repr=False)
    """As it was before."""
    profile: Profile
