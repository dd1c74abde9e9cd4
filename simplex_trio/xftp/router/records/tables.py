"""`RecordTables`: the records about packets and the counters, in an SQLite file.

All of this is for the one worker thread that owns the connection; `SQLiteRecords` calls it there.

Bodies without a record are removed at start, so the records must be complete: their commits are
numbered as in `simplex_trio.storage.last_commit`.  The mark is written only after durable commits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from simplex_trio.errors import StoreCorrupted
from simplex_trio.storage.database import Database
from simplex_trio.storage.failures import translated
from simplex_trio.storage.losses import LAST_COMMIT_TABLE
from simplex_trio.storage.schema import Schema
from simplex_trio.wire.xftp.commands import PacketInfo
from simplex_trio.wire.xftp.errors import Blocked
from simplex_trio.xftp.router.records.interface import PacketRecord, Recipients, packet_record
from simplex_trio.xftp.router.records.limits import NO_LIMITS, RecordCounts, RecordLimits, Room

__all__ = ["RecordTables"]

_FIRST = (
    """
    CREATE TABLE packets (
        sender_id BLOB PRIMARY KEY,
        sender_key BLOB NOT NULL,
        size INTEGER NOT NULL,
        digest BLOB NOT NULL,
        created_hour INTEGER NOT NULL,
        has_body INTEGER NOT NULL DEFAULT 0,
        blocked BLOB
    ) WITHOUT ROWID
    """,
    "CREATE INDEX packets_by_age ON packets (created_hour)",
    """
    CREATE TABLE recipients (
        recipient_id BLOB PRIMARY KEY,
        sender_id BLOB NOT NULL REFERENCES packets (sender_id) ON DELETE CASCADE,
        key BLOB NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX recipients_of_packet ON recipients (sender_id)",
)

_UNUSED = "NOT has_body AND blocked IS NULL"

_SECOND = (
    LAST_COMMIT_TABLE,
    f"""
    CREATE INDEX unused_packets_by_age ON packets (created_hour, sender_id)
    WHERE {_UNUSED}
    """,
)
"""The changes of the second version of the schema."""

_THIRD = ("CREATE TABLE statistics (name BLOB PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",)
"""The changes of the third version: counters."""

_RECORDS = Schema(
    application_id=0x53585046,  # "SXPF"
    migrations=(_FIRST, _SECOND, _THIRD),
    commits_numbered=2,
    is_checked=False,  # a router with many packets starts as fast as one with few
    is_durable=False,
)

_UNUSED_FIRST = f"""
    SELECT sender_id, (SELECT count(*) FROM recipients r WHERE r.sender_id = packets.sender_id)
    FROM packets WHERE {_UNUSED} AND created_hour < ? AND sender_id <> ?
    ORDER BY created_hour, sender_id LIMIT ?
"""  # noqa: S608

_BY_SENDER = """
    SELECT sender_id, sender_key, size, digest, has_body, blocked, sender_key
    FROM packets WHERE sender_id = ?
"""

_BY_RECIPIENT = """
    SELECT p.sender_id, p.sender_key, p.size, p.digest, p.has_body, p.blocked, r.key
    FROM recipients r JOIN packets p ON p.sender_id = r.sender_id WHERE r.recipient_id = ?
"""


