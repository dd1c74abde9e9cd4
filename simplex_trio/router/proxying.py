"""The proxy role: PRXY opens a session with a relay, PFWD forwards commands over it.

`Relays` is the interface to the connections; `simplex_trio.router.relays` keeps them.  All clients
share one session with each relay, and refer to it by its session id.
"""

from __future__ import annotations

import logging
from typing import Protocol

import trio
from attrs import define

from simplex_trio.errors import (
    ConnectError,
    ConnectionLost,
    CryptoError,
    HandshakeFailed,
    IdentityMismatch,
    MalformedHello,
    MalformedResponse,
    NoCommonVersion,
    NoSuitableHost,
    RequestTimeout,
    SessionKeyUnproven,
    SessionMismatch,
    SimplexError,
    TooLarge,
    UnexpectedResponseError,
)
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.proxy_rules import ProxyPolicy
from simplex_trio.serving.counters import Counters
from simplex_trio.transport.networks import Origin
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.certificates import ProvenKey
from simplex_trio.wire.errors import values as wire
from simplex_trio.wire.errors.values import (
    Broker,
    BrokerErrorKind,
    BrokerErrorValue,
    Code,
    HandshakeErrorKind,
    Network,
    Proxy,
    ProxyErrorKind,
    RouterErrorValue,
    TransportError,
    TransportErrorKind,
)
from simplex_trio.wire.smp.commands import PFWD, PRXY
from simplex_trio.wire.smp.forwarding import PROXIED_VERSIONS, FwdTransmission
from simplex_trio.wire.smp.messages import ERR, PKEY, PRES, Message
from simplex_trio.wire.versions import SMPVersion, VersionRange

__all__ = ["Proxying", "RelayConnection", "RelayRefused", "Relays", "Requester", "proxy_error"]

_log = logging.getLogger(__name__)


class RelayRefused(SimplexError):
    """The relay answered with an error of its own."""

    def __init__(self, error: RouterErrorValue) -> None:
        super().__init__(str(error))
        self.error: RouterErrorValue = error


class RelayConnection(Protocol):
    """The connection between this router and a relay."""

    @property
    def session_id(self) -> bytes:
        """What clients refer to it by."""
        ...

    @property
    def version(self) -> int:
        """The version that the two agreed on."""
        ...

    @property
    def versions(self) -> VersionRange:
        """The versions that both of them support."""
        ...

    @property
    def proof(self) -> ProvenKey | None:
        """The relay's session key, which clients check; `None` from a relay without one."""
        ...

    async def forward(self, forwarded: FwdTransmission) -> bytes:
        """Forward a client's command; returns the answer that the relay sealed for the client.

        Raises `RelayRefused`, or another `SimplexError`.
        """
        ...


@define(eq=False)
class Requester:
    """A client's connection that asks for relays, and its origin, if limits for addresses apply.

    ``connecting`` limits how many relays it waits for at a time.
    """

    connecting: trio.Semaphore
    origin: Origin | None = None


class Relays(Protocol):
    """The connections to all relays."""

    async def connection(self, relay: ServerAddress, requester: Requester) -> RelayConnection:
        """The shared connection to a relay, which is opened if there is none.

        Cancelling gives the attempt up, unless other clients wait for it.  Raises a `SimplexError`,
        possibly that of an attempt a moment ago.
        """
        ...

    def find(self, session_id: bytes) -> RelayConnection | None:
        """The connection with this session id, if it is still open."""
        ...

    def reconfigure(self, policy: ProxyPolicy) -> None:
        """Apply other rules to connections that are opened from now on."""
        ...


