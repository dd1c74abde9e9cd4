"""`open_postgres_records`: the records of a router in a database of PostgreSQL."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import trio

from simplex_trio.errors import StoreFull
from simplex_trio.storage.postgres.connection import COUNTING_SECONDS, Rows
from simplex_trio.storage.postgres.database import PostgresDatabase, open_postgres_database
from simplex_trio.storage.postgres.parameters import Parameter, Statement, numbers, octets
from simplex_trio.storage.postgres.url import DatabaseURL
from simplex_trio.wire.xftp.commands import PacketInfo
from simplex_trio.wire.xftp.errors import Blocked
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.router.records import statements as sql
from simplex_trio.xftp.router.records.interface import (
    PacketRecord,
    Recipients,
    Records,
    packet_record,
)
from simplex_trio.xftp.router.records.limits import RecordCounts, RecordLimits, Room
from simplex_trio.xftp.router.records.pairing import Pairing
from simplex_trio.xftp.router.records.turns import PacketTurns, SharedCommits

__all__ = ["PostgresRecords", "open_postgres_records"]

_log = logging.getLogger(__name__)

_ROW_BYTES: Final = 352
"""Measured with the longest keys, 297 for packets and 260 for recipients, and 38 more for packets
without a body; the rest is for what awaits vacuum."""

_ENOUGH: Final = Room(0, 0, is_enough=True)

_LOST_AT_ONCE: Final = 10_000
"""Packets that are changed in one statement."""


@asynccontextmanager
async def open_postgres_records(
    url: DatabaseURL, *, standby: bool = False
) -> AsyncIterator[PostgresRecords]:
    """Open the records in a database, made if they are missing, for as long as the block lasts.

    With ``standby`` this waits, and says so in the log, while another router has them open or the
    database cannot be reached.  Raises what
    `simplex_trio.storage.postgres.database.open_postgres_database` raises: after the loss of the
    lease the block is cancelled.
    """
    async with open_postgres_database(
        url,
        sql.SCHEMA,
        name="simplex-trio xftp router",
        standby=standby,
        standing_by=lambda reason: _log.info("standing by: %s", reason),
    ) as database:
        try:
            ((packets, recipients),) = await _totals(database, sql.COUNT)
            yield PostgresRecords(database, RecordCounts(packets, recipients))
        finally:
            await database.aclose()


async def _totals(database: PostgresDatabase, query: str) -> Rows:
    """The rows of a query that reads whole tables, in their order on the disk."""
    rows: Rows = []
    async with database.snapshot() as found:
        await found.read(query, rows.extend, seconds=COUNTING_SECONDS)
    return rows


class PostgresRecords(Records):
    """Records in PostgreSQL; see `Records`.  Every change survives a loss of power.

    What a change depends on is read before, in a call of its own: no other process writes, and in
    this one changes of a packet take turns.
    """

    def __init__(self, database: PostgresDatabase, counts: RecordCounts) -> None:
        self._database = database
        self._turns = PacketTurns()
        self._commits = SharedCommits(database)
        self.counts: RecordCounts = counts
        self.row_bytes = _ROW_BYTES

    @property
    def is_connected(self) -> bool:
        return self._database.is_connected

    async def _fetch(self, query: str, *parameters: Parameter) -> Rows:
        return await self._database.fetch(Statement(query, parameters))

    async def _commit(self, *statements: Statement) -> None:
        await self._commits.commit(statements)

    @asynccontextmanager
    async def _changing(self, sender_id: bytes | None = None) -> AsyncIterator[None]:
        """The turn of a change to a packet, or to packets that are yet to be found.

        It is not cancelled once it has begun.
        """
        turn = self._turns.of_all() if sender_id is None else self._turns.of(sender_id)
        shield = trio.CancelScope(shield=True)
        async with turn:
            with shield:
                yield

    # --- numbers ------------------------------------------------------------------------------

    async def bytes_stored(self) -> int:
        ((size,),) = await _totals(self._database, sql.BYTES_STORED)
        return int(size)

    async def statistics(self) -> dict[str, int]:
        return {name.decode(): value for name, value in await self._fetch(sql.STATISTICS)}

    async def put_statistics(self, values: Mapping[str, int]) -> None:
        names = octets([name.encode() for name in values])
        await self._commit(Statement(sql.PUT_STATISTICS, (names, numbers(list(values.values())))))

    # --- packets ------------------------------------------------------------------------------

    async def add(
        self,
        sender_id: bytes,
        info: PacketInfo,
        recipients: Recipients,
        hour: int,
        limits: RecordLimits,
    ) -> bool:
        packet = (sender_id, info.sender_key.der, info.size, info.digest, hour)
        put = (Statement(sql.PUT_PACKET, packet), _put_recipients(sender_id, recipients))
        rows = 1 + len(recipients)
        async with self._changing(sender_id):
            if not self.counts.most_to_forget(1, rows, limits):
                await self._add(put, 1, rows)
                return True
        async with self._changing():
            return await self._make_room_and_add(put, 1, rows, limits)

    async def add_recipients(
        self, sender_id: bytes, recipients: Recipients, limit: int, limits: RecordLimits
    ) -> bool:
        put, rows = (_put_recipients(sender_id, recipients),), len(recipients)
        async with self._changing(sender_id):
            if not await self._may_have(sender_id, rows, limit):
                return False
            if not self.counts.most_to_forget(0, rows, limits):
                await self._add(put, 0, rows)
                return True
        async with self._changing():
            if not await self._may_have(sender_id, rows, limit):
                return False
            return await self._make_room_and_add(put, 0, rows, limits, but_not=sender_id)

    async def _may_have(self, sender_id: bytes, more: int, limit: int) -> bool:
        """Whether a packet exists, and may have so many recipients more."""
        found = await self._sizes(sender_id)
        return found is not None and found[1] + more <= limit

    async def _add(self, put: Sequence[Statement], packets: int, rows: int) -> None:
        """Add so many records, for which there is room."""
        # Counted first: others must not take the same room.
        self.counts.note_added(_ENOUGH, packets, rows)
        try:
            await self._commit(*put)
        except BaseException:
            self.counts.note_added(_ENOUGH, -packets, -rows)
            raise

    async def _make_room_and_add(
        self,
        put: Sequence[Statement],
        packets: int,
        rows: int,
        limits: RecordLimits,
        *,
        but_not: bytes = b"",
    ) -> bool:
        """Add so many records, if there is room after deleting unused packets."""
        lacking = self.counts.most_to_forget(packets, rows, limits)
        unused = await self._fetch(sql.OLDEST_UNUSED, limits.unused_before, but_not, lacking)
        room = self.counts.room(packets, rows, limits, (count for _, count in unused))
        forgotten = [sender_id for sender_id, _ in unused[: room.packets]]
        changes = [Statement(sql.DELETE, (octets(forgotten),))] if forgotten else []
        changes += put if room.is_enough else ()
        if changes:
            await self._commit(*changes)
        self.counts.note_added(room, packets, rows)
        return room.is_enough

    async def _sizes(self, sender_id: bytes) -> tuple[int, int] | None:
        """The size of a packet's body, and the number of its recipients."""
        for size, recipients in await self._fetch(sql.SIZES, sender_id):
            return size, recipients
        return None

    async def delete_recipient(self, recipient_id: bytes) -> None:
        for (sender_id,) in await self._fetch(sql.SENDER_OF, recipient_id):
            async with self._changing(sender_id):
                if await self._fetch(sql.SENDER_OF, recipient_id):
                    await self._commit(Statement(sql.DELETE_RECIPIENT, (recipient_id,)))
                    self.counts.note_recipients_deleted(1)

    async def by_sender(self, sender_id: bytes) -> PacketRecord | None:
        return await self._packet(sql.BY_SENDER, sender_id)

    async def by_recipient(self, recipient_id: bytes) -> PacketRecord | None:
        return await self._packet(sql.BY_RECIPIENT, recipient_id)

    async def _packet(self, query: str, entity_id: bytes) -> PacketRecord | None:
        for row in await self._fetch(query, entity_id):
            return packet_record(row)
        return None

    async def created_before(self, hour: int, after: bytes, limit: int) -> list[bytes]:
        rows = await self._fetch(sql.CREATED_BEFORE, hour, after, limit)
        return [sender_id for (sender_id,) in rows]

    # --- packets and their bodies -------------------------------------------------------------

    async def put_body(
        self, sender_id: bytes, place: Callable[[], None], remove: Callable[[], None]
    ) -> bool:
        async with self._changing(sender_id):
            if not await self._fetch(sql.AWAITS_BODY, sender_id):
                return False
            await in_thread(place)
            try:
                await self._commit(Statement(sql.NOTE_BODY, (sender_id,)))
            except StoreFull:
                # After other errors the lease may be another's, and the body as well.  What is left
                # then is overwritten by the next upload, or goes with the packet.
                with trio.CancelScope(shield=True):
                    await in_thread(remove)
                raise
            return True

    async def block(
        self, sender_id: bytes, reason: Blocked, remove: Callable[[], None]
    ) -> int | None:
        async with self._changing(sender_id):
            found = await self._sizes(sender_id)
            await in_thread(remove)
            if found is None:
                return None
            await self._commit(Statement(sql.BLOCK, (sender_id, reason.encode())))
            return found[0]

    async def delete(self, sender_id: bytes, remove: Callable[[], None]) -> int | None:
        async with self._changing(sender_id):
            found = await self._sizes(sender_id)
            await in_thread(remove)
            if found is None:
                return None
            size, recipients = found
            await self._commit(Statement(sql.DELETE, (octets([sender_id]),)))
            self.counts.note_deleted(recipients)
            return size

    async def with_bodies(self) -> set[bytes]:
        found: set[bytes] = set()
        async with self._database.snapshot() as snapshot:
            await snapshot.read(
                sql.WITH_BODIES,
                lambda rows: found.update(sender_id for (sender_id,) in rows),
                seconds=COUNTING_SECONDS,
            )
        return found

    async def note_losses(self, sender_ids: Sequence[bytes]) -> None:
        async with self._changing():
            for first in range(0, len(sender_ids), _LOST_AT_ONCE):
                some = octets(sender_ids[first : first + _LOST_AT_ONCE])
                await self._commit(Statement(sql.NOTE_LOSSES, (some,)))

    # --- all records at once ------------------------------------------------------------------

    async def clear(self) -> None:
        """Delete all records, which are those of a move that was interrupted."""
        async with self._changing():
            await self._commit(
                Statement("DELETE FROM packets"), Statement("DELETE FROM statistics")
            )
            self.counts = RecordCounts(0, 0)

    async def put_packets(self, rows: Sequence[Sequence[Any]]) -> None:
        """Add packets, given by all of their columns."""
        ids, keys, sizes, digests, hours, bodies, blocked = zip(*rows, strict=True)
        columns = (octets(ids), octets(keys), numbers(sizes), octets(digests), numbers(hours))
        put = Statement(sql.PUT_PACKETS, (*columns, numbers(bodies), octets(blocked)))
        async with self._changing():
            await self._add((put,), len(rows), len(rows))

    async def put_recipients(self, rows: Sequence[Sequence[Any]]) -> None:
        """Add recipients, given by all of their columns."""
        put = Statement(sql.PUT_ALL_RECIPIENTS, [octets(each) for each in zip(*rows, strict=True)])
        async with self._changing():
            await self._add((put,), 0, len(rows))

    # --- the folder ---------------------------------------------------------------------------

    async def pairing(self) -> Pairing | None:
        """Which folder has the bodies, if one has been opened with these records."""
        for folder_id, number in await self._fetch(sql.PAIRING):
            # A number below zero is one that the folder may not have yet.
            return Pairing(folder_id, abs(number), is_in_both=number > 0)
        return None

    async def put_pairing(self, pairing: Pairing) -> None:
        """Store which folder has the bodies."""
        number = pairing.number if pairing.is_in_both else -pairing.number
        await self._commit(Statement(sql.PUT_PAIRING, (pairing.folder_id, number)))


def _put_recipients(sender_id: bytes, recipients: Recipients) -> Statement:
    ids = octets([recipient_id for recipient_id, _ in recipients])
    return Statement(
        sql.PUT_RECIPIENTS, (sender_id, ids, octets([key.der for _, key in recipients]))
    )
