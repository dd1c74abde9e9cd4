"""What the daemon knows of its clients across their connections."""

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
"""Replies of services that are kept for a client that is away."""


class Connected(Protocol):
    """A connection of a client, as far as answers go."""

    def put(self, name: str, fields: Mapping[str, object]) -> None:
        """Queue a response."""
        ...


@define(eq=False)
class Operation:
    """Something that is resent for a client until it is answered, or cancelled."""

    app: App
    query_id: bytes | None
    reply: str
    key: bytes = b""
    """The hash by which it is cancelled, once it has begun."""
    courier: Endpoint | None = None
    """Who is asked, if that is said in the answer."""
    scope: trio.CancelScope = field(factory=trio.CancelScope)


@define(eq=False)
class App:
    """One client, known by its token; without one it is forgotten with its connection."""

    token: bytes | None = None
    connection: Connected | None = None
    app_id: bytes = field(factory=lambda: secrets.token_bytes(16))
    kept: deque[tuple[str, Mapping[str, object]]] = field(
        factory=lambda: deque(maxlen=MAX_KEPT_REPLIES)
    )
    operations: set[Operation] = field(factory=set)
    grace: trio.CancelScope | None = None
    """What will forget this client, while it is away."""

    def put(self, name: str, fields: Mapping[str, object]) -> None:
        """Answer the client; what it is not there for is lost."""
        if self.connection is not None:
            self.connection.put(name, fields)

    def put_or_keep(self, name: str, fields: Mapping[str, object]) -> None:
        """Answer the client, now or when it comes back."""
        if self.connection is not None:
            self.connection.put(name, fields)
        elif len(self.kept) < MAX_KEPT_REPLIES:
            self.kept.append((name, fields))
