"""`Records`: the records about packets and the counters, in a small database beside the bodies.

Every lookup is a query, so that memory does not grow with the number of packets.  All of this is
for the one worker thread that owns the connection.

Bodies without a record are removed at start, so the records must be complete: their commits are
numbered as in `simplex_trio.storage.last_commit`.  The mark is written only after durable commits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from simplex_trio.crypto.keys import AuthPublicKey, auth_public_key
from simplex_trio.errors import (
    DecodeError,
    StoreCorrupted,
)
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.storage.database import Database
from simplex_trio.storage.failures import translated
from simplex_trio.storage.losses import LAST_COMMIT_TABLE
from simplex_trio.storage.schema import Schema
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.xftp.commands import PacketInfo
from simplex_trio.wire.xftp.errors import Blocked, decode_xftp_error
from simplex_trio.xftp.router.record_limits import MOST_FORGOTTEN, NO_LIMITS, RecordLimits, Room

__all__ = ["PacketRecord", "Records"]

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

_BY_SENDER = """
    SELECT sender_id, sender_key, size, digest, has_body, blocked, sender_key
    FROM packets WHERE sender_id = ?
"""

_BY_RECIPIENT = """
    SELECT p.sender_id, p.sender_key, p.size, p.digest, p.has_body, p.blocked, r.key
    FROM recipients r JOIN packets p ON p.sender_id = r.sender_id WHERE r.recipient_id = ?
