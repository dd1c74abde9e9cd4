"""`Storage`: packets on the disk, with a quota, and the records about them.

`BodyFolder` has the bodies, and `Records` say in which order files and records change.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import trio
from attrs import define, evolve

from simplex_trio.crypto.keys import AuthPublicKey
from simplex_trio.errors import StoreError, StoreIncomplete
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.storage.failures import translated
from simplex_trio.storage.postgres.url import DatabaseURL
from simplex_trio.wire.xftp.commands import PacketInfo
from simplex_trio.wire.xftp.errors import Blocked
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.router.body_files import BodyFolder, IncomingBody, OutgoingBody
from simplex_trio.xftp.router.records.interface import PacketRecord, Recipients, Records
from simplex_trio.xftp.router.records.limits import RecordLimits
from simplex_trio.xftp.router.records.pairing import Pairing, next_pairing
from simplex_trio.xftp.router.records.postgres import PostgresRecords, open_postgres_records
from simplex_trio.xftp.router.records.sqlite import open_sqlite_records

__all__ = [
    "RECORDS",
    "QuotaExhausted",
    "Storage",
    "open_storage",
]

_log = logging.getLogger(__name__)

RECORDS: Final = "records.sqlite"
"""The name of the records in the folder, unless they are in a database."""
_ID_SIZE: Final = 24
_EXPIRED_AT_ONCE: Final = 100
_DELETED_TOGETHER: Final = 16
"""Packets that are deleted at a time, so that they share commits where these take long."""


class QuotaExhausted(Exception):
    """Other uploads have filled the quota while a body arrived."""


class Storage:
    """See `open_storage` for how to get one.  Every method may raise `StoreError`."""

    def __init__(
        self,
        bodies: BodyFolder,
        records: Records,
        quota: int,
        random: Callable[[int], bytes],
        *,
        bytes_stored: int,
        pair: _Pair | None = None,
    ) -> None:
        self._bodies = bodies
        self._pair = pair
        self._records = records
        self.quota: int = quota
        """The most bytes of bodies; what is there beyond it stays."""
        self._random = random
        self.bytes_stored: int = bytes_stored
        self.bytes_reserved: int = 0

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection to the database with the records, if that needs one."""
        return self._records.is_connected

    @property
    def packets(self) -> int:
        """How many are registered."""
        return self._records.counts.packets

    @property
    def bytes_of_records(self) -> int:
        """The size of the records in the database."""
        return self._records.counts.rows * self._records.row_bytes

    @property
    def row_bytes(self) -> int:
        """The size of one record in the database."""
        return self._records.row_bytes

    def take_forgotten(self) -> int:
        """How many packets without a body have made room for others since the last call."""
        count, self._records.counts.forgotten = self._records.counts.forgotten, 0
        return count

    async def statistics(self) -> dict[str, int]:
        """The counters that were stored last."""
        return await self._records.statistics()

    async def put_statistics(self, values: Mapping[str, int]) -> None:
        """Store the counters, as the router does every few minutes."""
        await self._records.put_statistics(values)
        if self._pair is not None:
            await self._pair.renew()

    def _new_recipients(self, keys: Sequence[AuthPublicKey]) -> Recipients:
        return tuple((self._random(_ID_SIZE), key) for key in keys)

    # --- packets ------------------------------------------------------------------------------

    async def find(self, entity_id: bytes, *, from_sender: bool) -> PacketRecord | None:
        """The packet with this id, of its sender or of a recipient."""
        records = self._records
        look_up = records.by_sender if from_sender else records.by_recipient
        return await look_up(entity_id)

    async def register(
        self, info: PacketInfo, keys: Sequence[AuthPublicKey], hour: int, limits: RecordLimits
    ) -> tuple[bytes, tuple[bytes, ...]] | None:
        """Register a packet; returns the sender's id and those of the recipients.

        `None` if there is no room.
        """
        sender_id, recipients = self._random(_ID_SIZE), self._new_recipients(keys)
        if not await self._records.add(sender_id, info, recipients, hour, limits):
            return None
        return sender_id, _ids_of(recipients)

    async def add_recipients(
        self, sender_id: bytes, keys: Sequence[AuthPublicKey], limit: int, limits: RecordLimits
    ) -> tuple[bytes, ...] | None:
        """The ids of further recipients.

        `None` if there would be more than ``limit``, no room, or the packet is gone.
        """
        recipients = self._new_recipients(keys)
        added = await self._records.add_recipients(sender_id, recipients, limit, limits)
        return _ids_of(recipients) if added else None

    async def acknowledge(self, recipient_id: bytes) -> None:
        """Delete a recipient."""
        await self._records.delete_recipient(recipient_id)

    async def delete(self, sender_id: bytes) -> bool:
        """Forget a packet and remove its body; false if that was done before."""
        remove = partial(self._bodies.remove, sender_id)
        return self._free(await self._records.delete(sender_id, remove))

    async def block(self, sender_id: bytes, reason: Blocked) -> bool:
        """Remove the body of a packet permanently; false if the packet does not exist."""
        remove = partial(self._bodies.remove, sender_id)
        return self._free(await self._records.block(sender_id, reason, remove))

    def _free(self, freed: int | None) -> bool:
        """Take what was freed off the bytes that are stored; false if there was no packet."""
        self.bytes_stored -= freed or 0
        return freed is not None

    async def delete_created_before(self, hour: int) -> int:
        """Delete the packets that were registered before an hour; returns their number.

        A packet that cannot be deleted does not stop this, and is tried again the next time.
        """
        count, last = 0, b""
        failed, reason = 0, ""

        async def delete(sender_ids: Iterator[bytes]) -> None:
            nonlocal count, failed, reason
            for sender_id in sender_ids:
                try:
                    is_deleted = await self.delete(sender_id)
                except StoreError as exc:
                    failed, reason = failed + 1, str(exc)
                else:
                    count += is_deleted

        while old := await self._records.created_before(hour, last, _EXPIRED_AT_ONCE):
            some = iter(old)
            async with open_inner_nursery() as nursery:
                for _ in range(_DELETED_TOGETHER):
                    nursery.start_soon(delete, some)
            last = old[-1]
        if failed:
            _log.error("%d packets cannot be deleted: %s", failed, reason)
        return count

    # --- bodies -------------------------------------------------------------------------------

    def has_room(self, size: int) -> bool:
        """Whether ``size`` more bytes are within the quota now."""
        return self.bytes_stored + self.bytes_reserved + size <= self.quota

    async def store(self, packet: PacketRecord, pieces: AsyncIterator[bytes | memoryview]) -> bool:
        """Write the body of a packet; false if it has got one meanwhile, or is gone.

        Only bytes that have arrived count against the quota.  Raises `QuotaExhausted` if other
        uploads fill it first, and `WrongBodySize` or `DigestMismatch` for another body than was
        registered.  If it is cancelled or fails, nothing is left of the body.
        """
        path = self._bodies.unfinished(packet.sender_id, self._random(_ID_SIZE))
        body = await in_thread(partial(IncomingBody, path, packet.info))
        is_kept = False
        reserved = 0
        try:
            async for piece in pieces:
                if not self.has_room(len(piece)):
                    raise QuotaExhausted
                self.bytes_reserved += len(piece)
                reserved += len(piece)
                await in_thread(partial(body.write, piece))
            await in_thread(body.check)
            is_kept = await self._keep(packet, body)
        finally:
            try:
                if not is_kept:
                    with trio.CancelScope(shield=True):
                        await in_thread(body.discard)
            finally:
                self.bytes_reserved -= reserved
        return is_kept

    async def _keep(self, packet: PacketRecord, body: IncomingBody) -> bool:
        sender_id = packet.sender_id
        place = partial(body.give_name, self._bodies.path(sender_id))
        remove = partial(self._bodies.remove, sender_id)
        if not await self._records.put_body(sender_id, place, remove):
            return False
        self.bytes_stored += packet.info.size
        return True

    async def open_body(self, packet: PacketRecord) -> OutgoingBody | None:
        """The body of a packet, to be closed by the caller; `None` if it is not on the disk."""
        path = self._bodies.path(packet.sender_id)
        with translated(), suppress(FileNotFoundError):
            return await trio.to_thread.run_sync(OutgoingBody, path)
        return None