class Proxying:
    """Answers PRXY and PFWD."""

    def __init__(
        self, relays: Relays, policy: ProxyPolicy, queues: QueuePolicy, counters: Counters[Count]
    ) -> None:
        self._relays = relays
        self._policy = policy
        self._queues = queues
        self._counters = counters

    def reconfigure(self, policy: ProxyPolicy, queues: QueuePolicy) -> None:
        """Apply other rules from now on."""
        self._policy = policy
        self._queues = queues
        self._relays.reconfigure(policy)

    async def open_session(self, command: PRXY, requester: Requester) -> Message:
        """Answer PRXY: with the session to use, or with an error."""
        self._counters.add(Count.RELAY_SESSIONS_REQUESTED)
        if not (self._policy.enabled and self._queues.accepts(command.basic_auth)):
            self._counters.add(Count.RELAY_SESSIONS_REFUSED)
            return ERR(Proxy(ProxyErrorKind.BASIC_AUTH))
        if not self._policy.hosts(command.server):
            self._counters.add(Count.RELAY_SESSIONS_REFUSED)
            return ERR(Proxy(Broker(BrokerErrorKind.HOST)))
        try:
            session = await self._relays.connection(command.server, requester)
        except SimplexError as exc:
            _log.info("a relay cannot be reached: %s", type(exc).__name__)
            self._counters.add(Count.RELAY_SESSIONS_FAILED)
            return ERR(proxy_error(exc))
        versions = session.versions.intersection(PROXIED_VERSIONS)
        if versions is None or session.version < SMPVersion.PROXY:
            return ERR(_transport(TransportError(TransportErrorKind.VERSION)))
        if session.proof is None:
            return ERR(_transport(TransportError(TransportErrorKind.NO_AUTH)))
        return PKEY(session.session_id, versions, session.proof)

    async def forward(self, session_id: bytes, correlation_id: bytes, command: PFWD) -> Message:
        """Answer PFWD: with what the relay sealed, or with an error."""
        session = self._relays.find(session_id) if self._policy.enabled else None
        if session is None:
            self._counters.add(Count.PROXIED_FAILED)
            return ERR(Proxy(ProxyErrorKind.NO_SESSION))
        if session.version < SMPVersion.PROXY:
            self._counters.add(Count.PROXIED_FAILED)
            return ERR(_transport(TransportError(TransportErrorKind.VERSION)))
        forwarded = FwdTransmission(correlation_id, command.version, command.key, command.sealed)
        try:
            sealed = await session.forward(forwarded)
        except SimplexError as exc:
            refused = isinstance(exc, RelayRefused)
            self._counters.add(Count.PROXIED_FORWARDED if refused else Count.PROXIED_FAILED)
            return ERR(proxy_error(exc))
        self._counters.add(Count.PROXIED_FORWARDED)
        return PRES(sealed)


def proxy_error(error: SimplexError) -> RouterErrorValue:
    """What a client is told about a failure between the proxy and the relay."""
    match error:
        case RelayRefused():
            return Proxy(wire.Protocol(error.error))
        case CryptoError() if not isinstance(error, ConnectError):
            return Code.CRYPTO
    broker = _broker_error(error)
    return Code.INTERNAL if broker is None else Proxy(Broker(broker))


def _transport(error: TransportError) -> RouterErrorValue:
    return Proxy(Broker(error))


_HANDSHAKE_ERRORS: dict[type[HandshakeFailed], TransportError] = {
    NoCommonVersion: TransportError(TransportErrorKind.VERSION),
    SessionMismatch: TransportError(TransportErrorKind.SESSION),
    SessionKeyUnproven: TransportError.of_handshake(HandshakeErrorKind.BAD_AUTH),
    IdentityMismatch: TransportError.of_handshake(HandshakeErrorKind.IDENTITY),
    MalformedHello: TransportError.of_handshake(HandshakeErrorKind.PARSE),
}


def _broker_error(error: SimplexError) -> BrokerErrorValue | None:
    match error:
        case NoSuitableHost():
            return BrokerErrorKind.HOST
        case RequestTimeout():
            return BrokerErrorKind.TIMEOUT
        case HandshakeFailed() if type(error) in _HANDSHAKE_ERRORS:
            return _HANDSHAKE_ERRORS[type(error)]
        case ConnectError() | ConnectionLost():
            return Network()
        case MalformedResponse():
            return wire.Response(str(error))
        case UnexpectedResponseError():
            return wire.Unexpected(str(error))
        case TooLarge():
            return TransportError(TransportErrorKind.LARGE_MSG)
        case _:
            return None