"""


@frozen(repr=False)
class PacketRecord(Redacted):
    """A packet at the time of the lookup, and the key of the sender or recipient with the id."""

    sender_id: bytes
    info: PacketInfo
    has_body: bool
    blocked: Blocked | None
    key: AuthPublicKey


class Records:
    """The open database."""

    def __init__(self, path: Path, *, accept_loss: bool = False) -> None:
        """Open it, or make it.

        Raises `StoreUnavailable` if it cannot be opened, `StoreLocked` if another process uses it,
        `StoreForeign` or `StoreCorrupted` if it is another file or damaged, and `StoreIncomplete`
        if its last commits are missing, unless ``accept_loss`` gives them up.
        """
        self.database: Database = Database(path, _RECORDS, accept_loss=accept_loss)
        try:
            self.packets: int = self._number_of("packets")
            self.rows: int = self.packets + self._number_of("recipients")
            """Packets and recipients; only the methods here change this and `packets`."""
            self.forgotten: int = 0
            """Packets without a body that were deleted to make room for others."""
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
        recipients: Sequence[tuple[bytes, AuthPublicKey]],
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
        self._note(room, 1, 1 + len(recipients))
        return room.is_enough

    def add_recipients(
        self,
        sender_id: bytes,
        recipients: Sequence[tuple[bytes, AuthPublicKey]],
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
        self._note(room, 0, len(recipients))
        return room.is_enough

    def _make_room(
        self, packets: int, rows: int, limits: RecordLimits, *, but_not: bytes = b""
    ) -> Room:
        """Delete unused packets until there is room, or none of them is left."""
        packets += self.packets - limits.packets
        rows += self.rows - limits.rows
        freed_packets = freed_rows = 0
        # As many as it takes to make room for all that fits into a block.
        for _ in range(MOST_FORGOTTEN):
            if freed_packets >= packets and freed_rows >= rows:
                break
            oldest = self._db.execute(
                f"SELECT sender_id FROM packets WHERE {_UNUSED}"  # noqa: S608
                " AND created_hour < ? AND sender_id <> ? ORDER BY created_hour, sender_id LIMIT 1",
                (limits.unused_before, but_not),
            ).fetchone()
            if oldest is None:
                break
            freed_packets += 1
            freed_rows += 1 + self._recipients_of(oldest[0])
            self._db.execute("DELETE FROM packets WHERE sender_id = ?", oldest)
        is_enough = freed_packets >= packets and freed_rows >= rows
        return Room(freed_packets, freed_rows, is_enough)

    def _note(self, room: Room, packets: int, rows: int) -> None:
        """Update the counts with what was deleted, and what was added if there was room."""
        self.forgotten += room.packets
        self.packets += packets * room.is_enough - room.packets
        self.rows += rows * room.is_enough - room.rows

    def _recipients_of(self, sender_id: bytes) -> int:
        query = "SELECT count(*) FROM recipients WHERE sender_id = ?"
        (count,) = self._db.execute(query, (sender_id,)).fetchone()
        return int(count)

    def _add_recipients(
        self, sender_id: bytes, recipients: Sequence[tuple[bytes, AuthPublicKey]]
    ) -> None:
        self._db.executemany(
            "INSERT INTO recipients (recipient_id, sender_id, key) VALUES (?, ?, ?)",
            [(recipient_id, sender_id, key.der) for recipient_id, key in recipients],
        )

    def by_sender(self, sender_id: bytes) -> PacketRecord | None:
        """The packet with this id of its sender."""
        return _record(self._ask(_BY_SENDER, sender_id))

    def by_recipient(self, recipient_id: bytes) -> PacketRecord | None:
        """The packet with this id of a recipient."""
        return _record(self._ask(_BY_RECIPIENT, recipient_id))

    def awaits_body(self, sender_id: bytes) -> bool:
        """Whether the packet exists, has no body, and may get one."""
        query = (
            "SELECT count(*) FROM packets WHERE sender_id = ? AND NOT has_body AND blocked IS NULL"
        )
        return self._ask(query, sender_id) == (1,)

    def note_body(self, sender_id: bytes) -> None:
        """Record that the packet has its body."""
        with self._lasting():
            self._db.execute("UPDATE packets SET has_body = 1 WHERE sender_id = ?", (sender_id,))

    def with_bodies(self) -> list[bytes]:
        """The ids of all packets that have their bodies; a quota bounds how many there are."""
        with translated("the records"):
            rows = self._db.execute("SELECT sender_id FROM packets WHERE has_body").fetchall()
        return [bytes(sender_id) for (sender_id,) in rows]

    def note_losses(self, sender_ids: Sequence[bytes]) -> None:
        """Record that packets do not have their bodies any more."""
        with self._transaction():
            self._db.executemany(
                "UPDATE packets SET has_body = 0 WHERE sender_id = ?",
                [(sender_id,) for sender_id in sender_ids],
            )

    def block(self, sender_id: bytes, reason: Blocked) -> int | None:
        """Record that the packet is blocked and has no body any more; returns as `delete`."""
        with self._lasting():
            freed = self._body_size(sender_id)
            self._db.execute(
                "UPDATE packets SET has_body = 0, blocked = ? WHERE sender_id = ?",
                (reason.encode(), sender_id),
            )
        return freed

    def delete(self, sender_id: bytes) -> int | None:
        """Delete a packet and its recipients.

        Returns the size of its body, 0 if it had none, `None` if the packet does not exist.
        """
        with self._transaction():
            freed = self._body_size(sender_id)
            recipients = self._recipients_of(sender_id)
            self._db.execute("DELETE FROM packets WHERE sender_id = ?", (sender_id,))
        if freed is not None:
            self.packets -= 1
            self.rows -= 1 + recipients
        return freed

    def _body_size(self, sender_id: bytes) -> int | None:
        query = "SELECT size * has_body FROM packets WHERE sender_id = ?"
        row = self._db.execute(query, (sender_id,)).fetchone()
        return None if row is None else int(row[0])

    def delete_recipient(self, recipient_id: bytes) -> None:
        """Delete a recipient."""
        with self._transaction():
            query = "DELETE FROM recipients WHERE recipient_id = ?"
            self.rows -= self._db.execute(query, (recipient_id,)).rowcount

    def created_before(self, hour: int, after: bytes, limit: int) -> list[bytes]:
        """Up to ``limit`` ids, above ``after`` and in order, of packets from before an hour."""
        query = (
            "SELECT sender_id FROM packets WHERE created_hour < ? AND sender_id > ?"
            " ORDER BY sender_id LIMIT ?"
        )
        with translated("the records"):
            rows = self._db.execute(query, (hour, after, limit)).fetchall()
        return [bytes(sender_id) for (sender_id,) in rows]

    def has_body(self, sender_id: bytes) -> bool:
        """Whether the packet exists and has its body."""
        query = "SELECT count(*) FROM packets WHERE sender_id = ? AND has_body"
        return self._ask(query, sender_id) == (1,)

    def _ask(self, query: str, *values: object) -> tuple[object, ...]:
        with translated("the records"):
            return tuple(self._db.execute(query, values).fetchone() or ())


def _record(row: tuple[object, ...]) -> PacketRecord | None:
    if not row:
        return None
    sender_id, sender_key, size, digest, has_body, blocked, key = row
    assert isinstance(sender_id, bytes)
    assert isinstance(sender_key, bytes)
    assert isinstance(size, int)
    assert isinstance(digest, bytes)
    assert isinstance(key, bytes)
    try:
        return PacketRecord(
            sender_id,
            PacketInfo(auth_public_key(sender_key), size, digest),
            bool(has_body),
            _blocked(blocked),
            auth_public_key(key),
        )
    except DecodeError as exc:
        raise StoreCorrupted("the record of a packet") from exc


def _blocked(value: object) -> Blocked | None:
    if value is None:
        return None
    assert isinstance(value, bytes)
    error = decode_xftp_error(Reader(value))
    if not isinstance(error, Blocked):
        raise DecodeError("a packet that is blocked without a reason")
    return error