@asynccontextmanager
async def open_storage(
    folder: Path,
    quota: int,
    random: Callable[[int], bytes],
    *,
    records: DatabaseURL | None = None,
    standby: bool = False,
    accept_loss: bool = False,
) -> AsyncIterator[Storage]:
    """The packets in ``folder``, which is created if it does not exist.

    The records about them are in the folder as well, or in the database ``records``.  With
    ``standby`` this waits while another router has them open.

    Raises `StoreError` if it cannot be used, or another router uses it, and `StoreIncomplete` if
    the last records are missing, or are not those of the folder.  With ``accept_loss`` these are
    given up, together with the bodies that they belonged to.
    """
    if records is None:
        bodies = await in_thread(partial(BodyFolder, folder))
        async with open_sqlite_records(
            folder / RECORDS, accept_loss=accept_loss, standby=standby
        ) as in_file:
            await _unpair(bodies, accept_loss=accept_loss)
            yield await _storage(bodies, in_file, quota, random)
        return
    async with open_postgres_records(records, standby=standby) as in_database:
        # Not earlier: until now, another router may have been writing into it.
        bodies = await in_thread(partial(BodyFolder, folder))
        pair = await _pair(in_database, bodies, random, accept_loss=accept_loss)
        yield await _storage(bodies, in_database, quota, random, pair)


