"""What an agent has done with each router, in numbers: without ids, bodies or users.  Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import Enum, StrEnum
from typing import final

from attrs import field

from simplex_trio.agent.agent import RouterNumbers
from simplex_trio.client.router_errors import ProxyFailed, RouterError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress

__all__ = [
    "MAX_ROUTERS",
    "AgentCount",
    "DuplexStatistics",
    "RouterCounts",
    "Tally",
    "error_kind",
]

MAX_ROUTERS = 1000
"""Routers that are counted, those of peers included; what is done with further ones is left out,
since peers can name as many as they like."""

_ERRORS = "errors_"


class AgentCount(StrEnum):
    """What is counted for each router, from when the store was made."""

    CONNECTED = "connected"
    """Connections that were established."""
    SUBSCRIBED = "subscribed"
    """Subscriptions of queues that a router has confirmed, each time anew."""
    SENT_DIRECTLY = "sent_directly"
    """Messages that the router has taken, those of the agents' own included."""
    SENT_PROXIED = "sent_proxied"
    """The same through a proxy; this is the router behind it."""
    SENDING_FAILED = "sending_failed"
    """Attempts to send that have failed."""
    RECEIVED = "received"
    """Messages that the router has delivered, repeated ones included."""
    ACKNOWLEDGED = "acknowledged"
    QUEUES_CREATED = "queues_created"
    QUEUES_DELETED = "queues_deleted"


@final
@frozen(repr=False)
class RouterCounts(Redacted):
    """One router: what there is at the moment, and what was counted."""

    server: ServerAddress
    connections: int
    subscribed: int
    """Queues that are subscribed to."""
    pending: int
    """Queues that are still to be subscribed to."""
    counters: Mapping[AgentCount, int]
    errors: Mapping[str, int]
    """How often each kind of error has come; see `error_kind`."""


@final
@frozen(repr=False)
class DuplexStatistics(Redacted):
    """All routers that an agent has used, and their sums."""

    routers: tuple[RouterCounts, ...]
    connections: int
    subscribed: int
    pending: int
    counters: Mapping[str, int] = field(init=False)
    """The sums of all counters, and of each kind of error with ``errors_`` before it."""

    @counters.default
    def _sums(self) -> Mapping[str, int]:
        sums = Counter[str]({count.value: 0 for count in AgentCount})
        for router in self.routers:
            sums.update({count.value: number for count, number in router.counters.items()})
            sums.update({_ERRORS + kind: number for kind, number in router.errors.items()})
        return dict(sums)


def error_kind(error: BaseException) -> str:
    """The kind of an error, such as ``request_timeout``, or ``router_quota`` for a router's own."""
    match error:
        case RouterError(error=Enum() as code):
            return f"router_{code.name.lower()}"
        case RouterError():
            return f"router_{_snake(type(error.error).__name__)}"
        case ProxyFailed():
            return "proxy_failed"
        case _:
            return _snake(type(error).__name__)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class Tally:
    """The counters of one agent, which only grow."""

    def __init__(self) -> None:
        self._counts: dict[ServerAddress, Counter[str]] = {}
        self._changed: set[tuple[ServerAddress, str]] = set()

    def restore(self, stored: Iterable[tuple[ServerAddress, str, int]]) -> None:
        """Go on from what an earlier run has counted."""
        for server, name, number in stored:
            self._counts.setdefault(server, Counter())[name] += number

    def add(self, server: ServerAddress | None, count: AgentCount, number: int = 1) -> None:
        """Count something that was done with a router."""
        self._add(server, count.value, number)

    def failed(self, server: ServerAddress | None, error: BaseException) -> None:
        """Count an error."""
        self._add(server, _ERRORS + error_kind(error), 1)

    def _add(self, server: ServerAddress | None, name: str, number: int) -> None:
        if server is None:
            return
        counts = self._counts.get(server)
        if counts is None:
            if len(self._counts) >= MAX_ROUTERS:
                return
            counts = self._counts[server] = Counter()
        counts[name] += number
        self._changed.add((server, name))

    def take_changes(self) -> list[tuple[ServerAddress, str, int]]:
        """The counters that have changed since the last call, to be stored."""
        changed, self._changed = self._changed, set()
        return [(server, name, self._counts[server][name]) for server, name in changed]

    def read(self, now: Mapping[ServerAddress, RouterNumbers]) -> DuplexStatistics:
        """All of it, with the connections and queues of each router at the moment."""
        servers = dict.fromkeys([*self._counts, *now])
        routers = tuple(self._read_one(each, now.get(each, RouterNumbers())) for each in servers)
        return DuplexStatistics(
            routers,
            connections=sum(each.connections for each in routers),
            subscribed=sum(each.subscribed for each in routers),
            pending=sum(each.pending for each in routers),
        )

    def _read_one(self, server: ServerAddress, now: RouterNumbers) -> RouterCounts:
        counts = self._counts.get(server, Counter[str]())
        return RouterCounts(
            server=server,
            connections=now.connections,
            subscribed=now.subscribed,
            pending=now.pending,
            counters={count: counts[count.value] for count in AgentCount},
            errors={
                name.removeprefix(_ERRORS): number
                for name, number in sorted(counts.items())
                if name.startswith(_ERRORS)
            },
        )
