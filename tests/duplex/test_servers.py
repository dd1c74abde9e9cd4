"""Which servers queues are made on, and which way messages go."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from attrs import evolve

from simplex_trio.agent.config import AgentConfig
from simplex_trio.chat.notifying.opening import open_notifier
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.duplex.config import DuplexConfig, Fallback, ProxyUse, Server
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.duplex.servers import (
    Route,
    first_route,
    may_fall_back,
    proxies_for,
    servers_for_queue,
)
from simplex_trio.transport.config import ConnectConfig, HostMode, SocksMode, SocksProxy
from simplex_trio.wire.addresses import ServerAddress

ONION = "v2yn3dfbwjnqqazf3w5gdrwpqpeqqgujtwrptz5ajpkxxemcqjqcgqyd.onion"


def address(*hosts: str, letter: str = "A") -> ServerAddress:
    return ServerAddress.parse(f"smp://{letter * 42}A=@{','.join(hosts)}")


def server(host: str, operator: str = "", **options: Any) -> Server:
    return Server(address(host), operator=operator, **options)


def config(*servers: Server, **options: Any) -> DuplexConfig:
    return evolve(DuplexConfig(servers), **options)


def connecting(**options: Any) -> AgentConfig:
    """An agent that connects in another way."""
    return AgentConfig(client=SMPClientConfig(transport=ConnectConfig(**options)))


def hosts(servers: list[Server]) -> list[str]:
    return [str(each.address.hosts[0]) for each in servers]


# --- queues -------------------------------------------------------------------------------------


def test_every_server_comes_first_sometimes_and_none_is_left_out() -> None:
    known = config(*(server(f"{letter}.example") for letter in "abcd"))
    random = Random(1)
    orders = [hosts(servers_for_queue(known, (), random.random)) for _ in range(50)]
    assert {order[0] for order in orders} == {f"{letter}.example" for letter in "abcd"}
    assert all(sorted(order) == sorted(orders[0]) for order in orders)


def test_other_operators_first_then_other_servers_then_other_hosts() -> None:
    used = address("used.example")
    same_host = Server(address("used.example", letter="B"))
    known = config(
        server("used.example", "one"),
        server("same-operator.example", "one"),
        same_host,
        server("other.example", "two"),
        server("independent.example"),
    )
    random = Random(2)
    for _ in range(20):
        order = servers_for_queue(known, [used], random.random)
        assert set(hosts(order[:2])) == {"other.example", "independent.example"}
        assert order[2] == same_host
        assert hosts(order[3:]) == ["same-operator.example", "used.example"]


def test_servers_without_an_operator_are_not_of_the_same_one() -> None:
    known = config(server("used.example"), server("other.example"))
    for seed in range(10):
        order = servers_for_queue(known, [address("used.example")], Random(seed).random)
        assert hosts(order) == ["other.example", "used.example"]


def test_servers_that_are_not_for_queues_are_used_if_there_is_no_other() -> None:
    proxy, other = server("proxy.example", for_queues=False), server("other.example")
    assert servers_for_queue(config(proxy, other), (), Random(0).random) == [other]
    assert servers_for_queue(config(proxy), (), Random(0).random) == [proxy]
    assert servers_for_queue(config(), (), Random(0).random) == []


def test_a_proxy_is_another_operators() -> None:
    known = config(
        server("one.example", "one"),
        server("two.example", "two"),
        server("three.example", for_proxy=False),
    )
    for seed in range(10):
        order = proxies_for(known, address("one.example"), Random(seed).random)
        assert hosts(order) == ["two.example", "one.example"]


# --- the way to a router ------------------------------------------------------------------------

KNOWN, UNKNOWN = address("known.example", letter="B"), address("unknown.example")
HIDDEN = address(ONION, "hidden.example")

SOCKS = connecting(socks=SocksProxy(host="127.0.0.1", port=9050))
SOCKS_TO_ONIONS = connecting(
    socks=SocksProxy(host="127.0.0.1", port=9050), socks_mode=SocksMode.ONION_ONLY
)
ONLY_ONION = connecting(host_mode=HostMode.ONION, host_required=True)
ONION_IF_POSSIBLE = connecting(host_mode=HostMode.ONION)


@pytest.mark.parametrize(
    ("use", "agent", "destination", "route"),
    [
        (ProxyUse.ALWAYS, None, KNOWN, Route.PROXY),
        (ProxyUse.ALWAYS, SOCKS, UNKNOWN, Route.PROXY),
        (ProxyUse.NEVER, None, UNKNOWN, Route.DIRECT),
        (ProxyUse.UNKNOWN, None, KNOWN, Route.DIRECT),
        (ProxyUse.UNKNOWN, None, UNKNOWN, Route.PROXY),
        (ProxyUse.UNKNOWN, SOCKS, UNKNOWN, Route.PROXY),
        (ProxyUse.UNPROTECTED, None, KNOWN, Route.DIRECT),
        (ProxyUse.UNPROTECTED, None, UNKNOWN, Route.PROXY),
        (ProxyUse.UNPROTECTED, SOCKS, UNKNOWN, Route.DIRECT),
        (ProxyUse.UNPROTECTED, SOCKS_TO_ONIONS, HIDDEN, Route.DIRECT),
        (ProxyUse.UNPROTECTED, SOCKS_TO_ONIONS, UNKNOWN, Route.PROXY),
        (ProxyUse.UNPROTECTED, ONLY_ONION, HIDDEN, Route.DIRECT),
        (ProxyUse.UNPROTECTED, ONLY_ONION, UNKNOWN, Route.PROXY),
        (ProxyUse.UNPROTECTED, ONION_IF_POSSIBLE, HIDDEN, Route.PROXY),
    ],
)
def test_the_first_way(
    use: ProxyUse, agent: AgentConfig | None, destination: ServerAddress, route: Route
) -> None:
    known = config(server("known.example"), proxy=use, agent=agent or AgentConfig())
    assert first_route(known, destination) is route


def test_another_host_beside_a_known_one_makes_a_router_unknown() -> None:
    proxied = DuplexConfig((server("known.example"), server("other.example")))
    for names, route in (
        (("known.example", ONION), Route.DIRECT),  # which is not used
        (("other.example", "known.example"), Route.DIRECT),
        (("known.example", "unknown.example"), Route.PROXY),
        (("unknown.example", "known.example"), Route.PROXY),
        ((ONION, "unknown.example"), Route.PROXY),
        ((ONION,), Route.PROXY),
    ):
        assert first_route(proxied, address(*names)) is route


def test_without_a_proxy_nothing_goes_directly_that_is_to_be_hidden() -> None:
    for known in (config(server("known.example", for_proxy=False)), config()):
        assert first_route(known, UNKNOWN) is Route.DIRECT
        assert first_route(evolve(known, proxy=ProxyUse.ALWAYS), UNKNOWN) is Route.PROXY
        assert first_route(evolve(known, fallback=Fallback.PROHIBIT), UNKNOWN) is Route.PROXY
        assert first_route(evolve(known, proxy=ProxyUse.NEVER), UNKNOWN) is Route.DIRECT


@pytest.mark.parametrize(
    ("fallback", "agent", "destination", "allowed"),
    [
        (Fallback.ALLOW, None, UNKNOWN, True),
        (Fallback.PROHIBIT, SOCKS, UNKNOWN, False),
        (Fallback.ALLOW_PROTECTED, None, UNKNOWN, False),
        (Fallback.ALLOW_PROTECTED, SOCKS, UNKNOWN, True),
        (Fallback.ALLOW_PROTECTED, SOCKS_TO_ONIONS, HIDDEN, True),
        (Fallback.ALLOW_PROTECTED, SOCKS_TO_ONIONS, UNKNOWN, False),
        (Fallback.ALLOW_PROTECTED, ONLY_ONION, HIDDEN, True),
        (Fallback.ALLOW_PROTECTED, ONLY_ONION, UNKNOWN, False),
        (Fallback.ALLOW_PROTECTED, ONION_IF_POSSIBLE, HIDDEN, False),
    ],
)
def test_falling_back(
    fallback: Fallback, agent: AgentConfig | None, destination: ServerAddress, allowed: bool
) -> None:
    known = config(server("known.example"), fallback=fallback, agent=agent or AgentConfig())
    assert may_fall_back(known, destination) is allowed


@pytest.mark.parametrize("name", ["servers", "xftp_servers"])
async def test_one_server_in_place_of_a_list(name: str) -> None:
    options: dict[str, Any] = {name: "smp://AAAA@localhost"}
    with pytest.raises(TypeError, match="a list of servers is needed"):
        async with open_duplex_agent(None, **options):
            pass
    with pytest.raises(TypeError, match="a list of servers is needed"):
        async with open_notifier(None, **options):
            pass
    with pytest.raises(TypeError, match="a list of servers is needed"):
        DuplexConfig(servers="smp://AAAA@localhost")
