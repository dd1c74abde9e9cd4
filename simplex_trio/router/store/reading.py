"""`TableReader`: everything in a store's file, piece by piece, with bodies and link data.

Unlike `Store.load`, which a router starts with, this needs little memory, whatever the store has.
"""

# The names are constants of the schema, and values always travel as parameters.
# ruff: noqa: S608

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from simplex_trio.errors import DecodeError, StoreCorrupted
from simplex_trio.frozen import frozen
from simplex_trio.router.store.interface import (
    Filling,
    PutMessage,
    PutNotification,
    PutQueue,
    PutService,
    PutStatistics,
)
from simplex_trio.router.store.rows import (
    Columns,
    read_body,
    read_counter,
    read_head,
    read_link,
    read_notification,
    read_queue,
    read_service,
)
from simplex_trio.router.store.schema import COLUMNS
from simplex_trio.storage.failures import translated

__all__ = ["TableReader", "read_put_counter", "read_put_queue"]

_QUEUES = len(COLUMNS["queues"])
_HEADS = len(COLUMNS["messages"])


def read_put_queue(row: Columns) -> PutQueue:
    """What stores a queue again, from its row and, behind that, the row of its link."""
    queue, link = read_queue(row[:_QUEUES]), row[_QUEUES:]
    return PutQueue(queue, None if queue.link is None else read_link(link))


def _read_message(row: Columns) -> PutMessage:
    return PutMessage(*read_head(row[:_HEADS]), read_body(row[_HEADS:]))


def read_put_counter(row: Columns) -> PutStatistics:
    """What stores a counter again."""
    return PutStatistics(dict([read_counter(row)]))


@frozen
class _Part:
    """A table, or two tables whose rows belong together, as `TableReader` reads them."""

    table: str
    read: Callable[[Columns], Filling]
    rows: int
    """How many are read at once: some MiB, if all of them are as large as they may be."""
    joined: str | None = None
    by: str = ""

    @property
    def query(self) -> str:
        """The next rows after a row id, each after its row id."""
        columns = [f"{self.table}.{column}" for column in COLUMNS[self.table]]
        join = ""
        if self.joined is not None:
            columns += [f"{self.joined}.{column}" for column in COLUMNS[self.joined]]
            join = f" LEFT JOIN {self.joined} USING ({self.by})"
        number = f"{self.table}.rowid"
        return (
            f"SELECT {number}, {', '.join(columns)} FROM {self.table}{join}"
            f" WHERE {number} > ? ORDER BY {number} LIMIT {self.rows}"
        )


_PARTS: Final = (
    _Part("services", lambda row: PutService(read_service(row)), 1024),
    _Part("queues", read_put_queue, 512, "links", "recipient_id"),
    _Part("messages", _read_message, 256, "bodies", "sequence"),
    _Part("notifications", lambda row: PutNotification(read_notification(row)), 1024),
    _Part("statistics", read_put_counter, 1024),
)


class TableReader:
    """Reads the tables of an open store, as plain calls for its worker thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._parts = iter(_PARTS)
        self._part: _Part | None = next(self._parts)
        self._after = -(2**63)
        """The row that was read last; numbers of messages may be any."""

    def count(self) -> int:
        """How many records there are."""
        with translated("the tables"):
            return sum(
                self._connection.execute(f"SELECT count(*) FROM {part.table}").fetchone()[0]
                for part in _PARTS
            )

    def portion(self) -> Sequence[Filling]:
        """The next rows as changes that fill an empty store; nothing at the end."""
        while self._part is not None:
            if found := tuple(self._rows(self._part)):
                return found
            self._part, self._after = next(self._parts, None), -(2**63)
        return ()

    def _rows(self, part: _Part) -> Iterator[Filling]:
        with translated(f"table {part.table}"):
            rows = self._connection.execute(part.query, (self._after,)).fetchall()
        for number, *row in rows:
            try:
                yield part.read(row)
            except (DecodeError, ValueError) as exc:
                raise StoreCorrupted(f"table {part.table}, row {number}") from exc
            self._after = number
