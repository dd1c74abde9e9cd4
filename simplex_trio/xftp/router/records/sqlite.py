"""`open_sqlite_records`: the records of a router in an SQLite file beside the bodies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from simplex_trio.storage.standby import opened_when_free
from simplex_trio.wire.xftp.commands import PacketInfo
from simplex_trio.wire.xftp.errors import Blocked
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.router.records.interface import PacketRecord, Recipients, Records
from simplex_trio.xftp.router.records.limits import ROW_BYTES, RecordCounts, RecordLimits
from simplex_trio.xftp.router.records.tables import RecordTables

__all__ = ["SQLiteRecords", "open_sqlite_records"]


@asynccontextmanager
async def open_sqlite_records(
    path: Path, *, accept_loss: bool = False, standby: bool = False
) -> AsyncIterator[SQLiteRecords]:
    """Open the records at ``path``, made if they are missing, for as long as the block lasts.

    With ``standby`` this waits, and says so in the log, while another process has them open.
    Raises what `RecordTables` raises.
    """
    opening = partial(in_thread, partial(RecordTables, path, accept_loss=accept_loss))
    records = SQLiteRecords(await (opened_when_free(opening) if standby else opening()))
    try:
        yield records
    finally:
        await records.aclose()


class SQLiteRecords(Records):
    """Records in an SQLite file; see `Records`.  Each call is one call in the worker thread."""

    def __init__(self, tables: RecordTables) -> None:
        self._tables = tables
        self._run = tables.database.run
        self.counts: RecordCounts = tables.counts
        self.row_bytes = ROW_BYTES

    async def aclose(self) -> None:
        """Finish the calls that have begun, and release the file."""
        await self._tables.database.aclose()

    async def bytes_stored(self) -> int:
        return await self._run(self._tables.bytes_stored)

    async def statistics(self) -> dict[str, int]:
        return await self._run(self._tables.statistics)

    async def put_statistics(self, values: Mapping[str, int]) -> None:
        await self._run(partial(self._tables.put_statistics, values))

    async def add(
        self,
        sender_id: bytes,
        info: PacketInfo,
        recipients: Recipients,
        hour: int,
        limits: RecordLimits,
    ) -> bool:
        return await self._run(partial(self._tables.add, sender_id, info, recipients, hour, limits))

    async def add_recipients(
        self, sender_id: bytes, recipients: Recipients, limit: int, limits: RecordLimits
    ) -> bool:
        return await self._run(
            partial(self._tables.add_recipients, sender_id, recipients, limit, limits)
        )

    async def delete_recipient(self, recipient_id: bytes) -> None:
        await self._run(partial(self._tables.delete_recipient, recipient_id))

    async def by_sender(self, sender_id: bytes) -> PacketRecord | None:
        return await self._run(partial(self._tables.by_sender, sender_id))

    async def by_recipient(self, recipient_id: bytes) -> PacketRecord | None:
        return await self._run(partial(self._tables.by_recipient, recipient_id))

    async def created_before(self, hour: int, after: bytes, limit: int) -> list[bytes]:
        return await self._run(partial(self._tables.created_before, hour, after, limit))

    async def put_body(
        self, sender_id: bytes, place: Callable[[], None], remove: Callable[[], None]
    ) -> bool:
        return await self._run(partial(self._tables.put_body, sender_id, place, remove))

    async def block(
        self, sender_id: bytes, reason: Blocked, remove: Callable[[], None]
    ) -> int | None:
        return await self._run(partial(self._tables.block, sender_id, reason, remove))

    async def delete(self, sender_id: bytes, remove: Callable[[], None]) -> int | None:
        return await self._run(partial(self._tables.delete, sender_id, remove))

    async def with_bodies(self) -> set[bytes]:
        return await self._run(self._tables.with_bodies)

    async def note_losses(self, sender_ids: Sequence[bytes]) -> None:
        await self._run(partial(self._tables.note_losses, sender_ids))
