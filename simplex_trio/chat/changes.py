"""What happens with contacts and messages, as handlers are told of it."""

from __future__ import annotations

from typing import final

from attrs import define, field

from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.preferences import Preferences
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.people import Contact, SentMessage
from simplex_trio.redaction import Redacted

__all__ = [
    "MessageDeleted",
    "MessageEdited",
    "PreferencesChanged",
    "ProfileChanged",
    "RatchetBroken",
    "RatchetRepaired",
    "ReactionChanged",
    "SecurityCodeChanged",
]


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
    message: SentMessage | None = field(default=None, repr=False)
    """The message, if it was one of the program's, and is still kept."""


@final
@define(eq=False, repr=False)
class ProfileChanged(Redacted):
    """A contact has another name, picture or description."""

    contact: Contact = field(repr=False)
    profile: Profile
    before: Profile | None = None
    """`None` if it had said nothing of itself."""


@final
@define(eq=False, repr=False)
class PreferencesChanged(Redacted):
    """A contact allows something else; `Contact.allows` tells what follows."""

    contact: Contact = field(repr=False)
    preferences: Preferences
    before: Preferences


@final
@define(eq=False, repr=False)
class SecurityCodeChanged(Redacted):
    """The security code of a contact is another one: its app was restored from a backup, or more.

    If people have compared the code, they may do so again: `Contact.security_code`.
    """

    contact: Contact = field(repr=False)


@final
@define(eq=False, repr=False)
class RatchetBroken(Redacted):
    """Messages of a contact could not be decrypted, and are lost.

    If the two sides have lost each other, the bot makes a new ratchet by itself, and nothing can be
    sent until `RatchetRepaired`.
    """

    contact: Contact = field(repr=False)


@final
@define(eq=False, repr=False)
class RatchetRepaired(Redacted):
    """Messages of a contact can be decrypted again, and messages can be sent to it."""

    contact: Contact = field(repr=False)
