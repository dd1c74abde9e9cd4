"""`Event`: the base of what a message can say.

The events are in `events`, `group_events` and `calls`; `message` has the table of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import field

from simplex_trio.chat.messages.records import Record
from simplex_trio.chat.messages.versions import ChatVersion
from simplex_trio.errors import UnsupportedVersion
from simplex_trio.frozen import frozen

__all__ = ["Event", "UnknownEvent"]


@frozen(repr=False)
class Event(Record):
    """Base of events; its fields are the parameters of the event."""

    EVENT: ClassVar[str]
    NOTIFIES: ClassVar[bool] = False
    """Whether the peer's phone is woken up for it."""
    WANTS_RECEIPT: ClassVar[bool] = False
    """Whether the apps expect a receipt when it has been handled."""
    MIN_VERSION: ClassVar[int] = ChatVersion.FIRST

    @property
    def event(self) -> str:
        """What the event is called on the wire."""
        return self.EVENT

    @property
    def required_version(self) -> int:
        """The first version of the protocol that has this event, in this form."""
        return self.MIN_VERSION

    def check_version(self, version: int) -> None:
        """Raise `UnsupportedVersion` if ``version`` does not have this event, in this form."""
        if version < self.required_version:
            raise UnsupportedVersion(f"version {version} does not have this {self.event}")


@frozen(repr=False)
class UnknownEvent(Event):
    """An event that this package does not know; it is acknowledged and ignored."""

    tag: str
    params: Mapping[str, Any] = field(factory=dict, hash=False)

    @property
    def event(self) -> str:
        """What the event is called on the wire."""
        return self.tag

    def to_json(self) -> dict[str, Any]:
        """The JSON value of this value."""
        return dict(self.params)
