"""How the daemon is reached, and how patient the client is.

`load_dial` reads ``thinclient.toml``, the small file that the daemon's installation comes
with: one table ``Dial``, with one table in it that says how.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import field
from attrs.validators import ge, gt

from simplex_trio.engine.backoff import Backoff
from simplex_trio.engine.event_buffer import EVENT_LIMIT
from simplex_trio.frozen import frozen
from simplex_trio.katzenpost.errors import ConfigError
from simplex_trio.redaction import Redacted

__all__ = ["RECONNECT", "ClientConfig", "DialConfig", "TcpDial", "UnixDial", "load_dial"]

RECONNECT = Backoff(initial=1.0, increase_after=0.0, factor=2.0, maximum=60.0)
"""From one second, doubling to a minute, each shortened by a random part of up to three tenths."""

Network = Literal["tcp", "tcp4", "tcp6"]

_NETWORKS: tuple[Network, ...] = ("tcp", "tcp4", "tcp6")

_PORT_DIGITS = 5


@frozen(repr=False)
class TcpDial(Redacted):
    """A daemon on a TCP port, which should be of this machine: nothing on the way is encrypted."""

    host: str
    port: int
    network: Network = "tcp"
    """Which versions of IP: both, or one of them."""


@frozen(repr=False)
class UnixDial(Redacted):
    """A daemon on a Unix socket; a name that starts with ``@`` is an abstract one, of Linux."""

    address: str


DialConfig = TcpDial | UnixDial


@frozen
class ClientConfig:
    """How a client waits; all times are seconds."""

    connect_timeout: float = field(default=60.0, validator=ge(40))
    """For everything until the daemon knows us.  It holds back its first message for up to 30
    seconds while it has no consensus document, so less than 40 would be too little."""
    request_timeout: float = field(default=60.0, validator=gt(0))
    """For requests that the daemon answers by itself.  It stops reading while 16 operations of a
    client wait to be sent, so that an answer can take a while."""
    reply_timeout: float = field(default=60.0, validator=gt(0))
    """For a service's reply."""
    cancel_timeout: float = field(default=2.0, validator=gt(0))
    """For the daemon's answer to a cancel; the cancelled call returns then at the latest."""
    close_timeout: float = field(default=1.0, validator=gt(0))
    """For notifying the daemon when the client is closed."""
    reconnect: Backoff = RECONNECT
    """Between tries to reach the daemon again."""
    steady_after: float = field(default=10.0, validator=gt(0))
    """How long a connection must have lasted to count as a success: the waits between tries start
    over."""
    hang_ups: int = field(default=5, validator=ge(1))
    """An operation fails with `DaemonHangsUp` when the daemon has refused it so many times in a
    row: it answered the request before, and hung up instead of answering the one after.
    Connections that end for other reasons do not count.  It also fails when so many short
    connections in a row ended because of a malformed message from the daemon."""
    random_fraction: Callable[[], float] = random.random
    """From 0 to 1, for the waits between tries and the choice among instances of a service."""
    max_unread_events: int = field(default=1000, validator=ge(1))
    """For each subscriber; as many as the daemon keeps for a client that is away."""
    max_unread_bytes: int = field(default=EVENT_LIMIT, validator=ge(1))
    """For each subscriber as well: replies have the size that the daemon says, and documents come
    every 20 minutes."""


def load_dial(path: str | Path) -> DialConfig:
    """Read ``thinclient.toml``; raises `ConfigError`, also for a file that cannot be read."""
    try:
        data = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as exc:
        raise ConfigError(f"the configuration cannot be read: {exc.strerror}") from exc
    except ValueError as exc:  # which TOML's error is, and that of text that is not UTF-8
        raise ConfigError("the configuration is not TOML") from exc
    return _dial(data)


def _dial(data: Mapping[str, Any]) -> DialConfig:
    stale = {"SphinxGeometry", "PigeonholeGeometry"} & data.keys()
    if stale:
        raise ConfigError(f"the daemon tells {stale.pop()} itself now: remove it from the file")
    dial = _only_table(data, "the configuration", ("Dial",))["Dial"]
    kinds = _only_table(_table(dial, "Dial"), "[Dial]", ("Tcp", "Unix"))
    (kind,) = kinds
    table = _table(kinds[kind], f"Dial.{kind}")
    known = {"Address", "Network"} if kind == "Tcp" else {"Address"}
    _no_unknown(table, f"[Dial.{kind}]", known)
    address = table.get("Address")
    if not isinstance(address, str) or not address:
        raise ConfigError(f"[Dial.{kind}] needs an Address")
    if kind == "Unix":
        return UnixDial(address)
    network = table.get("Network", "tcp")
    if network not in _NETWORKS:
        raise ConfigError("the Network of [Dial.Tcp] is tcp, tcp4 or tcp6")
    return _tcp(address, network)


def _tcp(address: str, network: Network) -> TcpDial:
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError("an IPv6 address needs brackets: [::1]:64331")
    if not colon or not host or not (port.isascii() and port.isdigit()):
        raise ConfigError("the Address of [Dial.Tcp] is a host and a port: localhost:64331")
    if len(port) > _PORT_DIGITS or not 1 <= int(port) <= 0xFFFF:
        raise ConfigError("a port is a number from 1 to 65535")
    return TcpDial(host, int(port), network)


def _only_table(table: Mapping[str, Any], where: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    _no_unknown(table, where, set(known))
    if len(table) != 1:
        raise ConfigError(f"{where} has exactly one table: {' or '.join(known)}")
    return table


def _table(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{name} is not a table")
    return value


def _no_unknown(table: Mapping[str, Any], where: str, known: set[str]) -> None:
    unknown = table.keys() - known
    if unknown:
        raise ConfigError(f"{where} has unknown keys: {', '.join(sorted(unknown))}")
