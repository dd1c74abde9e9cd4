"""Which IP addresses lead to one machine in the public internet, and which do not.  Pure.

The table is the one of IANA's registries of special-purpose addresses, written out here: the
`ipaddress` module has others in other versions of Python.  Several kinds of IPv6 addresses are only
another way to write one of IPv4, or a tunnel to it; they are judged by that one, too.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, NewType

__all__ = [
    "REFUSED_IPV4",
    "REFUSED_IPV6",
    "IPAddress",
    "Origin",
    "is_public",
    "origin_of",
    "reached",
]

IPAddress = IPv4Address | IPv6Address

REFUSED_IPV4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network, and the unspecified address: RFC 791, RFC 1122
            "10.0.0.0/8",  # private: RFC 1918
            "100.64.0.0/10",  # shared behind the NAT of a provider: RFC 6598
            "127.0.0.0/8",  # loopback: RFC 1122
            "169.254.0.0/16",  # link-local, and the metadata of clouds: RFC 3927
            "172.16.0.0/12",  # private: RFC 1918
            "192.0.0.0/24",  # protocol assignments: RFC 6890
            "192.0.2.0/24",  # documentation: RFC 5737
            "192.88.99.0/24",  # the relays of 6to4, of any network: RFC 7526
            "192.168.0.0/16",  # private: RFC 1918
            "198.18.0.0/15",  # benchmarks: RFC 2544
            "198.51.100.0/24",  # documentation: RFC 5737
            "203.0.113.0/24",  # documentation: RFC 5737
            "224.0.0.0/4",  # multicast: RFC 5771
            "240.0.0.0/4",  # reserved, and broadcast: RFC 1112, RFC 919
        ),
    )
)
"""The networks of IPv4 that are not public."""

REFUSED_IPV6: Final = tuple(
    map(
        IPv6Network,
        (
            "::/3",  # unspecified, loopback, IPv4 in IPv6, discard: RFC 4291, RFC 6666
            "2001::/23",  # protocol assignments, of which Teredo is judged apart: RFC 2928
            "2001:db8::/32",  # documentation: RFC 3849
            "3fff::/20",  # documentation: RFC 9637
            "4000::/2",  # not assigned, and SRv6: RFC 4291, RFC 9602
            "8000::/2",  # not assigned: RFC 4291
            "c000::/3",  # not assigned: RFC 4291
            "e000::/4",  # not assigned: RFC 4291
            "f000::/5",  # not assigned: RFC 4291
            "f800::/6",  # not assigned: RFC 4291
            "fc00::/7",  # unique local: RFC 4193
            "fe00::/9",  # not assigned: RFC 4291
            "fe80::/10",  # link-local: RFC 4291
            "fec0::/10",  # site-local: RFC 3879
            "ff00::/8",  # multicast: RFC 4291
        ),
    )
)
"""The networks of IPv6 that are not public: those outside of 2000::/3, and some inside.

The local-use prefix of NAT64, 64:ff9b:1::/48 of RFC 8215, is among them: how an address of IPv4 is
written in it is for the operator of that network to choose, so that it cannot be judged by it."""

_MAPPED = IPv6Network("::ffff:0:0/96")  # RFC 4291
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_6TO4 = IPv6Network("2002::/16")  # RFC 3056
_TEREDO = IPv6Network("2001::/32")  # RFC 4380

_32_BITS = 0xFFFFFFFF


def _embedded(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """The addresses of IPv4 by which this one of IPv6 is to be judged."""
    value = int(address)
    if address in _MAPPED or address in _NAT64:
        return (IPv4Address(value & _32_BITS),)
    if address in _6TO4:
        return (IPv4Address(value >> 80 & _32_BITS),)
    if address in _TEREDO:  # its server, and the client, which is written with all bits turned
        return (IPv4Address(value >> 64 & _32_BITS), IPv4Address(~value & _32_BITS))
    return ()


def reached(address: IPAddress) -> tuple[IPAddress, ...]:
    """The address itself, and those of IPv4 that a connection to it leads to."""
    if isinstance(address, IPv4Address):
        return (address,)
    return (address, *_embedded(address))


def is_public(address: IPAddress) -> bool:
    """Whether an address belongs to the public internet and to one machine in it."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in REFUSED_IPV4)
    if embedded := _embedded(address):
        return all(map(is_public, embedded))
    return not any(address in network for network in REFUSED_IPV6)


Origin = NewType("Origin", bytes)
"""The address of a client as limits count it: see `origin_of`."""


def origin_of(address: IPAddress) -> Origin | None:
    """What a limit for each address counts as one: an address of IPv4, or a /64 of IPv6.

    One household or machine mostly has a /64, and may choose its addresses from it.  `None`, and so
    no limit, for an address that is not public: behind it may be any number of clients, those of an
    onion service or of a reverse proxy.
    """
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if not is_public(address):
        return None
    return Origin(address.packed[:8])
