"""Which server a queue is made on, and which way a message goes.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto

from simplex_trio.duplex.config import DuplexConfig, Fallback, ProxyUse, Server
from simplex_trio.errors import NoSuitableHost
from simplex_trio.transport.config import ConnectConfig, HostMode, SocksMode
from simplex_trio.transport.hosts import choose_hosts
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.hosts import Host, OnionHost

__all__ = [
    "Route",
    "first_route",
    "is_one_of",
    "is_protected",
    "may_fall_back",
    "proxies_for",
    "servers_for_queue",
]


class Route(Enum):
    """How a router is sent to."""

    DIRECT = auto()
    PROXY = auto()


def _ordered(
    servers: Sequence[Server], avoid: Iterable[ServerAddress], random: Callable[[], float]
) -> list[Server]:
    """Servers in the order in which to try them, those that a connection does not use yet first."""
    avoided = list(avoid)
    hosts = {host for address in avoided for host in address.hosts}
    operators = {
        server.operator
        for server in servers
        if server.operator and not hosts.isdisjoint(server.address.hosts)
    }

    def rank(server: Server) -> tuple[bool, bool, bool]:
        same_operator = server.operator in operators
        same_host = not hosts.isdisjoint(server.address.hosts)
        return same_operator, server.address in avoided, same_host

    mixed = [servers[n] for _, n in sorted((random(), n) for n in range(len(servers)))]
    return sorted(mixed, key=rank)


def _usable(config: DuplexConfig) -> list[Server]:
    """The servers that are enabled, or all if none is."""
    return [server for server in config.servers if server.enabled] or list(config.servers)


def servers_for_queue(
    config: DuplexConfig, avoid: Iterable[ServerAddress], random: Callable[[], float]
) -> list[Server]:
    """Where to make a queue, best first; ``avoid`` are the servers that its connection uses."""
    usable = _usable(config)
    servers = [server for server in usable if server.for_queues]
    return _ordered(servers or usable, avoid, random)


def proxies_for(
    config: DuplexConfig, destination: ServerAddress, random: Callable[[], float]
) -> list[Server]:
    """What to send through, best first."""
    servers = [server for server in _usable(config) if server.for_proxy]
    return _ordered(servers, [destination], random)


def is_one_of(
    servers: Iterable[ServerAddress], destination: ServerAddress, connect: ConnectConfig
) -> bool:
    """Whether a router is one of these, by each host that it may be reached at from here.

    All of them count, since its address comes from a peer, who can put any host beside a known one.
    """
    known = {host for each in servers for host in each.hosts}
    return known.issuperset(_hosts_of(connect, destination))


def _hosts_of(connect: ConnectConfig, destination: ServerAddress) -> tuple[Host, ...]:
    """The hosts at which a router may be reached from here; all of them if at none."""
    try:
        return choose_hosts(
            destination.hosts,
            connect.host_mode,
            required=connect.host_required,
            has_proxy=connect.socks is not None,
        )
    except NoSuitableHost:
        return destination.hosts


def _is_known(config: DuplexConfig, destination: ServerAddress) -> bool:
    own = [server.address for server in config.servers]
    return is_one_of(own, destination, config.agent.client.transport)


def is_protected(connect: ConnectConfig, destination: ServerAddress) -> bool:
    """Whether a router cannot see where this program is."""
    if connect.socks is not None:
        hosts = _hosts_of(connect, destination)
        is_hidden = all(isinstance(host, OnionHost) for host in hosts)
        return is_hidden or connect.socks_mode is SocksMode.ALWAYS
    only_onion = connect.host_mode is HostMode.ONION and connect.host_required
    return only_onion and any(isinstance(host, OnionHost) for host in destination.hosts)


def first_route(config: DuplexConfig, destination: ServerAddress) -> Route:
    """The way to try first."""
    connect = config.agent.client.transport
    match config.proxy:
        case ProxyUse.ALWAYS:
            wanted = True
        case ProxyUse.UNKNOWN:
            wanted = not _is_known(config, destination)
        case ProxyUse.UNPROTECTED:
            known = _is_known(config, destination)
            wanted = not known and not is_protected(connect, destination)
        case ProxyUse.NEVER:
            wanted = False
    # Without a proxy nothing is sent directly that was asked to be hidden.
    is_strict = config.proxy is ProxyUse.ALWAYS or config.fallback is Fallback.PROHIBIT
    has_proxy = any(server.for_proxy for server in _usable(config))
    return Route.PROXY if wanted and (has_proxy or is_strict) else Route.DIRECT


def may_fall_back(config: DuplexConfig, destination: ServerAddress) -> bool:
    """Whether a router may be sent to directly that no proxy can reach."""
    match config.fallback:
        case Fallback.ALLOW:
            return True
        case Fallback.ALLOW_PROTECTED:
            return is_protected(config.agent.client.transport, destination)
        case Fallback.PROHIBIT:
            return False
