"""The configuration of a router of any protocol: `ServingConfig` and its parts.

The configuration classes of the routers inherit from these, and add the options of their protocols.
An option that means the same has one name in all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from attrs import Attribute, Factory, field
from attrs.validators import and_, deep_iterable, ge, gt, le, max_len, min_len, optional

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.serving.toml import ConfigError, read_config
from simplex_trio.storage.postgres.url import DatabaseURL
from simplex_trio.transport.places import MOST_CONNECTIONS, ListenLimits, Places
from simplex_trio.wire.hosts import MAX_HOSTS, parse_host

__all__ = ["ConnectionLimits", "ServingConfig", "ServingIntervals", "are_ports"]

_MAX_PORT = 0xFFFF


def _is_host(_instance: object, _attribute: object, value: str) -> None:
    try:
        parse_host(value)
    except DecodeError as exc:
        raise ValueError("a host of the router's address is invalid") from exc


_is_port = and_(instance_of(int), ge(0), le(_MAX_PORT))

are_ports: Callable[[Any, Attribute[tuple[int, ...]], tuple[int, ...]], Any] = deep_iterable(
    _is_port, instance_of(tuple)
)
"""Validates the numbers of ports."""


@frozen(kw_only=True)
class ConnectionLimits:
    """How many connections there may be, and how long the router waits for them, in seconds."""

    connections: int = field(default=10_000, validator=[ge(1), le(MOST_CONNECTIONS)])
    """The most at a time, a million at most; half of the files that a process may open where that
    limit is 20,000.  At the limit, the next connection waits a moment for a place, and is closed if
    there is none."""
    max_connections_per_address: int = field(default=1000, validator=ge(1))
    """The most from one public address of IPv4, or one /64 of IPv6; further ones are closed at
    once.  A tenth of all, so that it takes ten addresses to exhaust the router, and far more than
    the clients behind the NAT of a provider or a Tor exit have at a time.  Addresses that are not
    public have no such limit: behind them are onion services, and reverse proxies."""
    new_connections_per_second: float = field(default=50, validator=gt(0))
    """From such an address, once ``max_connections_per_address`` have come; further ones are closed
    at once.  TLS takes some 2 ms of the processor for each, so that one address takes a tenth of it
    at most.  Commands have no limit by address: connections share the processor in turns, and
    behind the address of another router, which is a proxy, are the commands of thousands."""
    tls_seconds: float = field(default=60, validator=gt(0))
    """For TLS, as in the reference."""
    handshake_seconds: float = field(default=60, validator=gt(0))
    """For the handshake after that."""
    crowded_handshake_seconds: float = field(default=10, validator=gt(0))
    """For TLS and for the handshake, each, while more than half of all places are taken."""
    idle_seconds: float = field(default=6 * 3600, validator=gt(0))
    """After so long without traffic a client is disconnected, as in the reference, unless it has
    subscriptions.  If this is less than ``handshake_seconds``, handshakes have no more either."""

    @property
    def first_seconds(self) -> float:
        """For the handshake after TLS."""
        return min(self.handshake_seconds, self.idle_seconds)

    def of_listeners(self) -> ListenLimits:
        """What of these limits concerns connections before anything is known of their clients."""
        return ListenLimits(
            connections=self.connections,
            max_connections_per_address=self.max_connections_per_address,
            new_connections_per_second=self.new_connections_per_second,
            handshake_seconds=self.tls_seconds,
            crowded_handshake_seconds=self.crowded_handshake_seconds,
        )

    def places(self) -> Places:
        """Places for as many connections as these limits allow."""
        return Places(self.of_listeners())


@frozen(kw_only=True)
class ServingIntervals:
    """How often a router does its regular work; seconds."""

    expiry: float = field(default=7200, validator=gt(0))
    """Deleting what is too old."""
    statistics: float = field(default=300, validator=gt(0))
    """Storing the counters; what was counted since is lost in a crash."""
    close: float = field(default=5, validator=gt(0))
    """The most time for storing what is left when the router is closed."""


@frozen(repr=False, kw_only=True)
class ServingConfig(Redacted):
    """The part of a configuration that does not depend on the protocol."""

    RENAMED: ClassVar[Mapping[str, str]] = {}
    """Former names of options, each with its new name."""
    FIXED: ClassVar[frozenset[str]] = frozenset(
        {
            "control",
            "credentials",
            "hosts",
            "listen",
            "metrics_port",
            "ports",
            "standby",
            "store",
            "web_ports",
        }
    )
    """Options whose new value waits for the next start when a configuration is reloaded.  Files in
    ``credentials`` are read again."""

    hosts: tuple[str, ...] = field(
        default=("localhost",),
        validator=deep_iterable([instance_of(str), _is_host], [min_len(1), max_len(MAX_HOSTS)]),
    )
    """The names and addresses under which clients find the router: they make its address."""
    listen: str | None = None
    """The interface to listen on; `None` for all of the machine, over IPv6 and IPv4."""
    ports: tuple[int, ...] = field(validator=[are_ports, min_len(1)])
    """The ports to listen on, 0 for one that the system chooses; the first is in the address."""
    web_ports: tuple[int, ...] = field(default=(), validator=are_ports)
    """Those of the ports that also serve browsers, mostly 443; they need web credentials, and take
    the wider choices of TLS that browsers have."""
    credentials: Path | None = None
    """A folder with ``ca.crt``, ``server.crt`` and ``server.key``, and for browsers ``web.crt`` and
    ``web.key``, all in PEM.  Without one the router generates temporary credentials, and with them
    another address at each start."""
    store: DatabaseURL | Path | None = None
    """Where the router stores its data; without it they are lost when the router ends."""
    standby: bool = False
    """Whether to wait, where another process has the store open or its database cannot be reached,
    until that has changed, and only then to load and to listen."""
    metrics_port: int | None = field(default=None, validator=optional(_is_port))
    """The port of 127.0.0.1 where Prometheus finds metrics; without one there are none.  It needs
    the extra ``metrics``."""

    limits: ConnectionLimits = Factory(ConnectionLimits)
    intervals: ServingIntervals = Factory(ServingIntervals)
    control: Path | None = None
    """The Unix socket on which the router's owner may ask it and tell it things; without a path
    there is none.  ``simplex-trio router start`` has one beside the store unless told."""

    def __attrs_post_init__(self) -> None:
        if not set(self.web_ports) <= set(self.ports):
            raise ValueError("web_ports has a port that is not among ports")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a configuration file.

        Raises `OSError`, or `ConfigError` for what is in it.
        """
        config = read_config(cls, path, cls.RENAMED)
        if config.web_ports and config.credentials is None:
            raise ConfigError("web_ports need a folder with credentials")
        return config
