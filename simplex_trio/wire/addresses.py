"""Addresses of servers: which protocol, which hosts and port, and whose identity to expect.

The text is ``smp://<key hash>@<host>[,<host>...][:<port>]``, where the key hash is the fingerprint
of the server's identity certificate.  A password (*basic auth*) may follow the key hash; it says
what a client may do there and not which server is meant, so it is kept apart from the address
(`ServerAddressWithAuth`) and never goes where addresses go.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import final

from attrs import field, frozen
from attrs.validators import and_, deep_iterable, max_len, min_len, optional

from simplex_trio.errors import DecodeError
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.basic_auth import is_basic_auth
from simplex_trio.wire.buffer import Reader, short
from simplex_trio.wire.hosts import (
    MAX_HOSTS,
    Host,
    decode_host,
    decode_hosts,
    encode_hosts,
    parse_hosts,
)
from simplex_trio.wire.text import decimal, from_base64url, to_base64url

__all__ = [
    "ServerAddress",
    "ServerAddressWithAuth",
    "ServerProtocol",
]

_MAX_PORT = 0xFFFF
_MAX_SHORT = 0xFF

_BEFORE_HOSTS = re.compile(r"(smp|ntf|xftp)://([0-9A-Za-z_-]+=*)(?::([^@]+))?@")
_PORT = re.compile(r":([0-9]+)")

# Printable characters of Latin-1 other than those that end a password in an address.


class ServerProtocol(Enum):
    """What a server speaks; the value is the scheme of its address."""

    SMP = "smp"
    NTF = "ntf"
    XFTP = "xftp"

    @property
    def default_port(self) -> int:
        """The port of an address that names none."""
        return 5223 if self is ServerProtocol.SMP else 443


@final
@frozen(repr=False)
class ServerAddress(Redacted):
    """Where a server is, and the fingerprint of its identity; ``str(address)`` is its text.

    The fingerprint is the SHA-256 of a certificate.  Other lengths are read too, as the reference
    does; no server can match them.
    """

    protocol: ServerProtocol = field(validator=instance_of(ServerProtocol))
    hosts: tuple[Host, ...] = field(
        validator=deep_iterable(
            instance_of(Host), and_(instance_of(tuple), min_len(1), max_len(MAX_HOSTS))
        )
    )
    port: int | None = field(validator=optional(instance_of(int)))
    """The port that the address names, if it does; see `effective_port`."""
    key_hash: bytes = field(validator=and_(instance_of(bytes), max_len(_MAX_SHORT)))

    def __attrs_post_init__(self) -> None:
        if self.port is not None and not 0 <= self.port <= _MAX_PORT:
            raise ValueError(f"a port is a number up to {_MAX_PORT}")

    @property
    def effective_port(self) -> int:
        """The port to connect to."""
        return self.protocol.default_port if self.port is None else self.port

    def __str__(self) -> str:
        return self._text(self.hosts)

    @property
    def first_host_text(self) -> str:
        """The address with its first host only, for readers that know no more than one."""
        return self._text(self.hosts[:1])

    def _text(self, hosts: tuple[Host, ...], password: str = "") -> str:
        names = ",".join(map(str, hosts))
        port = "" if self.port is None else f":{self.port}"
        return f"{self.protocol.value}://{to_base64url(self.key_hash)}{password}@{names}{port}"

    @classmethod
    def parse(cls, text: str) -> ServerAddress:
        """Read an address; a password in it is a `DecodeError` too, as it does not belong here."""
        server = ServerAddressWithAuth.parse(text)
        if server.basic_auth is not None:
            raise DecodeError("an address with a password where none belongs")
        return server.address

    def encode(self) -> bytes:
        """The address on the wire, where the protocol is known from the context."""
        return encode_hosts(self.hosts) + self._after_hosts()

    @classmethod
    def decode(cls, reader: Reader, protocol: ServerProtocol = ServerProtocol.SMP) -> ServerAddress:
        hosts = decode_hosts(reader)
        return cls(protocol, hosts, _decode_port(reader), reader.short())

    def encode_legacy(self) -> bytes:
        """The address as it was when there was one host; the others are lost."""
        return self.hosts[0].encode() + self._after_hosts()

    @classmethod
    def decode_legacy(
        cls, reader: Reader, protocol: ServerProtocol = ServerProtocol.SMP
    ) -> ServerAddress:
        host = decode_host(reader)
        return cls(protocol, (host,), _decode_port(reader), reader.short())

    def _after_hosts(self) -> bytes:
        port = b"" if self.port is None else b"%d" % self.port
        return short(port) + short(self.key_hash)


@final
@frozen(repr=False)
class ServerAddressWithAuth(Redacted):
    """An address as a user has it: with the password of the server, if it needs one."""

    address: ServerAddress = field(validator=instance_of(ServerAddress))
    basic_auth: bytes | None = field(default=None, validator=optional(instance_of(bytes)))

    def __attrs_post_init__(self) -> None:
        auth = self.basic_auth
        if auth is not None and not (auth and is_basic_auth(auth)):
            raise ValueError("a password is printable, and without spaces, '@', ':' and '/'")

    def __str__(self) -> str:
        if self.basic_auth is None:
            return str(self.address)
        password = self.basic_auth.decode("utf-8", "surrogateescape")
        return self.address._text(self.address.hosts, f":{password}")

    @classmethod
    def parse(cls, text: str) -> ServerAddressWithAuth:
        """Read an address with or without a password; anything else raises `DecodeError`."""
        start = _BEFORE_HOSTS.match(text)
        if start is None:
            raise DecodeError("not the address of a server")
        scheme, key_hash, password = start.groups()
        hosts, end = parse_hosts(text, start.end())
        port = None
        if after := _PORT.match(text, end):
            port, end = decimal(after.group(1), _MAX_PORT), after.end()
        if end != len(text):
            raise DecodeError("something follows the address of a server")
        try:
            address = ServerAddress(ServerProtocol(scheme), hosts, port, from_base64url(key_hash))
            auth = None if password is None else password.encode("utf-8", "surrogateescape")
            return cls(address, auth)
        except ValueError as exc:
            raise DecodeError("the address of a server with a part that cannot be right") from exc


def _decode_port(reader: Reader) -> int | None:
    digits = reader.utf8()
    return decimal(digits, _MAX_PORT) if digits else None
