"""`SQLiteRows`: the rows of a store, for the functions that run in its thread."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, TypeVar

from attrs import define, field

from simplex_trio.duplex.events import KeptEvent, ReceivingProblem, SecurityCodeChanged
from simplex_trio.duplex.machine.connection import (
    Connection,
    ReceivingQueue,
    SendingQueue,
    SubscribedQueue,
)
from simplex_trio.duplex.machine.files.rows import (
    DeletedFile,
    DeletedPacket,
    IncomingFile,
    OutgoingFile,
    UploadedPacket,
)
from simplex_trio.duplex.machine.messages import (
    Delivery,
    DeliveryKind,
    EarlyArrival,
    LeavingUser,
    LookedLink,
    ReceivedMessage,
    Request,
    SentMessage,
    SilentRouter,
)
from simplex_trio.duplex.machine.postponing import PostponedWork
from simplex_trio.duplex.machine.push_records import (
    NotifiedQueue,
    OldSubscription,
    PushToken,
    Stage,
)
from simplex_trio.duplex.store.event_bytes import read_event, write_event
from simplex_trio.duplex.store.kept_rows import KeptRows
from simplex_trio.duplex.store.records import Table, codec
from simplex_trio.duplex.store.schema import LIMITED_EVENTS, MOVE_EVENT
from simplex_trio.errors import DecodeError, StoreCorrupted
from simplex_trio.ratchet.aead import IV_SIZE
from simplex_trio.ratchet.kdf import SYMMETRIC_KEY_SIZE
from simplex_trio.ratchet.skipped import SkippedKey, SkippedKeys
from simplex_trio.wire.addresses import ServerAddress

__all__ = ["CACHED_CONNECTIONS", "RECORD_TABLES", "SQLiteRows", "StoredEvent"]

CACHED_CONNECTIONS = 256
"""How many connections are kept in memory with their keys, some 10 kB each; the one that was not
used for the longest time is read again from the file when it is needed."""

RecordT = TypeVar("RecordT")

_SKIPPED_SIZES = (SYMMETRIC_KEY_SIZE, SYMMETRIC_KEY_SIZE, IV_SIZE)
"""Of a header key, a message key and an initialization vector."""

_BEFORE_BODY = 1 + 8 + 1 + 32 + 1
"""Bytes of a message of a program that are not its body: tags, a number and a hash."""

RECORD_TABLES: dict[type[Any], Table[Any]] = {
    table.kind: table
    for table in (
        Table(Connection, "connections", ("connection_id",)),
        Table(ReceivingQueue, "receiving_queues", ("connection_id", "number")),
        Table(SendingQueue, "sending_queues", ("connection_id", "number")),
        Table(Delivery, "deliveries", ("connection_id", "queue", "message_id")),
        Table(PostponedWork, "postponed_work", ("connection_id", "kind", "queue")),
        Table(SentMessage, "sent_messages", ("connection_id", "sender_message_id")),
        Table(ReceivedMessage, "received_messages", ("connection_id", "message_id")),
        Table(EarlyArrival, "early_arrivals", ("connection_id", "queue")),
        Table(SilentRouter, "silent_routers", ("server",)),
        Table(Request, "requests", ("request_id",)),
        Table(LookedLink, "looked_links", ("user", "link_hash")),
        Table(LeavingUser, "leaving_users", ("user",)),
        Table(PushToken, "push_tokens", ("name",)),
        Table(OldSubscription, "old_subscriptions", ("token", "subscription_id")),
        Table(OutgoingFile, "outgoing_files", ("file_id",)),
        Table(UploadedPacket, "uploaded_packets", ("file_id", "number", "sender_id")),
        Table(IncomingFile, "incoming_files", ("file_id",)),
        Table(DeletedFile, "deleted_files", ("file_id",)),
        Table(DeletedPacket, "deleted_packets", ("file_id", "server", "sender_id")),
    )
}

# Of 10,000 queues at the start all columns would take twice the time and memory.
_SUBSCRIBED = Table(SubscribedQueue, "receiving_queues", ("connection_id", "number"))
_NOTIFIED = Table(NotifiedQueue, "receiving_queues", ("connection_id", "number"))

# SQLite does not know which of these finds few; a cross join reads its tables in this order.
_TO_NOTIFY = (
    "receiving_queues AS q INDEXED BY queues_to_notify "
    "CROSS JOIN connections AS c USING (connection_id)"
)
_WITH_NOTIFIERS = (
    "receiving_queues AS q INDEXED BY queues_by_notifier "
    "CROSS JOIN connections AS c USING (connection_id)"
)
_MUTED = (
    "connections AS c INDEXED BY muted_connections "
    "CROSS JOIN receiving_queues AS q USING (connection_id)"
)

_IS_DUE = "q.notify_due_at <= :now AND c.notify AND q.status > 0 AND NOT q.is_deleted"
_IS_THERE = "q.notifier_id != x'' AND NOT q.is_deleted"

# Of one user at one router, or of all.
_BY_ROUTER = (
    "(SELECT * FROM (SELECT q.connection_id, q.number, row_number() OVER "
    "(PARTITION BY c.user, q.server ORDER BY q.notify_due_at) AS place "
    "FROM {} WHERE {}) WHERE place <= :limit)"
)
_TOGETHER = (
    "(SELECT q.connection_id, q.number FROM {} WHERE {} ORDER BY q.notify_due_at LIMIT :limit)"
)

_STAGES = {
    Stage.ENABLE: _BY_ROUTER.format(_TO_NOTIFY, f"{_IS_DUE} AND q.notifier_id = x''"),
    Stage.SUBSCRIBE: _TOGETHER.format(
        _TO_NOTIFY, f"{_IS_DUE} AND {_IS_THERE} AND q.subscription_id = x''"
    ),
    Stage.CHECK: _TOGETHER.format(
        _TO_NOTIFY, f"{_IS_DUE} AND {_IS_THERE} AND q.subscription_id != x''"
    ),
    Stage.DISABLE_MUTED: _BY_ROUTER.format(_MUTED, f"NOT c.notify AND {_IS_THERE}"),
    Stage.DISABLE: _BY_ROUTER.format(_WITH_NOTIFIERS, _IS_THERE),
}
"""The queues at a stage, as many as fit into a batch; only their keys, as there may be many."""

StoredEvent = tuple[int, KeptEvent]
"""An event and its number in the store."""


@define(eq=False, repr=False)
class _Cached:
    """A connection as the store has it, as far as it was asked for."""

    row: Connection | None = None
    receiving: list[ReceivingQueue] | None = None
    sending: list[SendingQueue] | None = None
    skipped: SkippedKeys | None = None
    has_work: bool | None = None
    deliveries: dict[int, Delivery | None] = field(factory=dict)
    """The first delivery of a queue that is not held back, as far as it is known."""


class SQLiteRows(KeptRows):
    """Rows in the tables of `simplex_trio.duplex.store.schema`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._execute = connection.execute
        self._executemany = connection.executemany
        self._cache: OrderedDict[str, _Cached] = OrderedDict()
        self._touched: set[str] = set()
        self._touched_all = False
        self.wants_durability = False
        """Whether this transaction has to survive a loss of power, whatever its caller has said."""

    # --- the cache ------------------------------------------------------------------------------

    def settle(self) -> None:
        """The transaction is stored, so what is in memory is true."""
        self._touched.clear()
        self._touched_all = False
        while len(self._cache) > CACHED_CONNECTIONS:
            self._cache.popitem(last=False)

    def forget_changes(self) -> None:
        """Some changes since `settle` were undone, so what is in memory may not be true.

        The others may be undone as well, and may be read again until then.
        """
        if self._touched_all:
            self._cache.clear()
        for connection_id in self._touched:
            self._cache.pop(connection_id, None)

    def _cached(self, connection_id: str) -> _Cached:
        cached = self._cache.get(connection_id)
        if cached is None:
            cached = self._cache[connection_id] = _Cached()
        self._cache.move_to_end(connection_id)
        return cached

    def _touch(self, connection_id: str) -> _Cached:
        self._touched.add(connection_id)
        return self._cached(connection_id)

    # --- records --------------------------------------------------------------------------------

    def get(self, kind: type[RecordT], *key: Any) -> RecordT | None:
        table = RECORD_TABLES[kind]
        if kind is Connection:
            cached = self._cached(key[0])
            if cached.row is None:
                cached.row = self._get(table, key)
            return cached.row  # type: ignore[return-value]
        found: RecordT | None = self._get(table, key)
        return found

    def _get(self, table: Table[Any], key: tuple[Any, ...]) -> Any:
        values = [
            table.written(column, value) for column, value in zip(table.key, key, strict=True)
        ]
        row = self._execute(table.select_one, values).fetchone()
        return None if row is None else self._record(table, row)

    def _record(self, table: Table[Any], row: tuple[Any, ...]) -> Any:
        try:
            return table.record(row)
        except DecodeError as exc:
            raise StoreCorrupted(f"table {table.name}") from exc
        except ValueError:
            # Without its cause, which may show the value.
            raise StoreCorrupted(f"table {table.name}") from None

    def find(
        self, kind: type[RecordT], *, limit: int | None = None, **fields: Any
    ) -> list[RecordT]:
        table = RECORD_TABLES[kind]
        if kind in (ReceivingQueue, SendingQueue) and tuple(fields) == ("connection_id",):
            cached = self._cached(fields["connection_id"])
            attribute = "receiving" if kind is ReceivingQueue else "sending"
            known: list[Any] | None = getattr(cached, attribute)
            if known is None:
                known = self._find(table, fields, limit)
                setattr(cached, attribute, known)
            return known
        if kind is Delivery and limit == 1 and "is_held" in fields:
            assert not fields["is_held"]
            firsts = self._cached(fields["connection_id"]).deliveries
            queue = fields["queue"]
            if queue not in firsts:
                firsts[queue] = next(iter(self._find(table, fields, limit)), None)
            first: Any = firsts[queue]
            return [] if first is None else [first]
        return self._find(table, fields, limit)

    def _find(self, table: Table[Any], fields: dict[str, Any], limit: int | None) -> list[Any]:
        values = [table.written(column, value) for column, value in fields.items()]
        rows = self._execute(table.select(tuple(fields), limit), values).fetchall()
        return [self._record(table, row) for row in rows]

    def count(self, kind: type[Any], **fields: Any) -> int:
        table = RECORD_TABLES[kind]
        values = [table.written(column, value) for column, value in fields.items()]
        (count,) = self._execute(table.count(tuple(fields)), values).fetchone()
        return int(count)

    def insert(self, record: Any) -> None:
        table = RECORD_TABLES[type(record)]
        self._execute(table.insert, table.values(record))
        self._changed(record, None)

    def update(self, before: Any, after: Any) -> None:
        statement = RECORD_TABLES[type(after)].update(before, after)
        if statement is not None:
            self._execute(*statement)
            self._changed(after, before)

    def delete(self, record: Any) -> None:
        table = RECORD_TABLES[type(record)]
        self._execute(table.delete, table.key_values(record))
        self._changed(None, record)

    def _changed(self, after: Any, before: Any) -> None:
        """Keep the cache true."""
        record = before if after is None else after
        match record:
            case Connection():
                self._touch(record.connection_id).row = after
            case ReceivingQueue() | SendingQueue():
                cached = self._touch(record.connection_id)
                attribute = "receiving" if isinstance(record, ReceivingQueue) else "sending"
                known = getattr(cached, attribute)
                if known is None:
                    return  # read when it is asked for
                others = [queue for queue in known if queue.number != record.number]
                if after is not None:
                    others.append(after)
                    others.sort(key=lambda queue: queue.number)
                setattr(cached, attribute, others)
            case Delivery():
                firsts = self._touch(record.connection_id).deliveries
                if record.is_held or (before is not None and before.is_held):
                    firsts.pop(record.queue, None)
                    return
                first = firsts.get(record.queue)
                if after is None or (first is not None and first.message_id == after.message_id):
                    firsts.pop(record.queue, None)
                    if after is not None:
                        firsts[record.queue] = after
                elif record.queue in firsts and (
                    first is None or after.message_id < first.message_id
                ):
                    firsts[record.queue] = after
            case _:
                pass

    def delete_connection(self, connection_id: str) -> None:
        for delivery in self.find(Delivery, connection_id=connection_id):
            self.delete(delivery)
            if delivery.body is not None:
                self.drop_unused_body(delivery.body)
        self._execute("DELETE FROM connections WHERE connection_id = ?", (connection_id.encode(),))
        self._execute(
            "DELETE FROM events WHERE connection_id = ? AND message_id IS NOT NULL",
            (connection_id.encode(),),
        )
        self._touched.add(connection_id)
        self._cache.pop(connection_id, None)

    # --- keys of messages that have not come ----------------------------------------------------

    def skipped_keys(self, connection_id: str) -> SkippedKeys:
        cached = self._cached(connection_id)
        if cached.skipped is None:
            rows = self._execute(
                "SELECT header_key, number, message_key, iv, since FROM skipped_keys "
                "WHERE connection_id = ? ORDER BY position",
                (connection_id.encode(),),
            ).fetchall()
            if any(tuple(map(len, (row[0], row[2], row[3]))) != _SKIPPED_SIZES for row in rows):
                raise StoreCorrupted("table skipped_keys")
            cached.skipped = SkippedKeys.of(SkippedKey(*row) for row in rows)
        return cached.skipped

    def change_skipped_keys(
        self, connection_id: str, before: SkippedKeys, after: SkippedKeys
    ) -> None:
        added, removed = after.changes_since(before)
        name = connection_id.encode()
        self._executemany(
            "DELETE FROM skipped_keys WHERE connection_id = ? AND header_key = ? AND number = ?",
            [(name, *key) for key in removed],
        )
        if added:
            (last,) = self._execute(
                "SELECT coalesce(max(position), 0) FROM skipped_keys WHERE connection_id = ?",
                (name,),
            ).fetchone()
            self._executemany(
                "INSERT INTO skipped_keys (connection_id, header_key, number, message_key, iv, "
                "since, position) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (name, key.header_key, key.number, key.message_key, key.iv, key.since, place)
                    for place, key in enumerate(added, last + 1)
                ],
            )
        self._touch(connection_id).skipped = after

    # --- hashes of what has come ----------------------------------------------------------------

    def has_seen(self, connection_id: str, encrypted_hash: bytes) -> bool:
        found = self._execute(
            "SELECT 1 FROM seen_messages WHERE connection_id = ? AND encrypted_hash = ?",
            (connection_id.encode(), encrypted_hash),
        ).fetchone()
        return found is not None

    def add_seen(self, connection_id: str, encrypted_hash: bytes, at: int) -> None:
        self._execute(
            "INSERT OR IGNORE INTO seen_messages VALUES (?, ?, ?)",
            (connection_id.encode(), encrypted_hash, at),
        )

    # --- what is queued -------------------------------------------------------------------------

    def queued(self, user: str) -> tuple[int, int]:
        # Few messages wait at a time, among many connections: SQLite is to begin with the former.
        count, size = self._execute(
            "SELECT count(*), coalesce(sum(coalesce(length(b.body), length(d.plaintext) - ?)), 0) "
            "FROM deliveries AS d CROSS JOIN connections AS c USING (connection_id) "
            "LEFT JOIN bodies AS b ON b.number = d.body WHERE d.kind = ? AND c.user = ?",
            (_BEFORE_BODY, DeliveryKind.MESSAGE.value, user.encode()),
        ).fetchone()
        return int(count), int(size)

    # --- bodies ---------------------------------------------------------------------------------

    def add_body(self, body: bytes) -> int:
        number = self._execute("INSERT INTO bodies (body) VALUES (?)", (body,)).lastrowid
        assert number is not None
        return number

    def body(self, number: int) -> bytes:
        row = self._execute("SELECT body FROM bodies WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise StoreCorrupted("table bodies")
        body: bytes = row[0]
        return body

    def drop_unused_body(self, number: int) -> None:
        self._execute(
            "DELETE FROM bodies WHERE number = ? "
            "AND NOT EXISTS (SELECT 1 FROM deliveries WHERE body = ?)",
            (number, number),
        )

    # --- events ---------------------------------------------------------------------------------

    def add_event(self, event: KeptEvent, message_id: int | None) -> None:
        kind, content = write_event(event)
        number = self._execute(
            "INSERT INTO events (connection_id, message_id, kind, content) VALUES (?, ?, ?, ?)",
            (event.connection_id.encode(), message_id, kind.encode(), content),
        ).lastrowid
        assert number is not None
        self.new_events.append((number, event))

    def has_problem(self, event: ReceivingProblem) -> bool:
        kind, content = write_event(event)
        found = self._execute(
            f"SELECT 1 FROM events WHERE kind IN ({LIMITED_EVENTS}) "
            "AND connection_id = ? AND kind = ? AND content = ?",
            (event.connection_id.encode(), kind.encode(), content),
        ).fetchone()
        return found is not None

    def drop_events(self, event: SecurityCodeChanged) -> None:
        kind, _ = write_event(event)
        self._execute(
            f"DELETE FROM events WHERE kind IN ({LIMITED_EVENTS}) "
            "AND connection_id = ? AND kind = ?",
            (event.connection_id.encode(), kind.encode()),
        )

    def count_moves(self, connection_id: str) -> int:
        (count,) = self._execute(
            f"SELECT count(*) FROM events WHERE kind = {MOVE_EVENT} AND connection_id = ?",
            (connection_id.encode(),),
        ).fetchone()
        return int(count)

    def delete_message_event(self, connection_id: str, message_id: int) -> None:
        self._execute(
            "DELETE FROM events WHERE connection_id = ? AND message_id = ?",
            (connection_id.encode(), message_id),
        )

    def events_after(self, number: int, limit: int) -> list[StoredEvent]:
        """The oldest stored events behind one with a number."""
        rows = self._execute(
            "SELECT number, kind, content FROM events WHERE number > ? ORDER BY number LIMIT ?",
            (number, limit),
        ).fetchall()
        try:
            return [(each, read_event(kind.decode(), content)) for each, kind, content in rows]
        except DecodeError as exc:
            raise StoreCorrupted("table events") from exc
        except UnicodeDecodeError:
            raise StoreCorrupted("table events") from None

    def delete_events(self, numbers: list[int]) -> None:
        """Remove events that the program has taken."""
        self._executemany("DELETE FROM events WHERE number = ?", [(each,) for each in numbers])

    # --- of all connections ---------------------------------------------------------------------

    def note_work(self, connection_id: str, has_work: bool) -> None:
        """Record whether a connection has anything to do, for the next start."""
        cached = self._cached(connection_id)
        if cached.has_work is not has_work:
            self._execute(
                "UPDATE connections SET has_work = ? WHERE connection_id = ?",
                (has_work, connection_id.encode()),
            )
            self._touch(connection_id).has_work = has_work

    def connections_with_work(self) -> list[str]:
        """The connections that have something to do."""
        rows = self._execute("SELECT connection_id FROM connections WHERE has_work").fetchall()
        return [connection_id.decode() for (connection_id,) in rows]

    def router_counts(self) -> list[tuple[ServerAddress, str, int]]:
        """The counters of all routers."""
        rows = self._execute("SELECT server, name, count FROM router_counts").fetchall()
        try:
            return [
                (ServerAddress.parse(server.decode()), name.decode(), count)
                for server, name, count in rows
            ]
        except ValueError:
            raise StoreCorrupted("table router_counts") from None

    def save_router_counts(self, counts: Iterable[tuple[ServerAddress, str, int]]) -> None:
        """Replace counters."""
        self._executemany(
            "INSERT OR REPLACE INTO router_counts VALUES (?, ?, ?)",
            [(str(server).encode(), name.encode(), count) for server, name, count in counts],
        )

    def has_kem(self) -> bool:
        """Whether any connection may use the KEM."""
        return self._execute("SELECT 1 FROM connections WHERE pq LIMIT 1").fetchone() is not None

    def connection_ids(self, user: str | None) -> list[str]:
        """All connections, or those of a user."""
        if user is None:
            rows = self._execute("SELECT connection_id FROM connections").fetchall()
        else:
            rows = self._execute(
                "SELECT connection_id FROM connections WHERE user = ?", (user.encode(),)
            ).fetchall()
        return [connection_id.decode() for (connection_id,) in rows]

    def queues_by_user(self) -> dict[str, list[SubscribedQueue]]:
        """All queues that exist on routers and are not being deleted, by their users."""
        table = _SUBSCRIBED
        columns = ", ".join(f"q.{column}" for column in table.columns)
        rows = self._execute(
            f"SELECT c.user, {columns} FROM receiving_queues AS q "
            "JOIN connections AS c USING (connection_id) "
            "WHERE q.status > 0 AND NOT q.is_deleted"
        ).fetchall()
        found: dict[str, list[SubscribedQueue]] = {}
        for user, *row in rows:
            found.setdefault(user.decode(), []).append(self._record(table, tuple(row)))
        return found

    def queues_by_place(self) -> tuple[list[tuple[str, ServerAddress]], int]:
        """Where the queues of ready connections are, and how many are still to be made.

        Those of one user at one router are named once, the fewest first.  The number is of queues
        that are to take the place of others.
        """
        rows = self._execute(
            "SELECT c.user, q.server FROM receiving_queues AS q JOIN connections AS c "
            "USING (connection_id) WHERE c.ready AND c.deletion = 0 AND q.status > 0 "
            "AND NOT q.is_deleted GROUP BY c.user, q.server ORDER BY count(*)"
        ).fetchall()
        (being_made,) = self._execute(
            "SELECT count(*) FROM receiving_queues WHERE replaces AND status = 0"
        ).fetchone()
        read = codec(ServerAddress)[1]
        return [(user.decode(), read(server)) for user, server in rows], being_made

    def connections_at(
        self, user: str, server: ServerAddress, ended_before: int, limit: int
    ) -> list[str]:
        """Some connections whose only queue is on a router, and has not been tried to be moved."""
        rows = self._execute(
            "SELECT connection_id FROM receiving_queues AS q JOIN connections AS c "
            "USING (connection_id) WHERE q.server = ? AND c.user = ? AND c.ready "
            "AND c.deletion = 0 AND c.rotation_ended_at <= ? AND q.suspension = 0 "
            "AND NOT q.is_deleted AND NOT q.replaces AND NOT EXISTS (SELECT 1 FROM "
            "receiving_queues AS n WHERE n.connection_id = q.connection_id AND n.replaces) LIMIT ?",
            (codec(ServerAddress)[0](server), user.encode(), ended_before, limit),
        ).fetchall()
        return [connection_id.decode() for (connection_id,) in rows]

    # --- notifications --------------------------------------------------------------------------

    def notified_queues(
        self, stage: Stage, now: int, limit: int
    ) -> list[tuple[str, NotifiedQueue]]:
        columns = ", ".join(f"q.{column}" for column in _NOTIFIED.columns)
        rows = self._execute(
            f"SELECT c.user, {columns} FROM {_STAGES[stage]} AS chosen "
            "CROSS JOIN receiving_queues AS q USING (connection_id, number) "
            "CROSS JOIN connections AS c USING (connection_id) "
            "ORDER BY q.notify_due_at, q.connection_id, q.number",
            {"now": now, "limit": limit},
        ).fetchall()
        return [(user.decode(), self._record(_NOTIFIED, tuple(row))) for user, *row in rows]

    def next_notification_at(self, now: int) -> int | None:
        (due_at,) = self._execute(
            "SELECT min(notify_due_at) FROM receiving_queues WHERE notify_due_at > ?", (now,)
        ).fetchone()
        return None if due_at is None else int(due_at)

    def make_notifications_due(self, *, forget: bool) -> None:
        if forget:
            self._execute(
                "UPDATE receiving_queues SET subscription_id = x'' WHERE notifier_id != x''"
            )
        self._execute("UPDATE receiving_queues SET notify_due_at = 0 WHERE notify_due_at > 0")
        self._cache.clear()
        self._touched_all = True

    def queues_of_notifier(self, notifier_id: bytes) -> list[ReceivingQueue]:
        table = RECORD_TABLES[ReceivingQueue]
        rows = self._execute(
            f"SELECT {', '.join(table.columns)} FROM receiving_queues "
            "WHERE notifier_id = ? AND notifier_id != x''",
            (notifier_id,),
        ).fetchall()
        return [self._record(table, row) for row in rows]

    # --- of all files ---------------------------------------------------------------------------

    def file_ids(self) -> list[str]:
        """All files that are sent, received or deleted; those sent as descriptions included."""
        rows = self._execute(
            "SELECT file_id FROM outgoing_files UNION SELECT file_id FROM incoming_files "
            "UNION SELECT file_id FROM deleted_files"
        ).fetchall()
        return [file_id.decode() for (file_id,) in rows]

    # --- what is kept for a time ----------------------------------------------------------------

    def forget_old(self, before: int) -> None:
        """Remove what is kept only to recognise answers and repetitions, if it is older."""
        self._execute("DELETE FROM seen_messages WHERE seen_at < ?", (before,))
        self._execute("DELETE FROM sent_messages WHERE created_at < ?", (before,))
        self._execute("DELETE FROM looked_links WHERE looked_at < ?", (before,))
