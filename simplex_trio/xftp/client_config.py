"""How a client reaches an XFTP router: addresses in any form, and `XFTPClientConfig`."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable

from attrs import field
from attrs.validators import ge, gt

from simplex_trio.engine.timeouts import CONNECT_TIMEOUTS, Timeouts
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.transport.config import ConnectConfig
from simplex_trio.transport.connect import Dialer, open_transport
from simplex_trio.wire.addresses import (
    ServerAddress,
    ServerAddressWithAuth,
    ServerProtocol,
    each_of,
)
from simplex_trio.wire.versions import XFTP_VERSIONS, VersionRange
from simplex_trio.xftp.http2.limits import Http2Limits

__all__ = ["AnyServer", "XFTPClientConfig", "server_with_auth", "servers_with_auth"]

_KIB = 1024

AnyServer = ServerAddress | ServerAddressWithAuth | str
"""An address, with or without the router's password, or its text."""


@frozen(repr=False)
class XFTPClientConfig(Redacted):
    """How to reach a router, and time-outs for its answers."""

    connect: ConnectConfig = field(factory=ConnectConfig)
    connect_timeouts: Timeouts = CONNECT_TIMEOUTS
    versions: VersionRange = XFTP_VERSIONS
    request_seconds: float = field(default=30, validator=gt(0))
    """For an answer, and for each next byte of a body."""
    seconds_per_kib: float = field(default=0.1, validator=gt(0))
    """Added for the size of a body: a router that sends or accepts fewer than 10 KiB per second
    times out."""
    sending: int = field(default=3, validator=ge(1))
    """Requests that are being sent at a time, from their first byte to their last.  Routers of the
    reference implementation process three; when a fourth one fills the window of the connection
    with data that the router does not read, the other three wait forever."""
    limits: Http2Limits = field(factory=Http2Limits)
    random: Callable[[int], bytes] = secrets.token_bytes
    dial: Dialer = open_transport
    """Opens the TLS connection."""

    def body_seconds(self, size: int) -> float:
        """The time-out of a request with a body."""
        return self.request_seconds + self.seconds_per_kib * size / _KIB


def servers_with_auth(servers: Iterable[AnyServer]) -> tuple[ServerAddressWithAuth, ...]:
    """The addresses of XFTP routers; raises what `server_with_auth` raises.

    `TypeError` for one that is given in place of a list.
    """
    return tuple(map(server_with_auth, each_of(servers)))


def server_with_auth(server: AnyServer) -> ServerAddressWithAuth:
    """The address of an XFTP router, and its password if there is one.

    Raises `DecodeError` for a text that is not an address, and `ValueError` for the address of a
    router of another protocol.
    """
    if isinstance(server, str):
        server = ServerAddressWithAuth.parse(server)
    elif isinstance(server, ServerAddress):
        server = ServerAddressWithAuth(server)
    if server.address.protocol is not ServerProtocol.XFTP:
        raise ValueError("an XFTP router is needed, and this is the address of another kind")
    return server
