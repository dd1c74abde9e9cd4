"""Which addresses are public, in whatever way they are written."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.transport.networks import (
    REFUSED_IPV4,
    REFUSED_IPV6,
    is_public,
    origin_of,
    reached,
)

REFUSED = [
    *("127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "172.31.255.255", "169.254.169.254"),
    *("0.0.0.0", "0.1.2.3", "100.64.0.1", "100.127.255.255", "198.18.0.1", "198.19.255.255"),
    *("192.0.0.1", "192.0.0.9", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1"),
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::8.8.8.8", "::127.0.0.1", "::ffff:0:8.8.8.8", "100::1", "1fff::1"),
    *("2001::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:1ff::1", "2001:db8::1"),
    *("3fff::1", "3fff:fff::1", "4000::1", "5f00::1", "8000::1", "c000::1", "e000::1", "f000::1"),
    *("f800::1", "fc00::1", "fd12:3456::1", "fe00::1", "fe80::1", "febf::1", "fec0::1", "feff::1"),
    *("ff02::1", "64:ff9b:1::808:808", "64:ff9b:1:808:8:800::", "64:ff9b:2::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
    *("2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:1::1"),
]

PUBLIC = [
    *("8.8.8.8", "1.1.1.1", "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255"),
    *("100.128.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "223.255.255.255"),
    *("2606:4700::1111", "2001:200::1", "2001:4860::8888", "2000::1", "3ffe:ffff::1"),
    *("::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"),
    "2001:0:808:808:0:0:f7f7:f7f7",
]


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    "text",
    ["2001:0:7f00:1:0:0:f7f7:f7f7", "2001:0:808:808:0:0:80ff:fffe"],
    ids=["server", "client"],
)
def test_both_ends_of_teredo_are_judged(text: str) -> None:
    assert not is_public(ip_address(text))


@given(st.ip_addresses(v=4))
def test_ipv4_is_judged_alike_in_every_spelling(address: IPv4Address) -> None:
    value = int(address)
    spelled = [
        IPv6Address(0xFFFF << 32 | value),
        IPv6Address(0x64FF9B << 96 | value),
        IPv6Address(0x2002 << 112 | value << 80 | 1),
        IPv6Address(0x20010000 << 96 | value << 64 | (value ^ 0xFFFFFFFF)),
    ]
    assert {is_public(each) for each in spelled} == {is_public(address)}
    assert all(address in reached(each) for each in spelled)


@given(st.sampled_from(REFUSED_IPV4), st.data())
def test_networks_of_ipv4_are_refused_from_end_to_end(
    network: IPv4Network, data: st.DataObject
) -> None:
    assert not is_public(data.draw(st.ip_addresses(network=network)))


@given(st.sampled_from(REFUSED_IPV6), st.integers(0, 2**128 - 1))
def test_networks_of_ipv6_are_refused_from_end_to_end(network: IPv6Network, bits: int) -> None:
    value = int(network.network_address) | bits & int(network.hostmask)
    address = IPv6Address(value)
    assert len(reached(address)) > 1 or not is_public(address)


@given(st.ip_addresses(v=6))
def test_what_is_public_is_global_unicast_or_embeds_ipv4(address: IPv6Address) -> None:
    if is_public(address):
        assert address in IPv6Network("2000::/3") or len(reached(address)) > 1


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_nothing_is_public_that_the_standard_library_calls_private(
    address: IPv4Address | IPv6Address,
) -> None:
    if is_public(address) and len(reached(address)) == 1:
        assert address.is_global
        assert not address.is_multicast


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("8.8.8.8", "8.8.8.8", True),
        ("8.8.8.8", "8.8.8.9", False),
        ("8.8.8.8", "::ffff:8.8.8.8", True),
        ("2606:4700:1:2::1", "2606:4700:1:2:ffff::1", True),
        ("2606:4700:1:2::1", "2606:4700:1:3::1", False),
    ],
)
def test_origins(one: str, other: str, *, same: bool) -> None:
    origins = origin_of(ip_address(one)), origin_of(ip_address(other))
    assert None not in origins
    assert (origins[0] == origins[1]) is same


@pytest.mark.parametrize("text", ["127.0.0.1", "::1", "10.0.0.1", "::ffff:172.17.0.1", "fe80::1"])
def test_what_is_behind_a_private_address_cannot_be_told_apart(text: str) -> None:
    assert origin_of(ip_address(text)) is None
