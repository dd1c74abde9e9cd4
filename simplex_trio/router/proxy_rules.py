"""`ProxyPolicy`: which relays a proxy connects to for its clients.  Pure.

Clients choose where a proxy connects to.  So it connects to public addresses only: at others it
could reach services that are meant for its own machine or network.  The check applies to the
address of the connection: for a name, to the addresses that it resolves to.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

from attrs import field
from attrs.validators import deep_iterable, ge, optional

from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.transport.networks import IPAddress, is_public, reached
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.hosts import DomainHost, Host, IPv4Host, IPv6Host, OnionHost

__all__ = ["ProxyPolicy"]

IPNetwork = IPv4Network | IPv6Network

_PRIVATE_NAMES = ("localhost", "local", "internal", "lan", "home.arpa")
"""Domains that are not on the Internet."""

_MAX_PORT = 0xFFFF


def _network(pattern: str) -> IPNetwork | None:
    try:
        return ip_network(pattern, strict=False)
    except ValueError:
        return None


def _is_pattern(_instance: object, _attribute: object, value: str) -> None:
    if not value or any(character in value for character in " ,@"):
        raise ValueError("not a domain, a host name or a network")


def _is_socks(_instance: object, _attribute: object, value: str) -> None:
    host, _, port = value.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and 0 < int(port) <= _MAX_PORT):
        raise ValueError("a SOCKS proxy is given as host:port")


_patterns = deep_iterable([instance_of(str), _is_pattern], instance_of(tuple))


@frozen(repr=False, kw_only=True)
class ProxyPolicy(Redacted):
    """What a router does as a proxy.

    ``allow`` and ``deny`` are lists of domains, which include their sub-domains, and of IP
    addresses and networks.  With an ``allow`` list the proxy connects only to hosts on it, and
    never to those on the ``deny`` list.  Of a relay with several hosts it uses the allowed ones.
    """

    enabled: bool = True
    allow: tuple[str, ...] = field(default=(), validator=_patterns)
    deny: tuple[str, ...] = field(default=(), validator=_patterns)
    allow_private: bool = False
    """Whether to connect to addresses that are not public; meant for tests."""
    max_relays: int = field(default=1000, validator=ge(1))
    """The most relays to be connected to at a time, since clients choose them; at the limit another
    one cannot be reached until a connection to one of them has ended."""
    max_connecting: int = field(default=200, validator=ge(1))
    """Of those, the most that are only being connected to: a fifth, so that relays that do not
    answer leave room for those that do.  At the limit, a new attempt displaces one of the client
    address that has the most, or one that has lasted for 5 seconds; otherwise it is refused."""
    connecting_per_client: int = field(default=16, validator=ge(1))
    """The most of them that one connection of a client waits for: half of ``proxied_at_once``.  At
    the limit its next PRXY waits until one of them has ended."""
    remember_failure: float = field(default=30, validator=ge(0))
    """Seconds for which clients are told at once that a relay could not be reached, as in the
    reference; 0 to try anew for each."""
    own_domains: tuple[str, ...] = field(default=(), validator=_patterns)
    """Domains of the operator's other routers."""
    socks: str | None = field(default=None, validator=optional(_is_socks))
    """``host:port`` of a SOCKS5 proxy for onion hosts; without it they cannot be reached."""

    def hosts(self, relay: ServerAddress) -> tuple[Host, ...]:
        """The allowed hosts of a relay; names are still to be resolved and checked."""
        return tuple(host for host in relay.hosts if self._allows_host(host))

    def allows_address(self, address: IPAddress) -> bool:
        """Whether the proxy may connect to an address that a name has resolved to."""
        if not (self.allow_private or is_public(address)):
            return False
        return not any(_names_address(pattern, address) for pattern in self.deny)

    def _allows_host(self, host: Host) -> bool:
        match host:
            case IPv4Host(address) | IPv6Host(address):
                if not self.allows_address(address):
                    return False
            case DomainHost(name):
                if not self.allow_private and _is_under(name, _PRIVATE_NAMES):
                    return False
            case OnionHost():
                pass
        if any(_names_host(pattern, host) for pattern in self.deny):
            return False
        return not self.allow or any(_names_host(pattern, host) for pattern in self.allow)


def _names_host(pattern: str, host: Host) -> bool:
    match host:
        case IPv4Host(address) | IPv6Host(address):
            return _names_address(pattern, address)
        case DomainHost(name) | OnionHost(name):
            return _is_under(name, (pattern,))


def _names_address(pattern: str, address: IPAddress) -> bool:
    network = _network(pattern)
    return network is not None and any(each in network for each in reached(address))


def _is_under(name: str, domains: tuple[str, ...]) -> bool:
    """Whether a name is one of the domains or a sub-domain of one."""
    labels = name.lower().rstrip(".").split(".")
    for domain in domains:
        wanted = domain.lower().strip(".").split(".")
        if labels[-len(wanted) :] == wanted:
            return True
    return False
