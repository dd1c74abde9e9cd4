"""How a proxy reaches relays: by addresses that may be reached, found out by itself."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import count
from time import monotonic
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.client.smp.client import open_smp_client
from simplex_trio.errors import ConnectionLost, DialFailed, NoSuitableHost
from simplex_trio.router.config import RouterConfig
from simplex_trio.router.core.counters import Count
from simplex_trio.router.proxy_rules import ProxyPolicy
from simplex_trio.router.proxying import Requester
from simplex_trio.router.relays import open_relays, reachable, resolve
from simplex_trio.router.server import EMBEDDED, open_router
from simplex_trio.transport.networks import IPAddress, Origin
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.errors.values import Broker, BrokerErrorKind, Network, Proxy
from simplex_trio.wire.hosts import DomainHost, parse_host
from simplex_trio.wire.smp.commands import PRXY
from simplex_trio.wire.smp.messages import PKEY
from simplex_trio.wire.smp.new_queue import MessagingRequest
from tests.router.house import open_house

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


def requester(most: int = 16, origin: bytes | None = None) -> Requester:
    return Requester(trio.Semaphore(most), None if origin is None else Origin(origin))


class Changing(trio.abc.HostnameResolver):
    """A name that leads elsewhere at each look."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    async def getaddrinfo(self, host: object, port: object, *_: object, **__: object) -> Any:
        self.asked.append(host)
        address = f"127.0.0.{len(self.asked)}"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0))]

    async def getnameinfo(self, sockaddr: object, flags: int) -> Any:
        raise AssertionError("no name is to be resolved")


async def test_a_name_is_resolved_once_and_what_was_checked_is_connected_to() -> None:
    resolver = Changing()
    trio.socket.set_custom_hostname_resolver(resolver)
    policy = ProxyPolicy(allow_private=True, deny=("127.0.0.2",))
    async with open_router() as router, open_relays(policy) as relays:
        named = evolve(router.address, hosts=(DomainHost("relay.example.com"),))
        assert (await relays.connection(named, requester())).version == 20
        assert resolver.asked == [b"relay.example.com"]
        again = evolve(router.address, hosts=(DomainHost("other.example.com"),))
        with pytest.raises(NoSuitableHost):
            await relays.connection(again, requester())


async def test_sessions_are_shared_and_found_by_their_id() -> None:
    async with open_router() as router, open_relays(ProxyPolicy(allow_private=True)) as relays:
        first = await relays.connection(router.address, requester())
        second = await relays.connection(router.address, requester())
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
            first = await relays.connection(other.address, requester())
            with pytest.raises(DialFailed, match="as many"):
                await relays.connection(one.address, requester())
            assert (
                await relays.connection(other.address, requester())
            ).session_id == first.session_id
        while relays.find(first.session_id) is not None:
            await trio.lowlevel.checkpoint()
        assert (await relays.connection(one.address, requester())).version == 20


@pytest.mark.parametrize(("seconds", "attempts"), [(30, 1), (0, 2)])
async def test_how_long_an_unreachable_relay_is_remembered(seconds: float, attempts: int) -> None:
    resolver = Changing()
    trio.socket.set_custom_hostname_resolver(resolver)
    deny = tuple(f"127.0.0.{number}" for number in range(9))
    policy = ProxyPolicy(allow_private=True, deny=deny, remember_failure=seconds)
    async with open_router() as router, open_relays(policy) as relays:
        named = evolve(router.address, hosts=(DomainHost("relay.example.com"),))
        for _ in range(2):
            with pytest.raises(NoSuitableHost):
                await relays.connection(named, requester())
    assert len(resolver.asked) == attempts


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


# --- addresses where nothing answers ------------------------------------------------------------

_PATIENCE = 30
"""Seconds of the system's clock."""


