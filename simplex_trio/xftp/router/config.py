"""What an operator says about an XFTP router: `XFTPRouterConfig` and its parts."""

from __future__ import annotations

from pathlib import Path

from attrs import Factory, field, frozen
from attrs.validators import deep_iterable, ge, gt, le, max_len, min_len, optional

from simplex_trio.errors import DecodeError
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.basic_auth import is_basic_auth
from simplex_trio.wire.hosts import MAX_HOSTS, parse_host
from simplex_trio.wire.xftp.packet_sizes import PACKET_SIZES

__all__ = ["PacketPolicy", "XFTPClientLimits", "XFTPRouterConfig"]

_MAX_PORT = 0xFFFF
_MAX_PACKET_SIZE = 64 * 1024 * 1024
_GIB = 1024**3


def _is_password(_instance: object, _attribute: object, value: str | None) -> None:
    if value is not None and not (value and value.isascii() and is_basic_auth(value.encode())):
        raise ValueError("a password is printable, and without spaces, '@', ':' and '/'")


def _is_host(_instance: object, _attribute: object, value: str) -> None:
    try:
        parse_host(value)
    except DecodeError as exc:
        raise ValueError("a host of the router's address cannot be right") from exc


_sizes = deep_iterable([instance_of(int), ge(1), le(_MAX_PACKET_SIZE)], instance_of(tuple))


@frozen(kw_only=True, repr=False)
class PacketPolicy(Redacted):
    """Which packets a router takes, and for how long."""

    sizes: tuple[int, ...] = field(
        default=PACKET_SIZES,
        validator=[_sizes, min_len(1)],
    )
    """In bytes; others are refused."""
    quota: int = field(default=10 * _GIB, validator=ge(0))
    """Bytes of packets on the disk, of those that are being uploaded as many as have arrived; when
    it is reached nothing more is taken until some are deleted, or expire."""
    expiry_hours: int = field(default=48, validator=ge(1))
    """Counted from the end of the hour in which a packet was registered, as in the reference."""
    max_packets: int = field(default=1_000_000, validator=ge(1))
    """Registered packets.  When it is reached packets that have no body make room, the oldest
    first, if they were registered more than an hour ago; otherwise nothing is registered."""
    max_record_bytes: int = field(default=_GIB, validator=ge(0))
    """Bytes of the records about packets and their recipients, with bodies or without; a packet of
    which there is nothing but recipients could have half a megabyte of them.  The same happens as
    for ``max_packets``.  A tenth of the quota is four million records, or 25 for each of the
    smallest packets that fit into the quota."""
    max_recipients: int = field(default=2048, validator=ge(1))
    """Of one packet, as many as a sender can describe a file to after rounding up."""
    accept_new: bool = True
    """Whether packets may be registered at all; a router that is to be closed serves what it has.
    """
    password: str | None = field(default=None, validator=[optional(instance_of(str)), _is_password])
    """What senders must know to register packets; recipients never need it."""

    def takes_size(self, size: int) -> bool:
        return size in self.sizes


@frozen(kw_only=True)
class XFTPClientLimits:
    """What a client may take, and for how long it is waited; times in seconds."""

    connections: int = field(default=10_000, validator=ge(1))
    """The most at a time."""
    max_connections_per_address: int = field(default=1000, validator=ge(1))
    """The most from one public address of IPv4, or one /64 of IPv6; another one is closed at once.
    A tenth of all, so that it takes ten addresses to use all of them up, and far more than the
    clients behind the NAT of a provider or a Tor exit have at a time.  Addresses that are not
    public have no such limit: behind them are onion services, and reverse proxies."""
    requests: int = field(default=100, validator=ge(1))
    """Of one connection at a time; a client that begins more breaks the rules of HTTP/2."""
    buffered: int = field(default=1024 * 1024, validator=ge(64 * 1024))
    """Bytes of bodies of one connection that have arrived and are not on the disk yet."""
    open_files: int = field(default=2000, validator=ge(1))
    """Bodies and pages in transfer at a time, each of which is an open file: a tenth of the 20,000
    of which ``connections`` takes half.  An address may have as many of them as are still free, so
    half if it is the only one; all addresses that are not public count as one.  Beyond that a
    client is answered with TIMEOUT, after which clients try again, and a browser with 503."""
    open_files_per_connection: int = field(default=32, validator=ge(1))
    """Several times what clients have under way at a time, for those that use many streams."""
    tls_seconds: float = field(default=60, validator=gt(0))
    handshake_seconds: float = field(default=60, validator=gt(0))
    """For the handshake after that."""
    crowded_handshake_seconds: float = field(default=10, validator=gt(0))
    """For either of the two while more than half of all places are taken."""
    request_seconds: float = field(default=60, validator=gt(0))
    """For the block that a request begins with, and for each next piece of a body, either way."""
    body_seconds: float = field(default=300, validator=gt(0))
    """For the body of a packet, either way, as in the reference."""
    idle_seconds: float = field(default=6 * 3600, validator=gt(0))
    """After so long without a request a client is disconnected."""


_ports = deep_iterable([instance_of(int), ge(0), le(_MAX_PORT)], instance_of(tuple))


@frozen(repr=False, kw_only=True)
class XFTPRouterConfig(Redacted):
    """Everything about a router."""

    hosts: tuple[str, ...] = field(
        default=("localhost",),
        validator=deep_iterable([instance_of(str), _is_host], [min_len(1), max_len(MAX_HOSTS)]),
    )
    """The names and addresses under which clients find the router: they make its address."""
    listen: str | None = None
    """The interface to listen on; `None` for all of the machine, over IPv6 and IPv4."""
    ports: tuple[int, ...] = field(default=(443,), validator=[_ports, min_len(1)])
    """The ports to listen on, 0 for one that the system chooses; the first is in the address."""
    folder: Path | None = None
    """Where packets are kept, and the records about them; without one, in a temporary folder that
    is removed in the end."""
    pages: Path | None = None
    """A folder with what browsers get when they ask for a page, a web client mostly; for that the
    router needs web credentials."""
    packets: PacketPolicy = Factory(PacketPolicy)
    limits: XFTPClientLimits = Factory(XFTPClientLimits)
    expiry_check: float = field(default=7200, validator=gt(0))
    """Seconds between looking for packets that are too old."""
