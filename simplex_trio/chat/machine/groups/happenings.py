"""What a step of a group has found out, for the program."""

from __future__ import annotations

from attrs import field

from simplex_trio.chat.machine.groups.records import GroupRecord, ToldItem
from simplex_trio.chat.machine.groups.references import References
from simplex_trio.chat.machine.records import Notice
from simplex_trio.chat.messages.event import Event
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = ["GroupNoticed", "ToldInGroup"]


@frozen(repr=False)
class ToldInGroup(Redacted):
    """What a message of a member says, which waits to be acknowledged."""

    group: GroupRecord
    item: ToldItem
    at: int
    """When a router got it, in seconds since 1970."""
    event: Event | None = None
    """What is said, if the program is to read that itself."""
    msg_id: bytes | None = None
    references: References = field(factory=References)
    """What it refers to."""
    is_repeated: bool = False
    """Whether a handler was begun with it before, in an earlier life of the program."""


@frozen(repr=False)
class GroupNoticed(Redacted):
    """What the program is told of a group until it has dealt with it."""

    group: GroupRecord
    notice: Notice
