"""How a proxy reaches relays: by addresses that may be reached, found out by itself."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
import trio
from attrs import evolve

from simplex_trio.client.smp import open_smp_client
from simplex_trio.errors import DialFailed, NoSuitableHost
from simplex_trio.router.config import ProxyPolicy
from simplex_trio.router.core.counters import Count
from simplex_trio.router.relays import open_relays, reachable, resolve
from simplex_trio.router.server import EMBEDDED, open_router
from simplex_trio.transport.networks import IPAddress
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.errors.values import Broker, BrokerErrorKind, Network, Proxy
from simplex_trio.wire.hosts import DomainHost
from simplex_trio.wire.smp.new_queue import MessagingRequest

KEY_HASH = "A" * 43 + "="

NAMES: dict[str, list[IPAddress]] = {
    "public.example.com": [ip_address("8.8.8.8"), ip_address("2606:4700::1111")],
    "private.example.com": [ip_address("10.0.0.1"), ip_address("::1")],
    "both.example.com": [ip_address("192.168.0.1"), ip_address("9.9.9.9")],
    "tricky.example.com": [
        *map(ip_address, ("fec0::1", "::127.0.0.1", "::ffff:10.0.0.1", "64:ff9b:1::a00:1")),
        *map(ip_address, ("64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:0:a00:1::1")),
    ],
}


async def known(name: str) -> list[IPAddress]:
    if name not in NAMES:
        raise DialFailed("the name of a relay has no address")
    return NAMES[name]


def relay(*hosts: str) -> ServerAddress:
    return ServerAddress.parse(f"smp://{KEY_HASH}@{','.join(hosts)}:5223")


@pytest.mark.parametrize(
    ("hosts", "found"),
    [
        (["public.example.com"], ["8.8.8.8", "[2606:4700::1111]"]),
        (["both.example.com"], ["9.9.9.9"]),
        (["unknown.example.com", "8.8.4.4"], ["8.8.4.4"]),
        (["private.example.com", "public.example.com"], ["8.8.8.8", "[2606:4700::1111]"]),
    ],
)
async def test_names_become_addresses(hosts: list[str], found: list[str]) -> None:
    address = await reachable(relay(*hosts), ProxyPolicy(), known)
    assert list(map(str, address.hosts)) == found
    assert (address.port, address.key_hash) == (5223, relay("x").key_hash)


@pytest.mark.parametrize(
    ("host", "error"),
    [
        ("private.example.com", NoSuitableHost),
        ("tricky.example.com", NoSuitableHost),
        ("127.0.0.1", NoSuitableHost),
        ("unknown.example.com", DialFailed),
    ],
)
async def test_relays_out_of_reach(host: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await reachable(relay(host), ProxyPolicy(), known)


async def test_resolving() -> None:
    addresses = await resolve("localhost")
    assert {IPv4Address("127.0.0.1"), IPv6Address("::1")} & set(addresses)
    with pytest.raises(DialFailed):
        await resolve("no-such-name.invalid")
    with pytest.raises(DialFailed):
        await resolve("x" * 70 + ".example")


class Changing(trio.abc.HostnameResolver):
    """A name that leads elsewhere at each look."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    async def getaddrinfo(self, host: object, port: object, *_: object, **__: object) -> Any:
        self.asked.append(host)
        address = f"127.0.0.{len(self.asked)}"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0))]

    async def getnameinfo(self, sockaddr: object, flags: int) -> Any:
        raise AssertionError("nobody asks for names")


async def test_a_name_is_resolved_once_and_what_was_checked_is_connected_to() -> None:
    resolver = Changing()
    trio.socket.set_custom_hostname_resolver(resolver)
    policy = ProxyPolicy(allow_private=True, deny=("127.0.0.2",))
    async with open_router() as router, open_relays(policy) as relays:
        named = evolve(router.address, hosts=(DomainHost("relay.example.com"),))
        assert (await relays.session(named)).version == 20
        assert resolver.asked == [b"relay.example.com"]
        again = evolve(router.address, hosts=(DomainHost("other.example.com"),))
        with pytest.raises(NoSuitableHost):
            await relays.session(again)


async def test_sessions_are_shared_and_found_by_their_id() -> None:
    async with open_router() as router, open_relays(ProxyPolicy(allow_private=True)) as relays:
        first = await relays.session(router.address)
        second = await relays.session(router.address)
        assert first.session_id == second.session_id
        assert first.proof is not None
        assert first.versions.highest == first.version == 20
        found = relays.find(first.session_id)
        assert found is not None
        assert found.session_id == first.session_id
        assert relays.find(b"another") is None
        assert router.statistics().clients == 1


async def test_there_is_an_end_to_relays() -> None:
    policy = ProxyPolicy(allow_private=True, max_relays=1)
    async with open_router() as one, open_relays(policy) as relays:
        async with open_router() as other:
            first = await relays.session(other.address)
            with pytest.raises(DialFailed, match="as many"):
                await relays.session(one.address)
            assert (await relays.session(other.address)).session_id == first.session_id
        while relays.find(first.session_id) is not None:
            await trio.lowlevel.checkpoint()
        assert (await relays.session(one.address)).version == 20


async def test_private_relays_are_refused() -> None:
    config = evolve(EMBEDDED, proxy=ProxyPolicy())
    async with open_router() as relay, open_router(config) as proxy:
        async with open_smp_client(proxy.address) as client:
            with pytest.raises(Exception, match="PROXY BROKER HOST") as caught:
                await client.relay(relay.address).send(b"q" * 24, b"x")
            assert caught.value.error == Proxy(Broker(BrokerErrorKind.HOST))  # type: ignore[attr-defined]
        assert relay.statistics().sockets_accepted == 0


async def test_through_a_proxy_over_tls() -> None:
    async with (
        open_router() as relay,
        open_router() as proxy,
        open_smp_client(relay.address) as recipient,
        open_smp_client(proxy.address) as sender,
        open_smp_client(proxy.address) as other,
    ):
        queue = await recipient.create_queue(MessagingRequest())
        for client in (sender, other):
            await client.relay(relay.address).send(queue.sender_id, b"hello")
        assert relay.statistics().clients == 2  # both came over one connection
        assert relay.statistics().counters[Count.PROXIED_RECEIVED] == 2
        assert proxy.statistics().counters[Count.PROXIED_FORWARDED] == 2


async def test_relay_that_is_gone() -> None:
    async with open_router() as proxy, open_smp_client(proxy.address) as client:
        async with open_router() as relay:
            address = relay.address
        with pytest.raises(Exception, match="NETWORK") as caught:
            await client.relay(address).send(b"q" * 24, b"x")
        assert caught.value.error == Proxy(Broker(Network()))  # type: ignore[attr-defined]