class RecordTables:
    """The open database; see `Records` for what the methods mean."""

    def __init__(self, path: Path, *, accept_loss: bool = False) -> None:
        """Open it, or make it.

        Raises `StoreUnavailable` if it cannot be opened, `StoreLocked` if another process uses it,
        `StoreForeign` or `StoreCorrupted` if it is another file or damaged, and `StoreIncomplete`
        if its last commits are missing, unless ``accept_loss`` gives them up.
        """
        self.database: Database = Database(path, _RECORDS, accept_loss=accept_loss)
        try:
            self.counts: RecordCounts = RecordCounts(
                self._number_of("packets"), self._number_of("recipients")
            )
        except BaseException:
            self.close()
            raise

    @property
    def _db(self) -> sqlite3.Connection:
        return self.database.connection

    def _lasting(self) -> AbstractContextManager[None]:
        """A durable transaction, which survives a loss of power, as do all before it.

        Bodies are durable, and the records that grant access to them should be.  Losing a packet
        without a body does little harm, and a deleted packet that reappears expires.
        """
        return self.database.transaction()

    def _transaction(self) -> AbstractContextManager[None]:
        return self.database.transaction(durable=False)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    # --- numbers ------------------------------------------------------------------------------

    def _number_of(self, table: str) -> int:
        (count,) = self._ask(f"SELECT count(*) FROM {table}")  # noqa: S608
        assert isinstance(count, int)
        return count

    def bytes_stored(self) -> int:
        """The total size of all bodies."""
        (size,) = self._ask("SELECT coalesce(sum(size), 0) FROM packets WHERE has_body")
        assert isinstance(size, int)
        return size

    def statistics(self) -> dict[str, int]:
        """The counters that `put_statistics` has stored."""
        with translated("the records"):
            rows = self._db.execute("SELECT name, value FROM statistics").fetchall()
            found = {bytes(name).decode(): value for name, value in rows}
        if not all(isinstance(value, int) for value in found.values()):
            raise StoreCorrupted("the counters")
        return found

    def put_statistics(self, values: Mapping[str, int]) -> None:
        """Store the counters; a loss of power may lose the last ones."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO statistics (name, value) VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                [(name.encode(), value) for name, value in values.items()],
            )

    # --- packets ------------------------------------------------------------------------------

    def add(
        self,
        sender_id: bytes,
        info: PacketInfo,
        recipients: Recipients,
        hour: int,
        limits: RecordLimits = NO_LIMITS,
    ) -> bool:
        """Add a packet, registered in the hour with this number since 1970, if there is room.

        This may delete unused packets to make room.
        """
        with self._transaction():
            room = self._make_room(1, 1 + len(recipients), limits)
            if room.is_enough:
                self._db.execute(
                    "INSERT INTO packets (sender_id, sender_key, size, digest, created_hour)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (sender_id, info.sender_key.der, info.size, info.digest, hour),
                )
                self._add_recipients(sender_id, recipients)
        self.counts.note_added(room, 1, 1 + len(recipients))
        return room.is_enough

    def add_recipients(
        self,
        sender_id: bytes,
        recipients: Recipients,
        limit: int,
        limits: RecordLimits = NO_LIMITS,
    ) -> bool:
        """Add recipients; see `add`.

        Returns false also if the packet is gone, or would have more than ``limit`` recipients.
        """
        with self._lasting():
            count = self._recipients_of(sender_id) + len(recipients)
            if self._body_size(sender_id) is None or count > limit:
                return False
            room = self._make_room(0, len(recipients), limits, but_not=sender_id)
            if room.is_enough:
                self._add_recipients(sender_id, recipients)
        self.counts.note_added(room, 0, len(recipients))
        return room.is_enough

    def _make_room(
        self, packets: int, rows: int, limits: RecordLimits, *, but_not: bytes = b""
    ) -> Room:
        """Delete unused packets until there is room, or none of them is left."""
        lacking = self.counts.most_to_forget(packets, rows, limits)
        oldest = (
            self._db.execute(_UNUSED_FIRST, (limits.unused_before, but_not, lacking)).fetchall()
            if lacking
            else []
        )
        room = self.counts.room(packets, rows, limits, (count for _, count in oldest))
        self._db.executemany(
            "DELETE FROM packets WHERE sender_id = ?",
            [(sender_id,) for sender_id, _ in oldest[: room.packets]],
        )
        return room

    def _recipients_of(self, sender_id: bytes) -> int:
        query = "SELECT count(*) FROM recipients WHERE sender_id = ?"
        (count,) = self._db.execute(query, (sender_id,)).fetchone()
        return int(count)

    def _add_recipients(self, sender_id: bytes, recipients: Recipients) -> None:
        self._db.executemany(
            "INSERT INTO recipients (recipient_id, sender_id, key) VALUES (?, ?, ?)",
            [(recipient_id, sender_id, key.der) for recipient_id, key in recipients],
        )

    def by_sender(self, sender_id: bytes) -> PacketRecord | None:
        """The packet with this id of its sender."""
        return self._packet(_BY_SENDER, sender_id)

    def by_recipient(self, recipient_id: bytes) -> PacketRecord | None:
        """The packet with this id of a recipient."""
        return self._packet(_BY_RECIPIENT, recipient_id)

    def _packet(self, query: str, entity_id: bytes) -> PacketRecord | None:
        row = self._ask(query, entity_id)
        return packet_record(row) if row else None

    def put_body(
        self, sender_id: bytes, place: Callable[[], None], remove: Callable[[], None]
    ) -> bool:
        """Put the body in place and record that, if the packet awaits it."""
        if not self._awaits_body(sender_id):
            return False
        place()
        try:
            self.note_body(sender_id)
        except BaseException:
            remove()
            raise
        return True

    def _awaits_body(self, sender_id: bytes) -> bool:
        """Whether the packet exists, has no body, and may get one."""
        query = (
            "SELECT count(*) FROM packets WHERE sender_id = ? AND NOT has_body AND blocked IS NULL"
        )
        return self._ask(query, sender_id) == (1,)

    def note_body(self, sender_id: bytes) -> None:
        """Record that the packet has its body."""
        with self._lasting():
            self._db.execute("UPDATE packets SET has_body = 1 WHERE sender_id = ?", (sender_id,))

    def with_bodies(self) -> set[bytes]:
        """The ids of all packets that have their bodies."""
        with translated("the records"):
            rows = self._db.execute("SELECT sender_id FROM packets WHERE has_body").fetchall()
        return {bytes(sender_id) for (sender_id,) in rows}

    def note_losses(self, sender_ids: Sequence[bytes]) -> None:
        """Record that packets do not have their bodies any more."""
        with self._transaction():
            self._db.executemany(
                "UPDATE packets SET has_body = 0 WHERE sender_id = ?",
                [(sender_id,) for sender_id in sender_ids],
            )

    def block(self, sender_id: bytes, reason: Blocked, remove: Callable[[], None]) -> int | None:
        """Remove the body, and record that the packet is blocked; returns as `delete`."""
        remove()
        with self._lasting():
            freed = self._body_size(sender_id)
            self._db.execute(
                "UPDATE packets SET has_body = 0, blocked = ? WHERE sender_id = ?",
                (reason.encode(), sender_id),
            )
        return freed

    def delete(self, sender_id: bytes, remove: Callable[[], None]) -> int | None:
        """Remove the body, and delete the packet and its recipients.

        Returns the size of the body, 0 if it had none, `None` if the packet does not exist.
        """
        # The body first: after a failure in between this can be repeated, and on a full disk the
        # records have room only afterwards.
        remove()
        with self._transaction():
            freed = self._body_size(sender_id)
            recipients = self._recipients_of(sender_id)
            self._db.execute("DELETE FROM packets WHERE sender_id = ?", (sender_id,))
        if freed is not None:
            self.counts.note_deleted(recipients)
        return freed

    def _body_size(self, sender_id: bytes) -> int | None:
        query = "SELECT size * has_body FROM packets WHERE sender_id = ?"
        row = self._db.execute(query, (sender_id,)).fetchone()
        return None if row is None else int(row[0])

    def delete_recipient(self, recipient_id: bytes) -> None:
        """Delete a recipient."""
        with self._transaction():
            query = "DELETE FROM recipients WHERE recipient_id = ?"
            count = self._db.execute(query, (recipient_id,)).rowcount
        self.counts.note_recipients_deleted(count)

    def created_before(self, hour: int, after: bytes, limit: int) -> list[bytes]:
        """Up to ``limit`` ids, above ``after`` and in order, of packets from before an hour."""
        query = (
            "SELECT sender_id FROM packets WHERE created_hour < ? AND sender_id > ?"
            " ORDER BY sender_id LIMIT ?"
        )
        with translated("the records"):
            rows = self._db.execute(query, (hour, after, limit)).fetchall()
        return [bytes(sender_id) for (sender_id,) in rows]

    def _ask(self, query: str, *values: object) -> tuple[object, ...]:
        with translated("the records"):
            return tuple(self._db.execute(query, values).fetchone() or ())
