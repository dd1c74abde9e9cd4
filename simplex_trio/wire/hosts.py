"""The hosts of a server address: domain names, onion names, and addresses of IPv4 and IPv6.

An address lists several ways to reach one router, so the kind of each host matters to whoever
chooses among them.  In text an IPv6 host is written in brackets, since a port may follow; on the
wire each host has a length, and is written bare.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from attrs import field, frozen

from simplex_trio.errors import DecodeError
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
"""The most hosts of one address: their count is one byte on the wire."""

_MAX_NAME = 255

# Printable ASCII without what separates the parts of an address.  Whether such a name exists is for
# the resolver to say; international names are written in their ASCII form.
_NAME = re.compile(r"[^\x00-\x20\x7f-\U0010ffff:#,;/\[\]]+")
_ONION = re.compile(r"[a-z0-9]+\.onion")
_IPV4 = re.compile(r"([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)")
_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]+)\]")
_BARE_IPV6 = re.compile(r"[0-9A-Fa-f:.]+")

_LONGEST_IPV6 = len("0000:0000:0000:0000:0000:0000:255.255.255.255")


class _Host(Redacted):
    """What the kinds of hosts share; ``str(host)`` is the text of a host in an address."""

    __slots__ = ()

    @property
    def bare(self) -> str:
        """The text where nothing can follow it: on the wire, and for resolving or connecting."""
        return str(self)

    def encode(self) -> bytes:
        return utf8(self.bare)


@frozen(repr=False)
class DomainHost(_Host):
    """A name to resolve."""

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
    """An onion service, to be reached through a proxy and never resolved."""

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
            raise ValueError("an address with a scope means nothing to anybody else")

    def __str__(self) -> str:
        return f"[{self.bare}]"

    @property
    def bare(self) -> str:
        # Only hexadecimal groups: what embeds dotted IPv4 is not read by every implementation, and
        # the standard library writes one or the other depending on its version.
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
    """The host that begins at ``pos``, and where it ends."""
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
            raise DecodeError("no IPv6 address between brackets")
        return address, found.end()
    if (found := _BARE_IPV6.match(text, pos)) and (address := _ipv6(found.group())):
        return address, found.end()
    try:
        # Whatever begins as an onion name must be one: nobody reads "x.onion.example" as a domain.
        if found := _ONION.match(text, pos):
            return OnionHost(found.group()), found.end()
        if found := _NAME.match(text, pos):
            return DomainHost(found.group()), found.end()
    except ValueError as exc:
        raise DecodeError("a host name that cannot be right") from exc
    raise DecodeError("a host is missing")


def _ipv6(text: str) -> IPv6Host | None:
    if len(text) > _LONGEST_IPV6:
        return None
    try:
        return IPv6Host(IPv6Address(text))
    except AddressValueError:
        return None


def parse_host(text: str) -> Host:
    """The host that ``text`` is, an IPv6 address with or without brackets; else `DecodeError`."""
    host, end = _host_at(text, 0)
    if end != len(text):
        raise DecodeError("something follows the host")
    return host


def parse_hosts(text: str, pos: int = 0) -> tuple[tuple[Host, ...], int]:
    """The hosts between commas from ``pos`` on, at least one, and where the last one ends."""
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
    """Hosts on the wire."""
    return listed(host.encode() for host in hosts)


def decode_host(reader: Reader) -> Host:
    """One host on the wire."""
    return parse_host(reader.utf8())


def decode_hosts(reader: Reader) -> tuple[Host, ...]:
    """Hosts on the wire, at least one."""
    return reader.listed(lambda: decode_host(reader), at_least=1)
