"""Which hosts of an address to dial, through what, on which port and with which ALPN. Pure.

A router may have public hosts, onion hosts, or both; which to use is a matter of privacy and not of
speed, so hosts of the kind that was not chosen are never tried as a second best.  An onion host is
only ever dialled through a proxy: without one it cannot be reached, and a lookup would reveal it to
the name server.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from simplex_trio.errors import NoSuitableHost
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.transport.config import (
    ConnectConfig,
    HostMode,
    SocksMode,
    SocksProxy,
    WebPort,
)
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.hosts import DomainHost, Host, OnionHost

__all__ = [
    "HTTP_ALPN",
    "WEB_PORT",
    "DialPlan",
    "choose_hosts",
    "plan_dial",
    "uses_web_port",
]

WEB_PORT = 443
"""The port that passes where others are blocked."""

HTTP_ALPN = "http/1.1"
"""What is offered on the web port, so that a connection looks like any other there."""


@frozen(repr=False)
class DialPlan(Redacted):
    """A decision about dialling: the hosts to try, in order, and the ALPN to offer."""

    hosts: tuple[Host, ...]
    port: int
    alpn: tuple[str, ...]
    socks: SocksProxy | None


def choose_hosts(
    hosts: Iterable[Host], mode: HostMode, *, required: bool, has_proxy: bool
) -> tuple[Host, ...]:
    """The hosts to try, in the order of the address; all of one kind.

    Raises `NoSuitableHost` if the kind is ``required`` and missing, or if only onion hosts are left
    and there is no proxy.
    """
    onion: list[Host] = []
    public: list[Host] = []
    for host in hosts:
        (onion if isinstance(host, OnionHost) else public).append(host)
    wants_onion = mode is HostMode.ONION or (mode is HostMode.ONION_VIA_SOCKS and has_proxy)
    preferred, other = (onion, public) if wants_onion else (public, onion)
    chosen = preferred if preferred or required else other
    if not chosen:
        raise NoSuitableHost("the address has no host of the required kind")
    if chosen is onion and not has_proxy:
        raise NoSuitableHost("an onion host cannot be reached without a SOCKS proxy")
    return tuple(chosen)


def uses_web_port(address: ServerAddress, rule: WebPort, preset_domains: Iterable[str]) -> bool:
    """Whether port 443 is used in place of the default.

    The first host of the address decides, also for the hosts after it: they are the same machine.
    """
    if address.protocol is not ServerProtocol.SMP or address.port is not None:
        return False
    match rule:
        case WebPort.OFF:
            return False
        case WebPort.ALL:
            return True
        case WebPort.PRESET:
            first = address.hosts[0]
            return isinstance(first, DomainHost) and any(
                _is_under(first.name, domain) for domain in preset_domains
            )


def _is_under(name: str, domain: str) -> bool:
    labels = name.lower().rstrip(".").split(".")
    parent = domain.lower().strip(".").split(".")
    return labels[-len(parent) :] == parent


def plan_dial(address: ServerAddress, alpn: Sequence[str], config: ConnectConfig) -> DialPlan:
    """Decide everything about dialling ``address`` that can be decided beforehand.

    ``alpn`` is what the protocol offers on its own port.  Raises `NoSuitableHost` if the
    configuration excludes all hosts.
    """
    socks = config.socks
    hosts = choose_hosts(
        address.hosts,
        config.host_mode,
        required=config.host_required,
        has_proxy=socks is not None,
    )
    is_onion = isinstance(hosts[0], OnionHost)
    through = socks if is_onion or config.socks_mode is SocksMode.ALWAYS else None
    if uses_web_port(address, config.web_port, config.preset_domains):
        return DialPlan(hosts, WEB_PORT, (HTTP_ALPN,), through)
    return DialPlan(hosts, address.effective_port, tuple(alpn), through)
