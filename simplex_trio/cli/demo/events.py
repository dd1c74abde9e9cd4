"""What happens in the demonstration, one thing after the other.  Pure values.

Times are seconds since it began; routers, queues and messages are known by their numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from simplex_trio.frozen import frozen

__all__ = [
    "Act",
    "ConnectionChanged",
    "ConnectionState",
    "Event",
    "Finding",
    "MessageChanged",
    "MessageState",
    "RouterReady",
    "RouterSaw",
    "Said",
    "Scene",
    "SubscriptionChanged",
    "SubscriptionState",
    "Teller",
    "Way",
]


class Act(Enum):
    """The parts of the demonstration, each with a picture of its own."""

    ROUTERS = "routers"
    TALK = "talk"
    QUEUES = "queues"
    ACCOUNT = "account"


class ConnectionState(Enum):
    """The connection between the agent and a router."""

    CONNECTED = "connected"
    CUT = "cut"
    TRYING = "cut; trying again"


class SubscriptionState(Enum):
    """Whether the agent receives from a queue."""

    PENDING = "pending"
    ACTIVE = "active"
    LOST = "lost, pending again"
    REFUSED = "refused"
    TAKEN = "taken over"
    ENDED = "ended, queue deleted"


class Way(Enum):
    """How a message gets to its router."""

    DIRECT = "directly"
    PROXY = "by proxy"


class MessageState(Enum):
    """How far a message has come, in this order."""

    SENDING = "sending"
    ACCEPTED = "accepted by the router"
    RECEIVED = "received"
    AGAIN = "received again"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"


@frozen
class Event:
    """Base of all of them."""

    at: float


@frozen
class Scene(Event):
    """What is about to happen."""

    text: str
    act: Act = Act.QUEUES


@frozen
class RouterReady(Event):
    """A router is there, and proved to be the one that its address names."""

    router: int
    place: str
    embedded: bool
    version: int


@frozen
class Said(Event):
    """A person has read what another one said."""

    speaker: str
    text: str


@frozen
class RouterSaw(Event):
    """What there was to be seen of a conversation in a router."""

    router: int
    messages: int
    sizes: tuple[int, ...]
    """The different sizes of these messages, in bytes."""
    with_words: int
    """How many of them had a word of the conversation in them."""


@frozen
class ConnectionChanged(Event):
    router: int
    state: ConnectionState


@frozen
class SubscriptionChanged(Event):
    queue: int
    router: int
    state: SubscriptionState


@frozen
class MessageChanged(Event):
    message: int
    queue: int
    way: Way
    state: MessageState


@frozen
class Finding(Event):
    """A line of the account: what was to be shown, and whether it held."""

    claim: str
    holds: bool


Teller = Callable[[Event], None]
"""Takes events as they happen, and shows them."""
