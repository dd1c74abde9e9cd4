"""`Tables`: a router's store as plain calls on its database."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, TypeVar

from simplex_trio.errors import (
    DecodeError,
    StoreConflict,
    StoreCorrupted,
    StoreFull,
    StoreUnavailable,
)
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
from simplex_trio.router.store.statements import delete, insert, select, select_one, upsert
from simplex_trio.storage.database import Database
from simplex_trio.storage.failures import translated
from simplex_trio.wire.smp.links import QueueLinkData

__all__ = ["Changes", "Tables"]

Changes: TypeAlias = tuple[Change, ...]
"""What one call of `Store.commit` asks for."""

T = TypeVar("T")

_PUT_QUEUE = upsert("queues")
_PUT_LINK = upsert("links")
_PUT_HEAD = insert("messages")
_PUT_BODY = insert("bodies")
_PUT_SERVICE = upsert("services")
_PUT_NOTIFICATION = insert("notifications")
_PUT_COUNTER = upsert("statistics")
_DELETE_QUEUE = delete("queues")
_DELETE_MESSAGE = delete("messages")
_DELETE_SERVICE = delete("services")
_DELETE_NOTIFICATION = delete("notifications")

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
            for change in changes:
                self._apply(change)

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
        if self._has_room:
            return
        if effect_of(change, self._stored_size, self._has_service) is SizeEffect.GROWS:
            raise StoreFull("the room that is left is kept for deleting")

    def _has_service(self, service_id: bytes) -> bool:
        return self._connection.execute(_SERVICE, (service_id,)).fetchone() is not None

    def _stored_size(self, recipient_id: bytes) -> tuple[int, int] | None:
        execute = self._connection.execute
        row = execute(_QUEUE, (recipient_id,)).fetchone()
        if row is None:
            return None
        link = execute(_LINK_SIZE, (recipient_id,)).fetchone()
        return queue_size(row), 0 if link is None else link[0]

    def _apply(self, change: Change) -> None:
        self._check_room(change)
        execute, execute_many = self._connection.execute, self._connection.executemany
        match change:
            case PutMessage(recipient_id, head, body):
                execute(_PUT_HEAD, head_row(recipient_id, head))
                execute(_PUT_BODY, body_row(head.sequence, body))
            case DeleteMessages(sequences):
                execute_many(_DELETE_MESSAGE, ((sequence,) for sequence in sequences))
            case PutQueue():
                self._put_queue(change)
            case DeleteQueue(recipient_id):
                execute(_DELETE_QUEUE, (recipient_id,))
            case PutNotification(notification):
                execute(_PUT_NOTIFICATION, notification_row(notification))
            case DeleteNotifications(sequences):
                execute_many(_DELETE_NOTIFICATION, ((sequence,) for sequence in sequences))
            case PutService(service):
                execute(_PUT_SERVICE, service_row(service))
            case DeleteService(service_id):
                execute(_DELETE_SERVICE, (service_id,))
            case PutStatistics(counters):
                execute_many(_PUT_COUNTER, (counter_row(*item) for item in counters.items()))

    def _put_queue(self, change: PutQueue) -> None:
        queue, link_data = change.record, change.link_data
        self._connection.execute(_PUT_QUEUE, queue_row(queue))
        if link_data is not None:
            self._connection.execute(_PUT_LINK, link_row(queue.recipient_id, link_data))
        elif queue.link is not None:
            found = self._connection.execute(_HAS_LINK, (queue.recipient_id,)).fetchone()
            if found is None:
                raise StoreConflict("a new link has no data")

    # --- reading --------------------------------------------------------------------------------

    def load(self) -> Snapshot:
        """Everything but bodies and link data."""
        queues = list(self._records("queues", read_queue))
        # The ids of queues and their messages are equal; keep them once.
        ids = {queue.recipient_id: queue.recipient_id for queue in queues}
        messages: dict[bytes, list[MessageHead]] = {}
        for recipient_id, head in self._records("messages", read_head):
            messages.setdefault(ids[recipient_id], []).append(head)
        return Snapshot(
            queues,
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
