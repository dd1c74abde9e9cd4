"""`SessionInfo`: a client's connection as its router's operator sees it.  Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Network

from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.transport.networks import Origin

__all__ = ["SessionInfo", "origin_text"]

_IPV4_SIZE = 4


@frozen(repr=False)
class SessionInfo(Redacted):
    """A connection in numbers, without any of its ids and keys; times in seconds."""

    connected_seconds: float
    idle_seconds: float
    version: int
    is_service: bool
    queues: int
    """That it is subscribed to, or has had messages from."""
    notifiers: int
    waiting: int
    """Answers and events that are not written yet."""
    origin: Origin | None
    """Where it comes from, as limits count it; `None` if that is not public."""


def origin_text(origin: Origin | None) -> str:
    """An address of IPv4 or a network of IPv6; or that it is none of the Internet."""
    if origin is None:
        return "not public"
    if len(origin) == _IPV4_SIZE:
        return str(IPv4Address(origin))
    return str(IPv6Network((origin + bytes(8), 64)))
