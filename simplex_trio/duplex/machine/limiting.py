"""Limits of users: checked in the step that would exceed one, which then stores nothing."""

from __future__ import annotations

from simplex_trio.duplex.errors import Limit, LimitReached
from simplex_trio.duplex.machine.connection import Connection, Deletion
from simplex_trio.duplex.machine.messages import Delivery
from simplex_trio.duplex.machine.rows import Rows
from simplex_trio.duplex.machine.step import OpenConnection, Step

__all__ = ["Room", "check_connections", "is_full"]


def check_connections(step: Step, c: OpenConnection, most: int | None) -> None:
    """Raise `LimitReached` if a connection is new, and its user has as many as allowed."""
    if most is None or not step.is_new(c):
        return
    if step.rows.count(Connection, user=c.row.user, deletion=Deletion.NO) >= most:
        raise LimitReached(Limit.CONNECTIONS)


def is_full(step: Step, connection_id: str, most: int) -> bool:
    """Whether so many messages wait already until a peer's router takes them."""
    return step.rows.count(Delivery, connection_id=connection_id) >= most


class Room:
    """How much more one user may queue, in one step."""

    def __init__(self, rows: Rows, user: str, messages: int | None, size: int | None) -> None:
        self._most_messages = messages
        self._most_bytes = size
        self._messages = self._bytes = 0
        if messages is not None or size is not None:
            self._messages, self._bytes = rows.queued(user)

    def check(self, size: int) -> LimitReached | None:
        """What forbids a message of so many bytes, if anything does."""
        if self._most_messages is not None and self._messages >= self._most_messages:
            return LimitReached(Limit.QUEUED_MESSAGES)
        if self._most_bytes is not None and self._bytes + size > self._most_bytes:
            return LimitReached(Limit.QUEUED_BYTES)
        return None

    def take(self, size: int) -> None:
        """A message of so many bytes is queued."""
        self._messages += 1
        self._bytes += size
