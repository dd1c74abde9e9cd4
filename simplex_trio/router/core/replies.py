"""What commands are answered with, and what connections are told. Pure.

Bodies of messages and data of links are in the store, so what carries them is only *due* here: it
becomes a message when it is about to be written, and takes next to no memory until then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from attrs import frozen

from simplex_trio.redaction import Redacted
from simplex_trio.router.core.model import Queue, Subscription
from simplex_trio.router.store.records import MessageHead
from simplex_trio.wire.smp.messages import Message

__all__ = [
    "NOWHERE",
    "Due",
    "Event",
    "ForwardedDue",
    "LinkDue",
    "MessageDue",
    "Outlet",
    "Reply",
    "Said",
]


@frozen(repr=False, eq=False)
class MessageDue(Redacted):
    """MSG, once the body has been read; the message was noted as delivered already."""

    queue: Queue
    head: MessageHead
    subscription: Subscription


@frozen(repr=False, eq=False)
class LinkDue(Redacted):
    """LNK, once the data has been read."""

    queue: Queue
    link_id: bytes


@frozen(repr=False, eq=False)
class ForwardedDue(Redacted):
    """RRES: what the inner command is answered with, once that is there, in its two layers."""

    inner: Said
    seal: Callable[[Message], Message]


Due = MessageDue | LinkDue | ForwardedDue
"""What is not a message yet."""

Said = Message | Due
"""Whatever is said to a client."""


@frozen(repr=False, eq=False)
class Event(Redacted):
    """Something that a connection is told without having asked."""

    entity_id: bytes
    said: Said


@frozen(repr=False, eq=False)
class Reply(Redacted):
    """The answer to a command, and what follows it on the same connection."""

    answer: Said
    following: tuple[Event, ...] = ()


class Outlet(Protocol):
    """Where a connection takes what it is told."""

    def tell(self, event: Event) -> None:
        """Say something as soon as what was said before is written."""
        ...

    @property
    def has_room(self) -> bool:
        """Whether little waits to be written.

        Deliveries do not ask, since what may wait to be acknowledged bounds them; notifications do.
        """
        ...


class _Nowhere:
    def tell(self, event: Event) -> None:
        pass

    @property
    def has_room(self) -> bool:
        return False


NOWHERE: Final[Outlet] = _Nowhere()
"""The outlet of a connection that has ended."""
