"""The configuration of an XFTP router: `XFTPRouterConfig` and its parts, in code or in a TOML file.

Files are as those of SMP routers: see `simplex_trio.router.config`.  `ServingConfig` has the
options that do not depend on the protocol::

    hosts = ["xftp.example.com"]
    credentials = "/etc/simplex-trio-xftp"
    store = "/var/lib/simplex-trio-xftp"

    [packets]
    quota = 107374182400
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from attrs import Factory, field
from attrs.validators import deep_iterable, ge, gt, le, min_len

from simplex_trio.frozen import frozen
from simplex_trio.redaction import instance_of
from simplex_trio.serving.config import (
    ConnectionLimits,
    ServingConfig,
    ServingIntervals,
    are_ports,
)
from simplex_trio.serving.policy import AcceptPolicy
from simplex_trio.storage.postgres.url import DatabaseURL
from simplex_trio.wire.xftp.packet_sizes import PACKET_SIZES

__all__ = ["PacketPolicy", "XFTPClientLimits", "XFTPRouterConfig"]

_MAX_PACKET_SIZE = 64 * 1024 * 1024
_GIB = 1024**3
_HOUR = 3600

_sizes = deep_iterable([instance_of(int), ge(1), le(_MAX_PACKET_SIZE)], instance_of(tuple))


@frozen(kw_only=True, repr=False)
class PacketPolicy(AcceptPolicy):
    """Which packets a router takes, who may register them, and for how long it keeps them."""

    sizes: tuple[int, ...] = field(
        default=PACKET_SIZES,
        validator=[_sizes, min_len(1)],
    )
    """In bytes; others are refused."""
    quota: int = field(default=10 * _GIB, validator=ge(0))
    """Bytes of packets on the disk; of uploads in progress, the bytes that have arrived.  At the
    limit, uploads are refused until packets are deleted or expire."""
    packet_ttl: int = field(default=48 * _HOUR, validator=ge(1))
    """Seconds after which packets are deleted, rounded up to whole hours, and counted from the end
    of the hour in which a packet was registered, as in the reference: that is all the records say.

    Less than an hour is counted exactly, from the registration, whose time the router remembers;
    packets from before its last start are kept until the end of the hour after.  Then it looks for
    old packets when there are some, and not only as often as ``intervals.expiry`` says."""
    max_packets: int = field(default=1_000_000, validator=ge(1))
    """Registered packets.  At the limit, packets without a body that were registered more than an
    hour ago make room, the oldest first; if there are none, registering is refused."""
    max_record_bytes: int = field(default=_GIB, validator=ge(0))
    """Bytes of the records about packets and their recipients, with bodies or without; a packet
    without a body can have half a megabyte of recipients.  At the limit, the same happens as for
    ``max_packets``.  A tenth of the quota is four million records, or 25 for each of the smallest
    packets that fit into the quota."""
    max_recipients: int = field(default=2048, validator=ge(1))
    """Of one packet: the most that a sender registers, who rounds the number up."""

    @property
    def is_exact(self) -> bool:
        """Whether ``packet_ttl`` counts from the second in which a packet was registered."""
        return self.packet_ttl < _HOUR

    @property
    def kept_hours(self) -> int:
        """``packet_ttl`` in hours."""
        return -(-self.packet_ttl // _HOUR)

    def takes_size(self, size: int) -> bool:
        """Whether packets may have so many bytes."""
        return size in self.sizes


@frozen(kw_only=True)
class XFTPClientLimits(ConnectionLimits):
    """What a client may use, and how long the router waits for it; times in seconds."""

    requests: int = field(default=100, validator=ge(1))
    """Of one connection at a time; a client that begins more violates HTTP/2, and is disconnected.
    """
    buffered: int = field(default=1024 * 1024, validator=ge(64 * 1024))
    """Bytes of bodies of one connection that have arrived and are not yet written to the disk."""
    open_files: int = field(default=2000, validator=ge(1))
    """Bodies and pages in transfer at a time, each of which is an open file: a tenth of 20,000
    files, half of which are for ``connections``.  An address may have as many of them as are still
    free, so half if it is the only one; all addresses that are not public count as one.  At the
    limit a client gets TIMEOUT, after which clients try again, and a browser gets 503."""
    open_files_per_connection: int = field(default=32, validator=ge(1))
    """Several times the concurrent transfers of ordinary clients, for those with many streams."""
    request_seconds: float = field(default=60, validator=gt(0))
    """For the block that a request begins with, and for each piece of a body, in either direction.
    """
    body_seconds: float = field(default=300, validator=gt(0))
    """For the body of a packet, in either direction, as in the reference."""


@frozen(repr=False, kw_only=True)
class XFTPRouterConfig(ServingConfig):
    """The whole configuration.

    ``store`` is a folder with the packets and, unless ``records`` says otherwise, the records about
    them; without one they are in a temporary folder.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {
        "expiry_check": "intervals.expiry",
        "folder": "store",
        "packets.allow_new_queues": "packets.accept_new",
        "packets.expiry_hours": "packets.packet_ttl, in seconds",
    }
    FIXED: ClassVar[frozenset[str]] = ServingConfig.FIXED | {"pages", "records"}

    ports: tuple[int, ...] = field(default=(443,), validator=[are_ports, min_len(1)])
    """The ports to listen on, 0 for one that the system chooses; the first is in the address."""
    store: Path | None = None
    """Where the router stores its data; without a path they are lost when it ends."""
    records: DatabaseURL | None = None
    """The database of PostgreSQL with the records about packets, which then are not in ``store``;
    it needs a ``store``, and the extra ``postgres``.  A router that takes over from this one needs
    the same records, and a ``store`` in a file system that both have."""
    pages: Path | None = None
    """A folder of pages for browsers, usually a web client; it needs ``web_ports``."""
    packets: PacketPolicy = Factory(PacketPolicy)
    limits: XFTPClientLimits = Factory(XFTPClientLimits)
    intervals: ServingIntervals = Factory(ServingIntervals)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.pages is not None and not self.web_ports:
            raise ValueError("pages are for browsers, for which there are no web_ports")
        if self.records is not None and self.store is None:
            raise ValueError("records in a database need a folder for packets, as store")
