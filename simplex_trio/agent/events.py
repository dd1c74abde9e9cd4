"""What an agent tells its program.

Each event names its `Destination`, and the session where it belongs to one.  They come in order for
each destination; between destinations there is no order.
"""

from __future__ import annotations

from attrs import frozen

from simplex_trio.agent.destination import Destination
from simplex_trio.agent.subscriptions import ServiceState
from simplex_trio.client.smp.queues import ClientEvent
from simplex_trio.crypto.hashes import ServiceSubs
from simplex_trio.errors import SimplexError
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
        """The router that it is about."""
        return self.destination.server

    @property
    def label(self) -> str:
        """The isolation label of the connection that it is about."""
        return self.destination.label


@frozen(repr=False)
class SessionEvent(DestinationEvent):
    """Base of the events of one connection."""

    session_id: bytes


# --- connections --------------------------------------------------------------------------------


@frozen(repr=False)
class Connected(SessionEvent):
    """There is a connection; ``service_id`` is what the router calls our service, if it has one."""

    service_id: bytes | None


@frozen(repr=False)
class Disconnected(SessionEvent):
    """The connection is gone; ``queues`` were subscribed to through it, and will be again."""

    queues: tuple[bytes, ...]
    reason: BaseException


@frozen(repr=False)
class CannotConnect(DestinationEvent):
    """There is no connection, for a reason that was not told since there was one.

    The agent goes on trying as long as something is to be subscribed to.
    """

    error: BaseException


# --- queues -------------------------------------------------------------------------------------


@frozen(repr=False)
class Subscribed(SessionEvent):
    """These queues are subscribed to, as part of the service ``service_id`` unless it is `None`."""

    queues: tuple[bytes, ...]
    service_id: bytes | None = None


@frozen(repr=False)
class SubscriptionError(SessionEvent):
    """The router refused these queues, and the agent has forgotten them."""

    failures: tuple[tuple[bytes, SimplexError], ...]


@frozen(repr=False)
class SubscriptionEnded(SessionEvent):
    """The queue is subscribed to by another connection, or deleted; the agent has forgotten it."""

    queue_id: bytes
    deleted: bool


# --- services -----------------------------------------------------------------------------------


@frozen(repr=False)
class ServiceSubscribed(SessionEvent):
    """The service is subscribed to; if the figures differ, router and program know other queues."""

    service_id: bytes
    expected: ServiceSubs
    subscribed: ServiceSubs


@frozen(repr=False)
class ServiceDisconnected(SessionEvent):
    """The connection that carried the service is gone; it will be subscribed to again."""

    service: ServiceState


@frozen(repr=False)
class ServiceSubscriptionError(SessionEvent):
    """The router refused to subscribe the service, and the agent has forgotten it."""

    service: ServiceState
    error: SimplexError


@frozen(repr=False)
class ServiceUnavailable(SessionEvent):
    """The router does not know this service on this connection, and the agent has forgotten it.

    Its queues must be subscribed to one by one, which associates them with the service that the
    router knows now.
    """

    service: ServiceState


@frozen(repr=False)
class ServiceEnded(SessionEvent):
    """The service is subscribed to by another connection; the agent has forgotten it."""

    service: ServiceState


# --- everything else ----------------------------------------------------------------------------


@frozen(repr=False)
class RouterEvent(SessionEvent):
    """What the connection's own stream of events said about a queue (or, with no id, in general).

    ``event`` is a `MessageReceived`, `QuotaReached` or `SealedMessage`, a `Notice` such as of NMSG,
    or an answer or error that no caller waited for.
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
