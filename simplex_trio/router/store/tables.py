"""`Tables`: a router's store as plain calls on its database."""

from __future__ import annotations

import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, starmap
from typing import TypeAlias, TypeVar

from simplex_trio.errors import (
    DecodeError,
    StoreConflict,
    StoreCorrupted,
    StoreFull,
    StoreUnavailable,
)
from simplex_trio.router.store.groups import in_groups
from simplex_trio.router.store.interface import (
    Change,
    DeleteMessages,
    DeleteNotifications,
    DeleteQueue,
    DeleteService,
    PutMessage,
    PutNotification,
    PutQueue,
    PutService,
    PutStatistics,
    Snapshot,
)
from simplex_trio.router.store.records import MessageHead
from simplex_trio.router.store.room import (
    LARGEST_CHANGE,
    LOG_ROOM,
    ROOM_KEPT,
    SizeEffect,
    effect_of,
    growth,
    queue_size,
)
from simplex_trio.router.store.rows import (
    Columns,
    Row,
    body_row,
    counter_row,
    head_row,
    link_row,
    notification_row,
    queue_row,
    read_body,
    read_counter,
    read_head,
    read_link,
    read_notification,
    read_queue,
    read_service,
    service_row,
)
from simplex_trio.router.store.statements import (
    Statement,
    delete,
    insert,
    portions,
    select,
    select_one,
    upsert,
)
from simplex_trio.storage.database import Database
from simplex_trio.storage.failures import translated
from simplex_trio.wire.smp.links import QueueLinkData

__all__ = ["Changes", "Tables"]

Changes: TypeAlias = tuple[Change, ...]
"""What one call of `Store.commit` asks for."""

T = TypeVar("T")

_Rows: TypeAlias = defaultdict[tuple[Statement, str], list[Row]]
"""The rows to write, or the first columns of rows to delete, by statement and table."""

_QUEUE = select_one("queues")
_SERVICE = select_one("services")
_LINK_SIZE = "SELECT length(fixed) + length(user) FROM links WHERE recipient_id = ?"

_HAS_LINK = "SELECT 1 FROM links WHERE recipient_id = ?"
_LINK = "SELECT rowid, recipient_id, fixed, user, checksum FROM links WHERE recipient_id = ?"
_BODY = (
    "SELECT bodies.sequence, body, bodies.checksum"
    " FROM messages LEFT JOIN bodies USING (sequence) WHERE messages.sequence = ?"
)


