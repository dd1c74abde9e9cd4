"""The hosts in a server address: domain names, onion names, IPv4 and IPv6 addresses.

An address lists several ways to reach one router, and the kinds of its hosts decide which of them a
client may use.  In text IPv6 hosts are in brackets, since a port may follow; on the wire each host
has a length and no brackets.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from attrs import field

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.buffer import Reader, listed, utf8
from simplex_trio.wire.text import decimal

__all__ = [
    "MAX_HOSTS",
    "DomainHost",
    "Host",
    "IPv4Host",
    "IPv6Host",
    "OnionHost",
    "decode_host",
    "decode_hosts",
    "encode_hosts",
    "parse_host",
    "parse_hosts",
]

MAX_HOSTS = 255
"""The most hosts in one address: their count is one byte on the wire."""

_MAX_NAME = 255

# Printable ASCII except the characters that separate the parts of an address.  Whether the name
# exists is for the resolver to find out; international names are in their ASCII form.
_NAME = re.compile(r"[^\x00-\x20\x7f-\U0010ffff:#,;/\[\]]+")
_ONION = re.compile(r"[a-z0-9]+\.onion")
_IPV4 = re.compile(r"([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)")
_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]+)\]")
_BARE_IPV6 = re.compile(r"[0-9A-Fa-f:.]+")

_LONGEST_IPV6 = len("0000:0000:0000:0000:0000:0000:255.255.255.255")


class _Host(Redacted):
    """Base of all hosts; ``str(host)`` is the text in an address."""

    __slots__ = ()

    @property
    def bare(self) -> str:
        """The text without brackets, for the wire, and for resolving or connecting."""
        return str(self)

    def encode(self) -> bytes:
        return utf8(self.bare)


@frozen(repr=False)
class DomainHost(_Host):
    """A name for the resolver."""

    name: str = field(validator=instance_of(str))

    def __attrs_post_init__(self) -> None:
        if len(self.name) > _MAX_NAME or not _NAME.fullmatch(self.name):
            raise ValueError("not a domain name")
        # In any spelling: a resolver must never see the name of an onion service.
        if self.name.rstrip(".").lower().endswith(".onion"):
            raise ValueError("an onion name is not a domain name")

    def __str__(self) -> str:
        return self.name


@frozen(repr=False)
class OnionHost(_Host):
    """An onion service: reached through a proxy, never resolved."""

    name: str = field(validator=instance_of(str))

    def __attrs_post_init__(self) -> None:
        if len(self.name) > _MAX_NAME or not _ONION.fullmatch(self.name):
            raise ValueError("not an onion name")

    def __str__(self) -> str:
        return self.name


@frozen(repr=False)
class IPv4Host(_Host):
    address: IPv4Address = field(validator=instance_of(IPv4Address))

    def __str__(self) -> str:
        return str(self.address)


@frozen(repr=False)
class IPv6Host(_Host):
    address: IPv6Address = field(validator=instance_of(IPv6Address))

    def __attrs_post_init__(self) -> None:
        if self.address.scope_id is not None:
            raise ValueError("an IPv6 address with a scope is only valid on its own machine")

    def __str__(self) -> str:
        return f"[{self.bare}]"

    @property
    def bare(self) -> str:
        # Hexadecimal groups only: not every implementation reads dotted IPv4 inside IPv6, and
        # whether the standard library writes it depends on the version of Python.
        packed = self.address.packed
        groups = [f"{packed[i] << 8 | packed[i + 1]:x}" for i in range(0, 16, 2)]
        start, size = _longest_run_of_zeros(groups)
        if size < 2:
            return ":".join(groups)
        return ":".join(groups[:start]) + "::" + ":".join(groups[start + size :])


Host = DomainHost | OnionHost | IPv4Host | IPv6Host
"""A host of any kind; ``str(host)`` is its text, ``host.bare`` the same without brackets."""


def _longest_run_of_zeros(groups: list[str]) -> tuple[int, int]:
    best = (0, 0)
    start = 0
    for i, group in enumerate(groups):
        if group != "0":
            start = i + 1
        elif i + 1 - start > best[1]:
            best = (start, i + 1 - start)
    return best


def _host_at(text: str, pos: int) -> tuple[Host, int]:
    """Parse the host that begins at ``pos``; return it and its end."""
    if found := _IPV4.match(text, pos):
        try:
            start = [decimal(digits, 255) for digits in found.groups()[:3]]
        except DecodeError:
            pass  # a name that merely looks like an address
        else:
            octets = bytes([*start, decimal(found.group(4), 255)])
            return IPv4Host(IPv4Address(octets)), found.end()
    if found := _BRACKETED.match(text, pos):
        address = _ipv6(found.group(1))
        if address is None:
            raise DecodeError("not an IPv6 address in brackets")
        return address, found.end()
    if (found := _BARE_IPV6.match(text, pos)) and (address := _ipv6(found.group())):
        return address, found.end()
    try:
        # Anything that begins as an onion name must be one: "x.onion.example" is never read as a
        # domain.
        if found := _ONION.match(text, pos):
            return OnionHost(found.group()), found.end()
        if found := _NAME.match(text, pos):
            return DomainHost(found.group()), found.end()
    except ValueError as exc:
        raise DecodeError("an invalid host name") from exc
    raise DecodeError("the host is missing")


def _ipv6(text: str) -> IPv6Host | None:
    if len(text) > _LONGEST_IPV6:
        return None
    try:
        return IPv6Host(IPv6Address(text))
    except AddressValueError:
        return None


def parse_host(text: str) -> Host:
    """Parse a host, IPv6 with or without brackets; raise `DecodeError` for other text."""
    host, end = _host_at(text, 0)
    if end != len(text):
        raise DecodeError("trailing text after the host")
    return host


def parse_hosts(text: str, pos: int = 0) -> tuple[tuple[Host, ...], int]:
    """Parse one or more hosts between commas, from ``pos`` on; return them and their end."""
    hosts: list[Host] = []
    while True:
        host, pos = _host_at(text, pos)
        hosts.append(host)
        if len(hosts) > MAX_HOSTS:
            raise DecodeError(f"more than {MAX_HOSTS} hosts")
        if not text.startswith(",", pos):
            return tuple(hosts), pos
        pos += 1


def encode_hosts(hosts: tuple[Host, ...]) -> bytes:
    """Encode hosts for the wire."""
    return listed(host.encode() for host in hosts)


def decode_host(reader: Reader) -> Host:
    """Read one host."""
    return parse_host(reader.utf8())


def decode_hosts(reader: Reader) -> tuple[Host, ...]:
    """Read a list of at least one host."""
    return reader.listed(lambda: decode_host(reader), at_least=1)
