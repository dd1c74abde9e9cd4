"""Which relays a proxy connects to."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from simplex_trio.router.proxy_rules import ProxyPolicy
from simplex_trio.wire.addresses import ServerAddress

KEY_HASH = "A" * 43 + "="
ONION = "x" * 56 + ".onion"


def relay(*hosts: str) -> ServerAddress:
    return ServerAddress.parse(f"smp://{KEY_HASH}@{','.join(hosts)}")


def allowed(policy: ProxyPolicy, *hosts: str) -> list[str]:
    return [str(host) for host in policy.hosts(relay(*hosts))]


@pytest.mark.parametrize("text", ["127.0.0.1", "::ffff:10.0.0.1", "fec0::1"])
def test_private_addresses(text: str) -> None:
    address = ip_address(text)
    assert not ProxyPolicy().allows_address(address)
    assert ProxyPolicy(allow_private=True).allows_address(address)


@pytest.mark.parametrize("text", ["8.8.8.8", "2606:4700::1111"])
def test_public_addresses(text: str) -> None:
    assert ProxyPolicy().allows_address(ip_address(text))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "localhost", "LOCALHOST", "printer.local", "db.internal", "nas.lan."],
)
def test_private_hosts_are_refused_unless_configured(host: str) -> None:
    assert allowed(ProxyPolicy(), host) == []
    assert allowed(ProxyPolicy(allow_private=True), host) != []


def test_public_hosts() -> None:
    hosts = ["smp.example.com", "8.8.8.8", ONION]
    assert allowed(ProxyPolicy(), *hosts) == hosts


def test_what_is_left_of_several_hosts() -> None:
    assert allowed(ProxyPolicy(), "127.0.0.1", "smp.example.com") == ["smp.example.com"]


@pytest.mark.parametrize("host", ["example.com", "smp.example.com", "SMP.Example.Com"])
def test_denied_domain(host: str) -> None:
    policy = ProxyPolicy(deny=("example.com",))
    assert allowed(policy, host) == []
    assert allowed(policy, "example.org") == ["example.org"]
    assert allowed(policy, "notexample.com") == ["notexample.com"]


def test_denied_network() -> None:
    policy = ProxyPolicy(deny=("8.8.0.0/16", "2606:4700::/32"))
    assert allowed(policy, "8.8.8.8") == []
    assert allowed(policy, "[2606:4700::1]") == []
    assert allowed(policy, "9.9.9.9") == ["9.9.9.9"]
    assert not policy.allows_address(ip_address("8.8.4.4"))


@pytest.mark.parametrize("text", ["::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"])
def test_denied_network_in_another_spelling(text: str) -> None:
    policy = ProxyPolicy(deny=("8.8.0.0/16",))
    assert allowed(policy, f"[{text}]") == []
    assert not policy.allows_address(ip_address(text))


def test_allowed_only() -> None:
    policy = ProxyPolicy(allow=("example.com", "9.9.9.9", ONION), deny=("bad.example.com",))
    assert allowed(policy, "smp.example.com", "9.9.9.9", ONION) == [
        "smp.example.com",
        "9.9.9.9",
        ONION,
    ]
    assert allowed(policy, "example.org", "8.8.8.8", "bad.example.com") == []


@pytest.mark.parametrize(
    "wrong",
    [{"allow": ("",)}, {"deny": ("a b",)}, {"socks": "no port"}, {"socks": "host:99999"}],
)
def test_wrong_rules(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not a domain|SOCKS"):
        ProxyPolicy(**wrong)  # type: ignore[arg-type]
