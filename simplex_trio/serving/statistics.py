"""`ServingStatistics`: the numbers that all routers have."""

from __future__ import annotations

from collections.abc import Mapping

from simplex_trio.frozen import frozen

__all__ = ["ServingStatistics"]


@frozen(kw_only=True)
class ServingStatistics:
    """A router's connections at the moment, and its counters.

    The routers' own classes add further numbers; each number is a metric.
    """

    clients: int
    """Connections after TLS, and in SMP after the handshake."""
    sockets_accepted: int
    sockets_closed: int
    sockets_active: int
    sockets_leaked: int
    """Accepted, and neither closed nor active; always 0."""
    sockets_turned_away: int
    """Accepted and closed at once, since there was no place or too many came from an address."""
    problems: int
    """How many there are at the moment; see `RunningRouter.problems`."""
    web_certificate_until: int | None
    """The end of the life of the certificate for browsers, in seconds since 1970, if there is one.
    The router's own lasts for good."""
    counters: Mapping[str, int]
    """Since the router was created; its ``Count`` has the names."""
