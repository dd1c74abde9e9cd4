"""Connections: TCP, SOCKS5 and TLS up to whole frames, and the listener of a router.

This is the lowest floor that awaits.  `open_transport` of `connect` and `serve_tls` of `listen` are
its two doors; what a protocol says inside of the frames is decided elsewhere.
"""

from typing import TYPE_CHECKING

from simplex_trio.lazy_exports import lazy_exports

__all__ = [
    "BlockStream",
    "DialFailed",
    "FrameStream",
    "HandshakeFailed",
    "KeepAlive",
    "NoCommonVersion",
    "NoSuitableHost",
    "ProxyRefused",
    "ServiceRefused",
    "SocksSupportMissing",
    "TLSFailed",
    "TlsCredentials",
    "WebPort",
    "WrongIdentity",
    "plan_dial",
    "utc_now",
]

if TYPE_CHECKING:
    from simplex_trio.errors import (
        DialFailed,
        HandshakeFailed,
        NoCommonVersion,
        NoSuitableHost,
        ProxyRefused,
        ServiceRefused,
        SocksSupportMissing,
        TLSFailed,
        WrongIdentity,
    )
    from simplex_trio.transport.block_stream import BlockStream
    from simplex_trio.transport.config import KeepAlive, WebPort
    from simplex_trio.transport.frames import FrameStream
    from simplex_trio.transport.hosts import plan_dial
    from simplex_trio.transport.tls import TlsCredentials, utc_now
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "simplex_trio.errors": (
                "DialFailed",
                "HandshakeFailed",
                "NoCommonVersion",
                "NoSuitableHost",
                "ProxyRefused",
                "ServiceRefused",
                "SocksSupportMissing",
                "TLSFailed",
                "WrongIdentity",
            ),
            "simplex_trio.transport.block_stream": ("BlockStream",),
            "simplex_trio.transport.config": ("KeepAlive", "WebPort"),
            "simplex_trio.transport.frames": ("FrameStream",),
            "simplex_trio.transport.hosts": ("plan_dial",),
            "simplex_trio.transport.tls": ("TlsCredentials", "utc_now"),
        },
    )
