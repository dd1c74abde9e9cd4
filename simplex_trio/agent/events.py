"""The events of an agent.

Each event names its `Destination`, and its session if it belongs to one.  Events of one destination
come in order; there is no order between destinations.
"""

from __future__ import annotations

from simplex_trio.agent.destination import Destination
from simplex_trio.agent.subscriptions import ServiceState
from simplex_trio.client.smp.queues import ClientEvent
from simplex_trio.crypto.hashes import ServiceSubs
from simplex_trio.errors import SimplexError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress

__all__ = [
    "AgentEvent",
    "CannotConnect",
    "Connected",
    "DestinationEvent",
    "Disconnected",
    "RouterEvent",
    "ServiceDisconnected",
    "ServiceEnded",
    "ServiceSubscribed",
    "ServiceSubscriptionError",
    "ServiceUnavailable",
    "SessionEvent",
    "Subscribed",
    "SubscriptionEnded",
    "SubscriptionError",
]


@frozen(repr=False)
class DestinationEvent(Redacted):
    """Base of all events of an agent."""

    destination: Destination

    @property
    def server(self) -> ServerAddress:
        """The router of the destination."""
        return self.destination.server

    @property
    def label(self) -> str:
        """The isolation label of the destination."""
        return self.destination.label


@frozen(repr=False)
class SessionEvent(DestinationEvent):
    """Base of the events of one connection."""

    session_id: bytes


# --- connections --------------------------------------------------------------------------------


@frozen(repr=False)
class Connected(SessionEvent):
    """A connection is up; ``service_id`` is the router's id of its service, if any."""

    service_id: bytes | None


@frozen(repr=False)
class Disconnected(SessionEvent):
    """A connection has ended; its ``queues`` will be subscribed to again."""

    queues: tuple[bytes, ...]
    reason: BaseException


@frozen(repr=False)
class CannotConnect(DestinationEvent):
    """Connecting failed; emitted once for each kind of error until a connection is up.

    The agent keeps trying as long as there is something to subscribe to.
    """

    error: BaseException


# --- queues -------------------------------------------------------------------------------------


@frozen(repr=False)
class Subscribed(SessionEvent):
    """Queues are subscribed to, as part of the service ``service_id`` unless that is `None`."""

    queues: tuple[bytes, ...]
    service_id: bytes | None = None


@frozen(repr=False)
class SubscriptionError(SessionEvent):
    """The router refused queues; the agent no longer subscribes to them."""

    failures: tuple[tuple[bytes, SimplexError], ...]


@frozen(repr=False)
class SubscriptionEnded(SessionEvent):
    """A queue was deleted or subscribed to elsewhere; the agent no longer subscribes to it."""

    queue_id: bytes
    deleted: bool


# --- services -----------------------------------------------------------------------------------


@frozen(repr=False)
class ServiceSubscribed(SessionEvent):
    """A service is subscribed to; different figures mean that router and program disagree."""

    service_id: bytes
    expected: ServiceSubs
    subscribed: ServiceSubs


@frozen(repr=False)
class ServiceDisconnected(SessionEvent):
    """The connection of a service has ended; the service will be subscribed to again."""

    service: ServiceState


@frozen(repr=False)
class ServiceSubscriptionError(SessionEvent):
    """The router refused a service; the agent no longer subscribes to it."""

    service: ServiceState
    error: SimplexError


@frozen(repr=False)
class ServiceUnavailable(SessionEvent):
    """The router does not know a service on this connection; the agent no longer subscribes to it.

    Subscribe to its queues one by one: this associates them with the service that the router knows.
    """

    service: ServiceState


@frozen(repr=False)
class ServiceEnded(SessionEvent):
    """A service was subscribed to elsewhere; the agent no longer subscribes to it."""

    service: ServiceState


# --- everything else ----------------------------------------------------------------------------


@frozen(repr=False)
class RouterEvent(SessionEvent):
    """An event of a connection's client, about a queue or, if ``queue_id`` is empty, in general.

    ``event`` is a `MessageReceived`, `QuotaReached` or `SealedMessage`, a `Notice` such as NMSG, or
    an answer or error that no caller waited for.
    """

    queue_id: bytes
    event: ClientEvent


AgentEvent = (
    Connected
    | Disconnected
    | CannotConnect
    | Subscribed
    | SubscriptionError
    | SubscriptionEnded
    | ServiceSubscribed
    | ServiceSubscriptionError
    | ServiceUnavailable
    | ServiceDisconnected
    | ServiceEnded
    | RouterEvent
)
"""Everything that `SMPClientAgent.events` can bring."""
