"""The text of a file description: YAML that lists packets by the router that stores them.

Each packet of a router is a line, ``number:id:key[:digest[:size]]``.  The first replica of a packet
has the digest, and the size if it differs from the usual one; other replicas may repeat them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from attrs import define, field

from simplex_trio.crypto.keys import auth_private_key
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.hosts import DomainHost, Host, IPv4Host, IPv6Host, OnionHost
from simplex_trio.wire.text import decimal, from_base64url, to_base64url
from simplex_trio.wire.xftp.description import (
    MAX_PACKET_SIZE,
    FileDescription,
    FileParty,
    Packet,
    Redirect,
    Replica,
)
from simplex_trio.wire.xftp.yaml_subset import Node, parse_yaml, quoted

__all__ = [
    "MAX_DESCRIPTION_SIZE",
    "MESSAGE_PART_SIZE",
    "decode_description",
    "description_parts",
    "encode_description",
    "format_size",
    "parse_size",
]

MAX_DESCRIPTION_SIZE = 2 * 1024 * 1024
"""The most bytes of text that are parsed: enough for five replicas of 5 GiB in packets of 4 MiB, or
for one in packets of 256 KiB."""

MESSAGE_PART_SIZE = 14_000
"""Characters of a description that the reference's chat puts into one message."""

_MAX_SIZE = 2**63 - 1
_MAX_NUMBER = MAX_DESCRIPTION_SIZE

_UNITS = (("gb", 1024**3), ("mb", 1024**2), ("kb", 1024))
_SIZE = re.compile(r"([0-9]+)(kb|mb|gb)?")


# --- sizes --------------------------------------------------------------------------------------


