"""`XFTPRouterStatistics`: an XFTP router in numbers."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from simplex_trio.frozen import frozen
from simplex_trio.serving.counters import Counters
from simplex_trio.serving.metrics import Aliases
from simplex_trio.serving.statistics import ServingStatistics
from simplex_trio.transport.listen import SocketStatistics

__all__ = ["REFERENCE_NAMES", "Count", "XFTPRouterStatistics", "take_statistics"]


class Count(StrEnum):
    """The names of the counters; a value is what the records and the metrics call it."""

    PACKETS_REGISTERED = "packets_registered"
    RECIPIENTS_ADDED = "recipients_added"
    PACKETS_UPLOADED = "packets_uploaded"
    UPLOADS_FAILED = "uploads_failed"
    PACKETS_DOWNLOADED = "packets_downloaded"
    """Complete downloads; not those where the client disconnected before the end."""
    RECIPIENTS_ACKNOWLEDGED = "recipients_acknowledged"
    PACKETS_DELETED = "packets_deleted"
    PACKETS_EXPIRED = "packets_expired"
    PACKETS_BLOCKED = "packets_blocked"
    REQUESTS_REFUSED = "requests_refused"
    """Answered with an error of any kind."""
    TRANSFERS_TURNED_AWAY = "transfers_turned_away"
    """Bodies and pages refused at the limit for open files."""
    PACKETS_FORGOTTEN = "packets_forgotten"
    """Packets without a body that were deleted to make room for others."""


REFERENCE_NAMES: Final[Aliases] = {
    "bytes_stored": [("simplex_xftp_files_size", {})],
    "packets": [("simplex_xftp_files_count_total", {})],
    Count.PACKETS_BLOCKED: [("simplex_xftp_files_blocked", {})],
    Count.PACKETS_DELETED: [("simplex_xftp_files_deleted", {})],
    Count.PACKETS_DOWNLOADED: [("simplex_xftp_file_downloads", {})],
    Count.PACKETS_EXPIRED: [("simplex_xftp_files_expired", {})],
    Count.PACKETS_REGISTERED: [("simplex_xftp_files_created", {})],
    Count.PACKETS_UPLOADED: [("simplex_xftp_files_uploaded", {})],
    Count.RECIPIENTS_ACKNOWLEDGED: [("simplex_xftp_file_download_acks", {})],
    Count.RECIPIENTS_ADDED: [("simplex_xftp_files_recipients", {})],
}
"""What the reference calls metrics that mean the same there; its files are our packets."""


@frozen(kw_only=True)
class XFTPRouterStatistics(ServingStatistics):
    """What a router has at the moment, and its counters."""

    packets: int
    """Registered, with a body or without."""
    bytes_stored: int
    bytes_reserved: int
    """Bytes that have arrived of uploads in progress."""
    bytes_of_records: int
    """The size of the records about packets and their recipients."""
    open_files: int
    """Bodies and pages in transfer."""


def take_statistics(
    *,
    packets: int,
    bytes_stored: int,
    bytes_reserved: int,
    bytes_of_records: int,
    open_files: int,
    clients: int,
    sockets: SocketStatistics,
    problems: int,
    web_certificate_until: int | None,
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
        sockets_turned_away=sockets.turned_away,
        problems=problems,
        web_certificate_until=web_certificate_until,
        counters=counters.values(),
    )
