"""`RunningRouter`: the handle of a router that is listening, the same for all protocols.

Routers store their counters regularly and when they close, with `store_counters_regularly` and
`store_counters`.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from simplex_trio.crypto.credentials import RouterCredentials
from simplex_trio.errors import StoreError
from simplex_trio.frozen import frozen
from simplex_trio.serving.config import ServingConfig
from simplex_trio.serving.metrics import serve_metrics
from simplex_trio.serving.statistics import ServingStatistics
from simplex_trio.transport.listen import SocketStatistics, open_listeners, serve_tls
from simplex_trio.transport.places import Places
from simplex_trio.transport.tls import ServerContext, TlsCredentials, TlsStream
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.hosts import parse_host

__all__ = ["RunningRouter", "ServingNames", "store_counters", "store_counters_regularly"]

_log = logging.getLogger(__name__)


@frozen
class ServingNames:
    """The names that depend on the protocol."""

    protocol: ServerProtocol
    alpn: tuple[str, ...]
    """The names of the protocol in TLS."""
    metrics_prefix: str
    """What the names of metrics begin with."""


class RunningRouter(ABC):
    """The handle that ``serve_…`` reports and ``open_…`` yields when a router is listening.

    Subclasses serve the connections of their protocol.
    """

    def __init__(
        self,
        names: ServingNames,
        config: ServingConfig,
        credentials: RouterCredentials,
        places: Places,
    ) -> None:
        self.ports: tuple[int, ...] = ()
        """The ports that it listens on, in the order of the configuration."""
        self.metrics_port: int | None = None
        """The port of 127.0.0.1 where Prometheus finds metrics, if there are any."""
        self.sockets: SocketStatistics = SocketStatistics()
        """How many connections were accepted, closed and turned away."""
        self._names = names
        self._hosts = tuple(map(parse_host, config.hosts))
        self._serving = config
        self._credentials = credentials
        self._places = places

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with {self.clients} clients>"

    @property
    def address(self) -> ServerAddress:
        """The address that clients connect to."""
        protocol, port = self._names.protocol, self.ports[0]
        shown_port = None if port == protocol.default_port else port
        fingerprint = self._credentials.identity_fingerprint
        return ServerAddress(protocol, self._hosts, shown_port, fingerprint)

    @property
    @abstractmethod
    def clients(self) -> int:
        """How many clients are connected."""

    @abstractmethod
    def statistics(self) -> ServingStatistics:
        """The router in numbers, now."""

    @abstractmethod
    async def _serve(self, tls: TlsStream) -> None:
        """Serve a connection on a port that is not for browsers."""

    @abstractmethod
    async def _serve_web(self, tls: TlsStream) -> None:
        """Serve a connection on a port that is for browsers, too."""

    async def listen(self, nursery: trio.Nursery, web: TlsCredentials | None) -> None:
        """Serve clients, and metrics if they are configured, in tasks of ``nursery``.

        The function that runs the router calls this once.  Browsers get the ``web`` credentials, on
        the ports that are configured for them.  Returns when all ports are open; raises `OSError`
        if one cannot be opened, and `MetricsSupportMissing`.
        """
        config = self._serving
        opened = await _open_ports(config)
        try:
            self.ports = tuple(each[0].socket.getsockname()[1] for _, each in opened)
            for is_web in (False, True):
                listeners = [
                    listener
                    for port, found in opened
                    if (port in config.web_ports) == is_web
                    for listener in found
                ]
                if listeners:
                    context = ServerContext(
                        TlsCredentials.of(self._credentials.chain, self._credentials.key),
                        alpn=self._names.alpn,
                        web=web if is_web else None,
                    )
                    serve = partial(serve_tls, places=self._places, statistics=self.sockets)
                    handler = self._serve_web if is_web else self._serve
                    await nursery.start(serve, handler, listeners, context)
        except BaseException:
            _close_all(opened)
            raise
        if config.metrics_port is not None:
            self.metrics_port = await nursery.start(
                serve_metrics, self.statistics, config.metrics_port, self._names.metrics_prefix
            )


_Opened = list[tuple[int, list[trio.SocketListener]]]
"""The configured ports, each with its listeners."""


async def _open_ports(config: ServingConfig) -> _Opened:
    opened: _Opened = []
    try:
        for port in config.ports:
            opened.append((port, await open_listeners(port, host=config.listen)))
    except BaseException:
        _close_all(opened)
        raise
    return opened


def _close_all(opened: _Opened) -> None:
    for _, listeners in opened:
        for listener in listeners:
            listener.socket.close()


async def store_counters_regularly(store: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Call `store_counters` every ``seconds``, until cancelled."""
    while True:
        await trio.sleep(seconds)
        await store_counters(store)


async def store_counters(store: Callable[[], Awaitable[None]]) -> None:
    """Call ``store``, which stores the counters.

    A `StoreError` is only logged: the next attempt stores the same and more.
    """
    try:
        await store()
    except StoreError as exc:
        _log.warning("the counters could not be stored: %s", exc)