class Tables:
    """The tables of an open store, as plain calls for its worker thread.

    All methods raise what those of `simplex_trio.router.store.interface.Store` raise.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection = database.connection
        self._has_room = True

    # --- writing --------------------------------------------------------------------------------

    def write(self, changes: Changes) -> None:
        """Make changes durable: all of them or, if this raises, none."""
        with translated("the pages that a change concerns"):
            self._has_room = self._is_room_for(changes)
            try:
                self._commit_in_room(changes)
            finally:
                if not self._has_room:
                    # Deleting needs no more than the log has then, even if others take the rest.
                    self._begin_log_again()

    def _commit_in_room(self, changes: Changes) -> None:
        try:
            self._commit(changes)
        except StoreFull as exc:
            is_medium = isinstance(exc.__cause__, sqlite3.Error)
            if not is_medium or not self._begin_log_again():
                raise
            # What deletes has room now where the log was.
            self._has_room = False
            self._commit(changes)

    def _commit(self, changes: Changes) -> None:
        with self._database.transaction():
            if self._has_room:
                for group in in_groups(changes):
                    self._apply(group)
            else:
                for change in changes:
                    self._check_room(change)
                    self._apply((change,))

    def _begin_log_again(self) -> bool:
        """Move the log into the file, to free its room; whether that worked."""
        try:
            busy, *_ = self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        except sqlite3.Error:
            return False
        return not busy

    def _is_room_for(self, changes: Changes) -> bool:
        """Whether there is enough room for changes that make the store grow."""
        try:
            free = shutil.disk_usage(self._database.path).free
        except OSError as exc:  # the file has been removed: what is written now is lost
            raise StoreUnavailable("the store's file has been removed") from exc
        if free >= ROOM_KEPT + 2 * LARGEST_CHANGE * len(changes):
            return True
        needed = 2 * growth(changes)  # in the log, and then in the file
        if free < LOG_ROOM + needed:
            return False
        if free < ROOM_KEPT + needed:
            execute = self._connection.execute
            (pages,) = execute("PRAGMA freelist_count").fetchone()
            (page_size,) = execute("PRAGMA page_size").fetchone()
            free += pages * page_size
        return free >= ROOM_KEPT + needed

    def _check_room(self, change: Change) -> None:
        if effect_of(change, self._stored_size, self._has_service) is SizeEffect.GROWS:
            raise StoreFull("no room is left but 16 MiB, which are kept for deleting")

    def _has_service(self, service_id: bytes) -> bool:
        return self._connection.execute(_SERVICE, (service_id,)).fetchone() is not None

    def _stored_size(self, recipient_id: bytes) -> tuple[int, int] | None:
        execute = self._connection.execute
        row = execute(_QUEUE, (recipient_id,)).fetchone()
        if row is None:
            return None
        link = execute(_LINK_SIZE, (recipient_id,)).fetchone()
        return queue_size(row), 0 if link is None else link[0]

    def _apply(self, group: Iterable[Change]) -> None:
        """Write changes that `in_groups` has put together."""
        rows: _Rows = defaultdict(list)
        for change in group:
            match change:
                case PutMessage(recipient_id, head, body):
                    rows[insert, "messages"].append(head_row(recipient_id, head))
                    rows[insert, "bodies"].append(body_row(head.sequence, body))
                case DeleteMessages(sequences):
                    rows[delete, "messages"].extend((sequence,) for sequence in sequences)
                case PutQueue(record, link_data):
                    rows[upsert, "queues"].append(queue_row(record))
                    if link_data is not None:
                        rows[upsert, "links"].append(link_row(record.recipient_id, link_data))
                case DeleteQueue(recipient_id):
                    rows[delete, "queues"].append((recipient_id,))
                case PutNotification(notification):
                    rows[insert, "notifications"].append(notification_row(notification))
                case DeleteNotifications(sequences):
                    rows[delete, "notifications"].extend((sequence,) for sequence in sequences)
                case PutService(service):
                    rows[upsert, "services"].append(service_row(service))
                case DeleteService(service_id):
                    rows[delete, "services"].append((service_id,))
                case PutStatistics(counters):
                    rows[upsert, "statistics"].extend(starmap(counter_row, counters.items()))
        self._write(rows)
        self._check_link(change)

    def _write(self, rows: _Rows) -> None:
        execute = self._connection.execute
        for (statement, table), of_table in rows.items():
            for portion in portions(of_table):
                execute(statement(table, len(portion)), tuple(chain.from_iterable(portion)))

    def _check_link(self, change: Change) -> None:
        if isinstance(change, PutQueue) and change.record.link and change.link_data is None:
            found = self._connection.execute(_HAS_LINK, (change.record.recipient_id,)).fetchone()
            if found is None:
                raise StoreConflict("a new link has no data")

    # --- reading --------------------------------------------------------------------------------

    def load(self) -> Snapshot:
        """Everything but bodies and link data."""
        messages: dict[bytes, list[MessageHead]] = {}
        for recipient_id, head in self._records("messages", read_head):
            messages.setdefault(recipient_id, []).append(head)
        return Snapshot(
            list(self._records("queues", read_queue)),
            messages,
            list(self._records("services", read_service)),
            list(self._records("notifications", read_notification)),
            dict(self._records("statistics", read_counter)),
        )

    def _records(self, table: str, read: Callable[[Columns], T]) -> Iterator[T]:
        with translated(f"table {table}"):
            for number, *row in self._connection.execute(select(table)):
                yield _read(table, number, row, read)

    def bodies(self, sequences: Iterable[int]) -> dict[int, bytes]:
        """The bodies of those of the messages that exist."""
        found = {}
        with translated("table bodies"):
            for sequence in sequences:
                row = self._connection.execute(_BODY, (sequence,)).fetchone()
                if row is not None:
                    found[sequence] = _read("bodies", sequence, row, read_body)
        return found

    def link_data(self, recipient_id: bytes) -> QueueLinkData | None:
        """The data of a queue's link."""
        with translated("table links"):
            found = self._connection.execute(_LINK, (recipient_id,)).fetchone()
        if found is None:
            return None
        number, *row = found
        return _read("links", number, row, read_link)


def _read(table: str, number: int, row: Columns, read: Callable[[Columns], T]) -> T:
    try:
        return read(row)
    except DecodeError as exc:
        raise StoreCorrupted(f"table {table}, row {number}") from exc
