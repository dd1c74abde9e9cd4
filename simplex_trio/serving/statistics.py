"""`ServingStatistics`: what every router can say about itself in numbers."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

__all__ = ["ServingStatistics"]


@frozen(kw_only=True)
class ServingStatistics:
    """A router's connections now, and what it has counted in its life.

    The classes of the routers have further numbers, each of which is a metric, too.
    """

    clients: int
    """Connections after TLS, and in SMP after the handshake."""
    sockets_accepted: int
    sockets_closed: int
    sockets_active: int
    sockets_leaked: int
    """Accepted, and neither closed nor active; always 0."""
    counters: Mapping[str, int]
    """Since the router was created; its ``Count`` has the names."""
