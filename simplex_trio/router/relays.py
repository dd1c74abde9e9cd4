"""`open_relays`: the connections of a proxy to relays, which an agent keeps.

Names are resolved here, before the check against private networks, and only once: a name cannot
resolve to another address between the check and the connection.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address

import trio
from attrs import define, evolve

from simplex_trio.agent.agent import SMPClientAgent, open_smp_agent
from simplex_trio.agent.config import AgentConfig, AgentRole
from simplex_trio.agent.connections import Connector
from simplex_trio.agent.destination import Destination
from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.client import SMPClient, connect_smp_client
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.client.smp.session import SMPSessionConfig
from simplex_trio.engine.timeouts import BACKGROUND
from simplex_trio.errors import DialFailed, NoSuitableHost
from simplex_trio.frozen import frozen
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.router.attempts import RelayAttempt, RelayAttempts
from simplex_trio.router.proxy_rules import ProxyPolicy
from simplex_trio.router.proxying import RelayConnection, RelayRefused, Relays, Requester
from simplex_trio.transport.config import ConnectConfig, SocksMode, SocksProxy
from simplex_trio.transport.networks import IPAddress
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.certificates import ProvenKey
from simplex_trio.wire.hosts import MAX_HOSTS, DomainHost, Host, IPv4Host, IPv6Host
from simplex_trio.wire.smp.forwarding import FwdTransmission
from simplex_trio.wire.versions import VersionRange

__all__ = ["open_relays"]

_log = logging.getLogger(__name__)

Resolve = Callable[[str], Awaitable[Iterable[IPAddress]]]
"""The addresses of a name; raises `DialFailed` if it has none."""


@asynccontextmanager
async def open_relays(
    policy: ProxyPolicy, *, connector: Connector | None = None
) -> AsyncIterator[Relays]:
    """The connections to relays, for as long as the block lasts.

    ``connector`` replaces the way in which they are made, and what the policy says about that.
    """
    config = AgentConfig(
        role=AgentRole.SENDER,
        own_domains=policy.own_domains,
        remember_failure=policy.remember_failure,
    )
    rules = _Rules(policy)
    if connector is None:
        connector = _connector(rules, _client_config(policy), resolve)
    async with (
        open_smp_agent(config, connector=connector) as agent,
        open_inner_nursery() as nursery,
    ):
        nursery.start_soon(_drain, agent)
        yield _AgentRelays(agent, rules)
        nursery.cancel_scope.cancel()


@define(eq=False)
class _Rules:
    """The policy of the moment."""

    policy: ProxyPolicy


async def _drain(agent: SMPClientAgent) -> None:
    """Discard an agent's events, none of which matters to a proxy."""
    async for event in agent.events:
        _log.debug("relays: %r", event)


def _client_config(policy: ProxyPolicy) -> SMPClientConfig:
    transport = ConnectConfig()
    if policy.socks is not None:
        host, _, port = policy.socks.rpartition(":")
        socks = SocksProxy(host=host, port=int(port), isolate=False)
        transport = evolve(transport, socks=socks, socks_mode=SocksMode.ONION_ONLY)
    return SMPClientConfig(transport=transport, session=SMPSessionConfig(is_proxy=True))


def _connector(rules: _Rules, config: SMPClientConfig, find: Resolve) -> Connector:
    async def connect(nursery: trio.Nursery, destination: Destination) -> SMPClient:
        relay = await reachable(destination.server, rules.policy, find)
        return await connect_smp_client(nursery, relay, config, patience=BACKGROUND)

    return connect


async def reachable(relay: ServerAddress, policy: ProxyPolicy, find: Resolve) -> ServerAddress:
    """The relay with only those hosts that the proxy may connect to; else `NoSuitableHost`."""
    hosts: list[Host] = []
    failure: DialFailed | None = None
    for host in policy.hosts(relay):
        if not isinstance(host, DomainHost):
            hosts.append(host)
            continue
        try:
            addresses = await find(host.name)
        except DialFailed as exc:
            failure = exc
            continue
        hosts += [_host(each) for each in addresses if policy.allows_address(each)]
    if hosts:
        return evolve(relay, hosts=tuple(hosts[:MAX_HOSTS]))
    raise failure or NoSuitableHost("this proxy does not connect to such a host")


def _host(address: IPAddress) -> Host:
    return IPv4Host(address) if isinstance(address, IPv4Address) else IPv6Host(address)


async def resolve(name: str) -> list[IPAddress]:
    """The addresses of a name, from the system's resolver."""
    try:
        found = await trio.socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise DialFailed("the name of a relay has no address") from None
    addresses: list[IPAddress] = []
    for family, _, _, _, address in found:
        text = str(address[0])
        if family == socket.AF_INET:
            addresses.append(IPv4Address(text))
        elif family == socket.AF_INET6 and "%" not in text:
            addresses.append(IPv6Address(text))
    return addresses


class _AgentRelays:
    def __init__(self, agent: SMPClientAgent, rules: _Rules) -> None:
        self._agent = agent
        self._rules = rules
        self._attempts: RelayAttempts[ServerAddress, Requester] = RelayAttempts()
        self._sessions: dict[ServerAddress, bytes] = {}

    async def connection(self, relay: ServerAddress, requester: Requester) -> RelayConnection:
        if self._is_connected(relay):
            return _AgentRelay(await self._agent.client(relay))
        async with requester.connecting:
            attempt = self._attempt(relay, requester)
            try:
                client = await self._agent.client(relay)
            finally:
                if self._attempts.leave(attempt, requester, requester.origin):
                    self._agent.give_up(relay)
        self._sessions[relay] = client.session_id
        if len(self._sessions) > 2 * self._rules.policy.max_relays:
            self._sessions = {
                each: self._sessions[each] for each in self._sessions if self._is_connected(each)
            }
        return _AgentRelay(client)

    def _attempt(
        self, relay: ServerAddress, requester: Requester
    ) -> RelayAttempt[ServerAddress, Requester]:
        policy, connected = self._rules.policy, self._agent.statistics().connected
        most = min(policy.max_connecting, policy.max_relays - connected)
        attempt = None
        if most > 0:
            now = trio.current_time()
            attempt, displaced = self._attempts.join(
                relay, requester, requester.origin, now, most=most
            )
            if displaced is not None:
                self._agent.give_up(displaced.relay)
        if attempt is None:
            raise DialFailed("this proxy is connected to as many relays as it may be")
        return attempt

    def _is_connected(self, relay: ServerAddress) -> bool:
        """Whether there is a connection to a relay."""
        session_id = self._sessions.get(relay)
        return session_id is not None and self.find(session_id) is not None

    def reconfigure(self, policy: ProxyPolicy) -> None:
        self._rules.policy = policy

    def find(self, session_id: bytes) -> RelayConnection | None:
        client = self._agent.client_by_session_id(session_id)
        return None if client is None else _AgentRelay(client)


@frozen(eq=False)
class _AgentRelay:
    client: SMPClient

    @property
    def session_id(self) -> bytes:
        return self.client.session_id

    @property
    def version(self) -> int:
        return self.client.version

    @property
    def versions(self) -> VersionRange:
        return self.client.agreement.versions

    @property
    def proof(self) -> ProvenKey | None:
        return self.client.agreement.router_proof

    async def forward(self, forwarded: FwdTransmission) -> bytes:
        try:
            return await self.client.forward(forwarded)
        except RouterError as exc:
            raise RelayRefused(exc.error) from exc