async def _pair(
    records: PostgresRecords,
    bodies: BodyFolder,
    random: Callable[[int], bytes],
    *,
    accept_loss: bool,
) -> _Pair:
    """Make sure that records and bodies belong together."""
    in_records = await records.pairing()
    in_folder = await in_thread(bodies.pairing)
    is_empty = await in_thread(bodies.is_empty) and not await records.bytes_stored()
    pairing = next_pairing(
        in_folder, in_records, random, is_empty=is_empty, accept_loss=accept_loss
    )
    pair = _Pair(records, bodies, pairing)
    await pair.agree()
    return pair


@define
class _Pair:
    """Records in a database, and the folder that belongs to them."""

    _records: PostgresRecords
    _bodies: BodyFolder
    _pairing: Pairing

    async def agree(self) -> None:
        """Have both sides store what they have in common."""
        await self._records.put_pairing(self._pairing)
        await in_thread(partial(self._bodies.put_pairing, self._pairing))
        self._pairing = evolve(self._pairing, is_in_both=True)
        await self._records.put_pairing(self._pairing)

    async def renew(self) -> None:
        """The same with the next number, which exposes an older copy of the folder."""
        self._pairing = self._pairing.next
        await self.agree()


async def _unpair(bodies: BodyFolder, *, accept_loss: bool) -> None:
    """Make sure that the records of the bodies are not in a database."""
    if await in_thread(bodies.pairing) is None:
        return
    if not (accept_loss or await in_thread(bodies.is_empty)):
        raise StoreIncomplete(
            "the records of the folder are in a database, and none is named", None
        )
    await in_thread(bodies.remove_pairing)


async def _storage(
    bodies: BodyFolder,
    records: Records,
    quota: int,
    random: Callable[[int], bytes],
    pair: _Pair | None = None,
) -> Storage:
    """The storage, after making records and bodies consistent: there may have been a crash."""
    known = await records.with_bodies()
    lost = await in_thread(partial(bodies.keep_only, known))
    if lost:
        _log.warning("%d packets have lost their bodies", len(lost))
        await records.note_losses(lost)
    stored = await records.bytes_stored()
    return Storage(bodies, records, quota, random, bytes_stored=stored, pair=pair)


def _ids_of(recipients: Recipients) -> tuple[bytes, ...]:
    return tuple(recipient_id for recipient_id, _ in recipients)
