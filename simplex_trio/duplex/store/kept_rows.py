"""`KeptRows`: the records of the program that uses the agent, and the savepoints of its calls."""

from __future__ import annotations

import sqlite3
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from simplex_trio.duplex.machine.rows import Rows

if TYPE_CHECKING:
    from simplex_trio.duplex.store.rows import StoredEvent

__all__ = ["KeptRows"]


class KeptRows(Rows):
    """Part of the rows of a store."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.new_events: list[StoredEvent] = []
        """Events that were added in this transaction."""

    @abstractmethod
    def forget_changes(self) -> None:
        """Some changes were undone, so what is in memory may not be true."""

    def kept(self, space: str, key: bytes) -> bytes | None:
        row = self._connection.execute(
            "SELECT value FROM kept WHERE space = ? AND key = ?", (space.encode(), key)
        ).fetchone()
        return None if row is None else bytes(row[0])

    def keep(self, space: str, key: bytes, value: bytes) -> None:
        self._connection.execute(
            "INSERT INTO kept (space, key, value) VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET value = excluded.value",
            (space.encode(), key, value),
        )

    def drop_kept(self, space: str, key: bytes) -> bool:
        cursor = self._connection.execute(
            "DELETE FROM kept WHERE space = ? AND key = ?", (space.encode(), key)
        )
        return cursor.rowcount > 0

    def scan_kept(
        self, space: str, prefix: bytes, after: bytes | None, limit: int
    ) -> list[tuple[bytes, bytes]]:
        where, values = _range(space, prefix)
        if after is not None:
            where, values = f"{where} AND key > ?", [*values, after]
        rows = self._connection.execute(
            f"SELECT key, value FROM kept WHERE {where} ORDER BY key LIMIT ?",  # noqa: S608 - ours
            (*values, limit),
        ).fetchall()
        return [(bytes(key), bytes(value)) for key, value in rows]

    def count_kept(self, space: str, prefix: bytes) -> int:
        where, values = _range(space, prefix)
        (count,) = self._connection.execute(
            f"SELECT count(*) FROM kept WHERE {where}",  # noqa: S608 - ours
            values,
        ).fetchone()
        return int(count)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        execute = self._connection.execute
        execute("SAVEPOINT call")
        events = len(self.new_events)
        try:
            yield
        except BaseException:
            # For lack of room SQLite has undone the whole transaction.
            if self._connection.in_transaction:
                execute("ROLLBACK TO call")
                execute("RELEASE call")
            del self.new_events[events:]
            self.forget_changes()
            raise
        execute("RELEASE call")


def _range(space: str, prefix: bytes) -> tuple[str, list[bytes]]:
    """The condition of keys that begin with ``prefix``."""
    first_behind = _first_behind(prefix)
    if first_behind is None:
        return "space = ? AND key >= ?", [space.encode(), prefix]
    return "space = ? AND key >= ? AND key < ?", [space.encode(), prefix, first_behind]


def _first_behind(prefix: bytes) -> bytes | None:
    """The first of the keys that are behind all which begin with ``prefix``, if there are any."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None
