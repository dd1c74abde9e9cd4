"""`XFTPRouterStatistics`: an XFTP router in numbers, for people and graphs."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from simplex_trio.serving.counters import Counters
from simplex_trio.serving.statistics import ServingStatistics
from simplex_trio.transport.listen import SocketStatistics

__all__ = ["Count", "XFTPRouterStatistics", "take_statistics"]


class Count(StrEnum):
    """The names of the counters; a value is what the records and the metrics call it."""

    PACKETS_REGISTERED = "packets_registered"
    RECIPIENTS_ADDED = "recipients_added"
    PACKETS_UPLOADED = "packets_uploaded"
    UPLOADS_FAILED = "uploads_failed"
    PACKETS_DOWNLOADED = "packets_downloaded"
    """How often a packet was sent to its end; not counted if the client has gone by then."""
    RECIPIENTS_ACKNOWLEDGED = "recipients_acknowledged"
    PACKETS_DELETED = "packets_deleted"
    PACKETS_EXPIRED = "packets_expired"
    PACKETS_BLOCKED = "packets_blocked"
    REQUESTS_REFUSED = "requests_refused"
    """Answered with an error of any kind."""
    TRANSFERS_TURNED_AWAY = "transfers_turned_away"
    """Bodies and pages for which there was no open file left."""
    PACKETS_FORGOTTEN = "packets_forgotten"
    """Packets without a body that made room for others."""


@frozen(kw_only=True)
class XFTPRouterStatistics(ServingStatistics):
    """What a router has at the moment, and what it has done in its life."""

    packets: int
    """Registered, with a body or without."""
    bytes_stored: int
    bytes_reserved: int
    """What has arrived of uploads that are under way."""
    bytes_of_records: int
    """About packets and their recipients, in the database."""
    open_files: int
    """Bodies and pages on their way."""


def take_statistics(
    *,
    packets: int,
    bytes_stored: int,
    bytes_reserved: int,
    bytes_of_records: int,
    open_files: int,
    clients: int,
    sockets: SocketStatistics,
    counters: Counters[Count],
) -> XFTPRouterStatistics:
    """The numbers now."""
    return XFTPRouterStatistics(
        packets=packets,
        bytes_stored=bytes_stored,
        bytes_reserved=bytes_reserved,
        bytes_of_records=bytes_of_records,
        open_files=open_files,
        clients=clients,
        sockets_accepted=sockets.accepted,
        sockets_closed=sockets.closed,
        sockets_active=sockets.active,
        sockets_leaked=sockets.leaked,
        counters=counters.values(),
    )
