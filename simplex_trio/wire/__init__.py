"""Encoding and decoding for all protocols: bytes in, values out, and back.

Nothing here does I/O or reads a clock, so all of it can be tested against any amount of recorded
traffic.  Addresses of routers are in `simplex_trio`; the commands and messages of SMP in
`simplex_trio.wire.smp`, and links in `simplex_trio.wire.duplex`.
"""

from typing import TYPE_CHECKING

from simplex_trio.lazy_exports import lazy_exports

__all__ = [
    "SMP_VERSIONS",
    "Broker",
    "Cmd",
    "Code",
    "DomainHost",
    "Host",
    "IPv4Host",
    "IPv6Host",
    "OnionHost",
    "Proxy",
    "QueueMode",
    "RouterErrorValue",
    "ServiceRole",
    "VersionRange",
]

if TYPE_CHECKING:
    from simplex_trio.wire.errors.codes import Code
    from simplex_trio.wire.errors.values import Broker, Cmd, Proxy, RouterErrorValue
    from simplex_trio.wire.handshake import ServiceRole
    from simplex_trio.wire.hosts import DomainHost, Host, IPv4Host, IPv6Host, OnionHost
    from simplex_trio.wire.queue_mode import QueueMode
    from simplex_trio.wire.versions import SMP_VERSIONS, VersionRange
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "simplex_trio.wire.errors.codes": ("Code",),
            "simplex_trio.wire.errors.values": ("Broker", "Cmd", "Proxy", "RouterErrorValue"),
            "simplex_trio.wire.handshake": ("ServiceRole",),
            "simplex_trio.wire.hosts": ("DomainHost", "Host", "IPv4Host", "IPv6Host", "OnionHost"),
            "simplex_trio.wire.queue_mode": ("QueueMode",),
            "simplex_trio.wire.versions": ("SMP_VERSIONS", "VersionRange"),
        },
    )
