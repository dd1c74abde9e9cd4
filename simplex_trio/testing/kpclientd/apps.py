"""The daemon's state of its clients, across their connections."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Mapping
from typing import Protocol

import trio
from attrs import define, field

from simplex_trio.testing.kpclientd.consensus import Endpoint

__all__ = ["MAX_KEPT_REPLIES", "App", "Connected", "Operation"]

MAX_KEPT_REPLIES = 1000
"""The most replies of services that are kept for a disconnected client."""


class Connected(Protocol):
    """A client's connection, as a sink for responses."""

    def put(self, name: str, fields: Mapping[str, object]) -> None:
        """Queue a response."""
        ...


@define(eq=False)
class Operation:
    """Something that is resent for a client until it is answered or cancelled."""

    app: App
    query_id: bytes | None
    reply: str
    key: bytes = b""
    """The hash that identifies it for cancellation, once it has started."""
    courier: Endpoint | None = None
    """The courier that is used, if the answer names it."""
    scope: trio.CancelScope = field(factory=trio.CancelScope)


@define(eq=False)
class App:
    """One client, known by its token; without a token it is forgotten with its connection."""

    token: bytes | None = None
    connection: Connected | None = None
    app_id: bytes = field(factory=lambda: secrets.token_bytes(16))
    kept: deque[tuple[str, Mapping[str, object]]] = field(
        factory=lambda: deque(maxlen=MAX_KEPT_REPLIES)
    )
    operations: set[Operation] = field(factory=set)
    grace: trio.CancelScope | None = None
    """The scope of the task that will forget this client while it is disconnected."""

    def put(self, name: str, fields: Mapping[str, object]) -> None:
        """Send a response to the client; drop it if the client is disconnected."""
        if self.connection is not None:
            self.connection.put(name, fields)

    def put_or_keep(self, name: str, fields: Mapping[str, object]) -> None:
        """Send a response to the client now, or when it reconnects."""
        if self.connection is not None:
            self.connection.put(name, fields)
        elif len(self.kept) < MAX_KEPT_REPLIES:
            self.kept.append((name, fields))