def format_size(size: int) -> str:
    """Format a size in the largest unit that divides it."""
    for unit, factor in _UNITS:
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def parse_size(text: str, limit: int = _MAX_SIZE) -> int:
    """Parse a size in bytes; raise `DecodeError` if it is invalid or above ``limit``."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise DecodeError("not a size")
    factor = dict(_UNITS).get(found[2], 1)
    return decimal(found[1], limit // factor) * factor


def _size_as_scalar(size: int) -> str:
    text = format_size(size)
    return quoted(text) if text.isdigit() else text


# --- writing ------------------------------------------------------------------------------------


@frozen(repr=False)
class _Line(Redacted):
    """A replica as one line under its router."""

    number: int
    server: ServerAddress
    replica: Replica
    digest: bytes | None
    size: int | None

    def __str__(self) -> str:
        replica = self.replica
        parts = [str(self.number), to_base64url(replica.id), to_base64url(replica.key.der)]
        if self.digest is not None:
            parts.append(to_base64url(self.digest))
            if self.size is not None:
                parts.append(format_size(self.size))
        return ":".join(parts)


def encode_description(description: FileDescription) -> str:
    """Return the text form, as the reference writes it."""
    lines = [
        f"chunkSize: {_size_as_scalar(description.packet_size)}",
        f"digest: {to_base64url(description.digest)}",
        f"key: {to_base64url(description.key)}",
        f"nonce: {to_base64url(description.nonce)}",
        f"party: {description.party.value}",
    ]
    if description.redirect is not None:
        lines += [
            "redirect:",
            f"  digest: {to_base64url(description.redirect.digest)}",
            f"  size: {description.redirect.size}",
        ]
    lines.append("replicas:")
    for server, listed in _by_server(description):
        lines.append("- chunks:")
        lines += [f"  - {each}" for each in listed]
        lines.append(f"  server: {server}")
    lines.append(f"size: {_size_as_scalar(description.size)}")
    return "\n".join(lines) + "\n"


def description_parts(text: str, size: int = MESSAGE_PART_SIZE) -> tuple[str, ...]:
    """The text of a description in parts for messages, in order; together they are the text."""
    return tuple(text[start : start + size] for start in range(0, len(text), size))


def _by_server(description: FileDescription) -> Iterator[tuple[ServerAddress, list[_Line]]]:
    groups: dict[ServerAddress, list[_Line]] = {}
    for number, packet in enumerate(description.packets, 1):
        size = None if packet.size == description.packet_size else packet.size
        for position, replica in enumerate(packet.replicas):
            digest = packet.digest if position == 0 else None
            line = _Line(number, replica.server, replica, digest, size)
            groups.setdefault(replica.server, []).append(line)
    for server in sorted(groups, key=_order):
        yield server, groups[server]


_KINDS: tuple[type[Host], ...] = (IPv4Host, IPv6Host, OnionHost, DomainHost)


def _order(server: ServerAddress) -> tuple[object, ...]:
    hosts = tuple((_KINDS.index(type(host)), str(host)) for host in server.hosts)
    port = "" if server.port is None else str(server.port)
    return hosts, port, server.key_hash


# --- reading ------------------------------------------------------------------------------------


@define
class _PacketParts:
    """Collects the lines about one packet."""

    size: int | None = None
    digest: bytes | None = None
    replicas: list[Replica] = field(factory=list)

    def add(self, line: _Line) -> None:
        if None not in (self.size, line.size) and self.size != line.size:
            raise DecodeError("a packet has two sizes")
        if None not in (self.digest, line.digest) and self.digest != line.digest:
            raise DecodeError("a packet has two digests")
        self.size = line.size if self.size is None else self.size
        self.digest = line.digest if self.digest is None else self.digest
        self.replicas.append(line.replica)

    def packet(self, usual_size: int) -> Packet:
        if self.digest is None:
            raise DecodeError("a packet has no digest")
        size = usual_size if self.size is None else self.size
        return Packet(size, self.digest, tuple(self.replicas))


def decode_description(text: str | bytes) -> FileDescription:
    """Parse a description; raise `DecodeError` if it is invalid."""
    if len(text) > MAX_DESCRIPTION_SIZE:
        raise DecodeError("the description is too long")
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError as exc:
            raise DecodeError("the description is not UTF-8") from exc
    fields = parse_yaml(text)
    usual_size = parse_size(_text(fields, "chunkSize"), MAX_PACKET_SIZE)
    return FileDescription(
        party=_party(_text(fields, "party")),
        size=parse_size(_text(fields, "size")),
        digest=from_base64url(_text(fields, "digest")),
        key=from_base64url(_text(fields, "key")),
        nonce=from_base64url(_text(fields, "nonce")),
        packet_size=usual_size,
        packets=_packets(fields.get("replicas"), usual_size),
        redirect=_redirect(fields.get("redirect")),
    )


def _text(fields: Mapping[str, Node], key: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str):
        raise DecodeError(f"the description has no {key}")
    return value


def _party(text: str) -> FileParty:
    try:
        return FileParty(text)
    except ValueError as exc:
        raise DecodeError("the party of the description is unknown") from exc


def _redirect(value: Node) -> Redirect | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise DecodeError("the redirect is not a mapping")
    return Redirect(parse_size(_text(value, "size")), from_base64url(_text(value, "digest")))


def _packets(value: Node, usual_size: int) -> tuple[Packet, ...]:
    parts: dict[int, _PacketParts] = {}
    for line in _listed(value):
        parts.setdefault(line.number, _PacketParts()).add(line)
    if sorted(parts) != list(range(1, len(parts) + 1)):
        raise DecodeError("packets are missing")
    return tuple(parts[number].packet(usual_size) for number in range(1, len(parts) + 1))


def _listed(value: Node) -> Iterator[_Line]:
    if not isinstance(value, list):
        raise DecodeError("the description has no list of replicas")
    for group in value:
        if not isinstance(group, dict):
            raise DecodeError("a router in the description is not a mapping")
        server = ServerAddress.parse(_text(group, "server"))
        if server.protocol is not ServerProtocol.XFTP:
            raise DecodeError("a router in the description is not an XFTP router")
        chunks = group.get("chunks")
        if not isinstance(chunks, list):
            raise DecodeError("a router in the description has no list of packets")
        for each in chunks:
            if not isinstance(each, str):
                raise DecodeError("a packet in the description is not a line of text")
            yield _parse_line(server, each)


def _parse_line(server: ServerAddress, text: str) -> _Line:
    parts = text.split(":")
    if not 3 <= len(parts) <= 5:
        raise DecodeError("a packet in the description has too few or too many parts")
    number, replica_id, key, *rest = parts
    return _Line(
        decimal(number, _MAX_NUMBER),
        server,
        Replica(server, from_base64url(replica_id), auth_private_key(from_base64url(key))),
        from_base64url(rest[0]) if rest else None,
        parse_size(rest[1], MAX_PACKET_SIZE) if len(rest) > 1 else None,
    )
