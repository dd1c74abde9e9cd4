"""What goes out to connections: answers, and events without a command. Pure.

Bodies of messages and data of links are in the store.  What carries them is a `Deferred` value,
which becomes a message when it is about to be written, and takes next to no memory until then.
"""

from __future__ import annotations

from typing import Final, Protocol

from attrs import Factory, define

from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.router.core.envelope import Envelope
from simplex_trio.router.core.model import Queue, Subscription
from simplex_trio.router.store.records import MessageHead
from simplex_trio.wire.smp.messages import Message

__all__ = [
    "NO_OUTLET",
    "Deferred",
    "DeferredForwarded",
    "DeferredLink",
    "DeferredMessage",
    "Event",
    "Outlet",
    "Payload",
    "Replies",
    "Reply",
]


@frozen(repr=False, eq=False)
class DeferredMessage(Redacted):
    """MSG, once the body has been read; the message was noted as delivered already."""

    queue: Queue
    head: MessageHead
    subscription: Subscription


@frozen(repr=False, eq=False)
class DeferredLink(Redacted):
    """LNK, once the data has been read."""

    queue: Queue
    link_id: bytes


@frozen(repr=False, eq=False)
class DeferredForwarded(Redacted):
    """RRES, once the answer to the inner command has been read."""

    inner: Payload
    envelope: Envelope


Deferred = DeferredMessage | DeferredLink | DeferredForwarded
"""A message whose content is still to be read from the store."""

Payload = Message | Deferred
"""What an answer or an event carries."""


@frozen(repr=False, eq=False)
class Event(Redacted):
    """A message to a connection that answers none of its commands."""

    entity_id: bytes
    payload: Payload


@frozen(repr=False, eq=False)
class Reply(Redacted):
    """The answer to a command, and the events that follow it on the same connection."""

    answer: Payload
    following: tuple[Event, ...] = ()


@define(repr=False, eq=False)
class Replies(Redacted):
    """The answers to commands, in their order, and the events that follow all of them."""

    answers: list[Payload] = Factory(list)
    following: list[Event] = Factory(list)


class Outlet(Protocol):
    """Where events for a connection are put."""

    def tell(self, event: Event) -> None:
        """Send an event after what was put before."""
        ...

    @property
    def has_room(self) -> bool:
        """Whether little waits to be written.

        Deliveries do not ask, because a connection has only as many as it may leave unacknowledged;
        notifications do.
        """
        ...


class _NoOutlet:
    def tell(self, event: Event) -> None:
        pass

    @property
    def has_room(self) -> bool:
        return False


NO_OUTLET: Final[Outlet] = _NoOutlet()
"""The outlet of a connection that has ended."""
