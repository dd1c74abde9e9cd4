"""What a step has found out, for the program."""

from __future__ import annotations

from typing import TypeAlias

from simplex_trio.chat.machine.groups.happenings import GroupNoticed, ToldInGroup
from simplex_trio.chat.machine.records import ContactRecord, Notice, SentRecord
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = ["Happening", "Noticed", "Said"]


@frozen(repr=False)
class Said(Redacted):
    """What a contact says, in a message that waits to be acknowledged."""

    contact: ContactRecord
    event: Event
    msg_id: bytes | None
    at: int
    """When the contact's router got it, in seconds since 1970."""
    before: Profile | None = None
    """The profile that the contact had before."""
    referred: SentRecord | None = None
    """The message to this contact that it is about."""
    is_repeated: bool = False
    """Whether a handler was begun with it before, in an earlier life of the program."""


@frozen(repr=False)
class Noticed(Redacted):
    """What the program is told until it has dealt with it."""

    contact: ContactRecord
    notice: Notice


Happening: TypeAlias = Said | Noticed | ToldInGroup | GroupNoticed
