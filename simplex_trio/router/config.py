"""What an operator says about a router: `RouterConfig` and its parts, and reading them from TOML.

Every part is a table of the file and every field a key in it, with the same name; what is left out
has the default that is written here.  A file for a router of one's own is short::

    hosts = ["smp.example.com"]
    credentials = "/etc/simplex-trio"
    store = "/var/lib/simplex-trio/router.sqlite"

    [queues]
    password = "..."

Relative paths are relative to the folder of the file.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs
from attrs import Factory, field, frozen
from attrs.validators import and_, deep_iterable, ge, gt, le, max_len, min_len, optional

from simplex_trio.errors import DecodeError, SimplexError
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.proxy_rules import ProxyPolicy
from simplex_trio.wire.hosts import MAX_HOSTS, parse_host
from simplex_trio.wire.versions import SMP_VERSIONS, VersionRange

__all__ = [
    "ClientLimits",
    "ConfigError",
    "Intervals",
    "ProxyPolicy",
    "QueuePolicy",
    "RouterConfig",
]

_MAX_PORT = 0xFFFF

T = TypeVar("T")


class ConfigError(SimplexError, ValueError):
    """A configuration cannot be read, or cannot be right; the message names the key."""


@frozen(kw_only=True)
class ClientLimits:
    """What a client may take, and for how long it is waited; times in seconds.

    A client that exceeds a limit is slowed down or disconnected: SMP has no errors for that.
    """

    connections: int = field(default=10_000, validator=ge(1))
    """The most at a time; half of what a process may open where the limit is 20,000 files.  The
    next one waits a moment for a place and is closed if there is none."""
    max_connections_per_address: int = field(default=1000, validator=ge(1))
    """The most from one public address of IPv4, or one /64 of IPv6; another one is closed at once.
    A tenth of all, so that it takes ten addresses to use all of them up, and far more than the
    clients behind the NAT of a provider or a Tor exit have at a time.  Addresses that are not
    public have no such limit: behind them are onion services, and reverse proxies."""
    commands_in_flight: int = field(default=1024, validator=ge(1))
    """Commands of one connection whose answers are not written yet, four full blocks of the
    shortest.  When there are more, none of its commands is begun until there are less."""
    queues_at_once: int = field(default=5000, validator=ge(1))
    """Queues that one connection may create as fast as it can, after which ``queues_per_second``
    holds: a client that moves to this router creates all of its queues at once.
    """
    queues_per_second: float = field(default=50, validator=gt(0))
    proxied_at_once: int = field(default=32, validator=ge(1))
    """Commands of one connection that wait for relays, as in the reference.  When there are more,
    its next one waits, and with it all that comes after."""
    names_at_once: int = field(default=1000, validator=ge(1))
    """Names being resolved for one connection, as in the reference."""
    tls_seconds: float = field(default=60, validator=gt(0))
    """For TLS, as in the reference."""
    handshake_seconds: float = field(default=60, validator=gt(0))
    """For the handshake after that."""
    crowded_handshake_seconds: float = field(default=10, validator=gt(0))
    """For either of the two while more than half of all places are taken."""
    block_seconds: float = field(default=120, validator=gt(0))
    """From the first byte of a block to its last; 1 kbit/s is enough."""
    write_seconds: float = field(default=120, validator=gt(0))
    """For the client to take a few blocks; a client that does not is disconnected."""
    farewell_seconds: float = field(default=5, validator=gt(0))
    """For writing the answers to commands that were decided before the client ended its side of the
    connection.  The store needs a fraction of a second, and most clients have closed both sides."""
    idle_seconds: float = field(default=6 * 3600, validator=gt(0))
    """After so long with nothing in either direction a client without subscriptions is
    disconnected, as in the reference."""


@frozen(kw_only=True)
class Intervals:
    """How often a router does what it does by itself; seconds."""

    idle_check: float = field(default=3600, validator=gt(0))
    expiry: float = field(default=7200, validator=gt(0))
    """Going through all queues for what is too old.  Queues in use are seen to at every message."""
    statistics: float = field(default=300, validator=gt(0))
    """Storing the counters; what was counted since is lost with the power."""
    end_events: float = field(default=0, validator=ge(0))
    """Collecting END, ENDS and DELD before sending them; 0 sends them at once.  The reference
    collects for 15 s."""
    notifications: float = field(default=0, validator=ge(0))
    """Collecting NMSG before sending them; 0 sends them at once.  The reference collects for 1.5 s.
    """
    close: float = field(default=5, validator=gt(0))
    """For everything to end when the router is closed."""


def _is_host(_instance: object, _attribute: object, value: str) -> None:
    try:
        parse_host(value)
    except DecodeError as exc:
        raise ValueError("a host of the router's address cannot be right") from exc


_is_port = and_(instance_of(int), ge(0), le(_MAX_PORT))
_ports = deep_iterable(_is_port, instance_of(tuple))


@frozen(repr=False, kw_only=True)
class RouterConfig(Redacted):
    """Everything about a router."""

    hosts: tuple[str, ...] = field(
        default=("localhost",),
        validator=deep_iterable([instance_of(str), _is_host], [min_len(1), max_len(MAX_HOSTS)]),
    )
    """The names and addresses under which clients find the router: they make its address."""
    listen: str | None = None
    """The interface to listen on; `None` for all of the machine, over IPv6 and IPv4."""
    ports: tuple[int, ...] = field(default=(5223,), validator=[_ports, min_len(1)])
    """The ports to listen on, 0 for one that the system chooses; the first is in the address."""
    web_ports: tuple[int, ...] = field(default=(), validator=_ports)
    """Those of the ports that also serve browsers, mostly 443; they need web credentials, and take
    the wider choices of TLS that browsers have."""
    credentials: Path | None = None
    """A folder with ``ca.crt``, ``server.crt`` and ``server.key``, and for browsers ``web.crt`` and
    ``web.key``, all in PEM.  Without one the router makes credentials, and with them an address,
    that end with it."""
    store: Path | None = None
    """The file of the store; without one everything is in memory and ends with the router."""
    queues: QueuePolicy = Factory(QueuePolicy)
    proxy: ProxyPolicy = Factory(ProxyPolicy)
    limits: ClientLimits = Factory(ClientLimits)
    intervals: Intervals = Factory(Intervals)
    metrics_port: int | None = field(default=None, validator=optional(_is_port))
    """The port of 127.0.0.1 where Prometheus finds metrics, if that is installed and wanted."""
    lowest_version: int = field(default=SMP_VERSIONS.lowest)
    highest_version: int = field(default=SMP_VERSIONS.highest)

    def __attrs_post_init__(self) -> None:
        if not set(self.web_ports) <= set(self.ports):
            raise ValueError("web_ports has a port that is not among ports")
        if self.web_ports and self.credentials is None:
            raise ValueError("web_ports need a folder with credentials")
        if not SMP_VERSIONS.lowest <= self.lowest_version <= self.highest_version:
            raise ValueError("the lowest version is too low, or above the highest")
        if self.highest_version > SMP_VERSIONS.highest:
            raise ValueError("the highest version is one that is not known here")

    @property
    def versions(self) -> VersionRange:
        """The versions of SMP to offer."""
        return VersionRange(self.lowest_version, self.highest_version)

    @classmethod
    def load(cls, path: Path) -> RouterConfig:
        """Read a configuration file.

        Raises `OSError`, or `ConfigError` for what is in it.
        """
        try:
            table = tomllib.loads(path.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
            raise ConfigError("the configuration is not TOML") from exc
        return _section(cls, table, path.parent, "")


def _section(cls: type[T], table: dict[str, Any], folder: Path, prefix: str) -> T:
    """One table of the file as the class that describes it."""
    types = get_type_hints(cls)
    known = {each.name for each in attrs.fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in table.items():
        name = prefix + key
        if key not in known:
            raise ConfigError(f"there is no {name} in the configuration of a router")
        values[key] = _value(types[key], value, folder, name)
    try:
        return cls(**values)
    except ValueError as exc:
        raise ConfigError(f"the table {prefix or 'at the top'}: {exc}") from exc


def _value(kind: Any, value: Any, folder: Path, name: str) -> Any:
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    for each in kinds:
        if attrs.has(each):
            if isinstance(value, dict):
                return _section(each, value, folder, f"{name}.")
        elif each is Path:
            if isinstance(value, str):
                return folder / value
        elif get_origin(each) is tuple:
            if isinstance(value, list):
                (item, _) = get_args(each)
                return tuple(_value(item, every, folder, name) for every in value)
        elif each is float:
            if isinstance(value, int | float) and not isinstance(value, bool):
                return value
        elif each is not type(None) and type(value) is each:
            return value
    raise ConfigError(f"{name} in the configuration has a value of another kind")