@asynccontextmanager
async def tar_pit() -> AsyncIterator[tuple[Callable[[], ServerAddress], list[trio.SocketStream]]]:
    """A listener that says nothing, by as many addresses as wanted, and its open connections."""
    stuck: list[trio.SocketStream] = []

    async def hold(stream: trio.SocketStream) -> None:
        stuck.append(stream)
        with suppress(trio.BrokenResourceError):
            while await stream.receive_some():
                pass
        stuck.remove(stream)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    number = count()

    def address() -> ServerAddress:
        key_hash = next(number).to_bytes(32, "big")
        return ServerAddress(ServerProtocol.SMP, (parse_host("127.0.0.1"),), port, key_hash)

    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, hold, listeners)
        yield address, stuck
        nursery.cancel_scope.cancel()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that takes no time but that of the system."""
    began = monotonic()
    while not condition():
        assert monotonic() - began < _PATIENCE
        await wait_all_tasks_blocked()


async def test_tar_pits_leave_room_for_relays_that_answer(mock_clock: MockClock) -> None:
    """Many clients of one machine ask for relays that never answer; one asks for one that does.

    Time stands still, so that no attempt ends by itself.
    """
    policy = ProxyPolicy(allow_private=True, max_connecting=12, connecting_per_client=4)
    async with (
        open_router() as relay,
        open_relays(policy) as relays,
        open_house(RouterConfig(proxy=policy), relays=relays) as house,
        tar_pit() as (nowhere, stuck),
    ):
        attackers = [await house.connect() for _ in range(6)]
        for attacker in attackers:
            await attacker.send(*(attacker.transmission(PRXY(nowhere())) for _ in range(8)))
        await until(lambda: len(stuck) == 12)
        honest = await house.connect()
        assert isinstance(await honest.ask(PRXY(relay.address)), PKEY)
        for attacker in attackers:
            await attacker.aclose()
        await until(lambda: not stuck)
        assert isinstance(await honest.ask(PRXY(relay.address)), PKEY)


async def test_one_client_waits_for_so_many_relays_and_no_more() -> None:
    policy = ProxyPolicy(allow_private=True)
    one = requester(most=2)
    async with (
        open_relays(policy) as relays,
        tar_pit() as (nowhere, stuck),
        trio.open_nursery() as nursery,
    ):
        for _ in range(5):
            nursery.start_soon(relays.connection, nowhere(), one)
        await until(lambda: len(stuck) == 2)
        nursery.start_soon(relays.connection, nowhere(), requester())
        await until(lambda: len(stuck) == 3)
        nursery.cancel_scope.cancel()


async def test_an_attempt_ends_with_the_last_who_waits_for_it(mock_clock: MockClock) -> None:
    async with (
        open_relays(ProxyPolicy(allow_private=True)) as relays,
        tar_pit() as (nowhere, stuck),
        trio.open_nursery() as nursery,
    ):
        relay, scopes = nowhere(), [trio.CancelScope(), trio.CancelScope()]

        async def ask(scope: trio.CancelScope) -> None:
            with scope:
                await relays.connection(relay, requester())

        for scope in scopes:
            nursery.start_soon(ask, scope)
        await until(lambda: len(stuck) == 1)
        scopes[0].cancel()
        await wait_all_tasks_blocked()
        assert len(stuck) == 1
        scopes[1].cancel()
        await until(lambda: not stuck)


async def test_who_is_displaced_is_told_and_may_ask_again() -> None:
    policy = ProxyPolicy(allow_private=True, max_connecting=2)
    greedy, told = requester(origin=b"greedy"), []
    async with (
        open_router() as router,
        open_relays(policy) as relays,
        tar_pit() as (nowhere, stuck),
        trio.open_nursery() as nursery,
    ):

        async def ask() -> None:
            with pytest.raises(ConnectionLost) as caught:
                await relays.connection(nowhere(), greedy)
            told.append(caught.value)

        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await until(lambda: len(stuck) == 2)
        with pytest.raises(DialFailed, match="as many"):
            await relays.connection(nowhere(), greedy)
        assert (await relays.connection(router.address, requester())).version == 20
        await until(lambda: len(stuck) == 1)
        assert len(told) == 1
        nursery.cancel_scope.cancel()
