"""Server addresses: the protocol, the hosts and port, and the identity to expect.

The text is ``smp://<key hash>@<host>[,<host>...][:<port>]``, where the key hash is the fingerprint
of the server's identity certificate.  A password (*basic auth*) may follow the key hash.  It says
what a client may do on a server, not which server is meant, so `ServerAddressWithAuth` keeps it
apart from the address, and it never travels with addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import TypeVar, final

from attrs import field
from attrs.validators import and_, deep_iterable, max_len, min_len, optional

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
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
    "each_of",
]

T = TypeVar("T")

_MAX_PORT = 0xFFFF
_MAX_SHORT = 0xFF

_BEFORE_HOSTS = re.compile(r"(smp|ntf|xftp)://([0-9A-Za-z_-]+=*)(?::([^@]+))?@")
_PORT = re.compile(r":([0-9]+)")


class ServerProtocol(Enum):
    """The protocol of a server; the value is the scheme of its addresses."""

    SMP = "smp"
    NTF = "ntf"
    XFTP = "xftp"

    @property
    def default_port(self) -> int:
        """The port for an address that does not name one."""
        return 5223 if self is ServerProtocol.SMP else 443


@final
@frozen(repr=False)
class ServerAddress(Redacted):
    """The hosts, port and identity fingerprint of a server; ``str(address)`` is its text.

    The fingerprint is the SHA-256 of a certificate.  Like the reference, this class accepts other
    lengths too, but no server can match them.
    """

    protocol: ServerProtocol = field(validator=instance_of(ServerProtocol))
    hosts: tuple[Host, ...] = field(
        validator=deep_iterable(
            instance_of(Host), and_(instance_of(tuple), min_len(1), max_len(MAX_HOSTS))
        )
    )
    port: int | None = field(validator=optional(instance_of(int)))
    """The port in the address, if there is one; see `effective_port`."""
    key_hash: bytes = field(validator=and_(instance_of(bytes), max_len(_MAX_SHORT)))

    def __attrs_post_init__(self) -> None:
        if self.port is not None and not 0 <= self.port <= _MAX_PORT:
            raise ValueError(f"a port is at most {_MAX_PORT}")

    @property
    def effective_port(self) -> int:
        """The port to connect to."""
        return self.protocol.default_port if self.port is None else self.port

    def __str__(self) -> str:
        return self._text(self.hosts)

    @property
    def first_host_text(self) -> str:
        """The address with its first host only, for readers that support one host."""
        return self._text(self.hosts[:1])

    def _text(self, hosts: tuple[Host, ...], password: str = "") -> str:
        names = ",".join(map(str, hosts))
        port = "" if self.port is None else f":{self.port}"
        return f"{self.protocol.value}://{to_base64url(self.key_hash)}{password}@{names}{port}"

    @classmethod
    def parse(cls, text: str) -> ServerAddress:
        """Parse an address without a password; raise `DecodeError` for other text."""
        server = ServerAddressWithAuth.parse(text)
        if server.basic_auth is not None:
            raise DecodeError("a password is not allowed in this address")
        return server.address

    def encode(self) -> bytes:
        """Return the wire form; it omits the protocol, which is known from context."""
        return encode_hosts(self.hosts) + self._after_hosts()

    @classmethod
    def decode(cls, reader: Reader, protocol: ServerProtocol = ServerProtocol.SMP) -> ServerAddress:
        hosts = decode_hosts(reader)
        return cls(protocol, hosts, _decode_port(reader), reader.short())

    def encode_legacy(self) -> bytes:
        """Return the wire form from before addresses had several hosts; drops all but the first."""
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
    """An address as users write it: with the server's password, if it has one."""

    address: ServerAddress = field(validator=instance_of(ServerAddress))
    basic_auth: bytes | None = field(default=None, validator=optional(instance_of(bytes)))

    def __attrs_post_init__(self) -> None:
        auth = self.basic_auth
        if auth is not None and not (auth and is_basic_auth(auth)):
            raise ValueError("a password is printable and has no spaces, '@', ':' or '/'")

    def __str__(self) -> str:
        if self.basic_auth is None:
            return str(self.address)
        password = self.basic_auth.decode("utf-8", "surrogateescape")
        return self.address._text(self.address.hosts, f":{password}")

    @classmethod
    def parse(cls, text: str) -> ServerAddressWithAuth:
        """Parse an address with or without a password; raise `DecodeError` for other text."""
        start = _BEFORE_HOSTS.match(text)
        if start is None:
            raise DecodeError("not a server address, such as smp://...@smp.example.com")
        scheme, key_hash, password = start.groups()
        hosts, end = parse_hosts(text, start.end())
        port = None
        if after := _PORT.match(text, end):
            port, end = decimal(after.group(1), _MAX_PORT), after.end()
        if end != len(text):
            raise DecodeError("trailing text after a server address")
        try:
            address = ServerAddress(ServerProtocol(scheme), hosts, port, from_base64url(key_hash))
            auth = None if password is None else password.encode("utf-8", "surrogateescape")
            return cls(address, auth)
        except ValueError as exc:
            raise DecodeError("a server address with an invalid part") from exc


def each_of(servers: Iterable[T]) -> Iterable[T]:
    """The servers as they are given; `TypeError` for one that is given in place of a list.

    A text would be taken for a list of its letters.
    """
    if isinstance(servers, str | ServerAddress | ServerAddressWithAuth):
        raise TypeError("a list of servers is needed, such as [address], and this is one server")
    return servers


def _decode_port(reader: Reader) -> int | None:
    digits = reader.utf8()
    return decimal(digits, _MAX_PORT) if digits else None
