"""`Storage`: packets on the disk, with a quota, and the records about them.

A body is written to a file of its own and checked while it arrives; only when it is complete and
correct, the file gets its name, and then the record is updated.  When a packet is deleted the file
is removed first.  A crash in between leaves a file without a record or a record without its file;
the next start corrects that.
"""

from __future__ import annotations

import hmac
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, TypeVar

import trio

from simplex_trio.crypto.keys import AuthPublicKey
from simplex_trio.errors import DecodeError, StoreError
from simplex_trio.storage.failures import translated
from simplex_trio.storage.files import sync_folder, write_all
from simplex_trio.wire.text import from_base64url, to_base64url
from simplex_trio.wire.xftp.commands import PacketInfo
from simplex_trio.wire.xftp.errors import Blocked
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.errors import DigestMismatch, WrongBodySize
from simplex_trio.xftp.router.record_limits import ROW_BYTES, RecordLimits
from simplex_trio.xftp.router.records import PacketRecord, Records

__all__ = [
    "IncomingBody",
    "OutgoingBody",
    "QuotaExhausted",
    "Storage",
    "open_storage",
]

_log = logging.getLogger(__name__)

T = TypeVar("T")

_RECORDS = "records.sqlite"
_BODIES = "packets"
_UNFINISHED = ".new"
_ID_SIZE = 24
_EXPIRED_AT_ONCE = 100


class IncomingBody:
    """The body of a packet while it arrives; for worker threads."""

    def __init__(self, path: Path, expected: PacketInfo) -> None:
        self.path = path
        self._expected = expected
        self._size = 0
        self._hashed = sha256()
        self._file: BinaryIO = path.open("xb", buffering=0)

    def write(self, piece: bytes | memoryview) -> None:
        """Write the next piece; raises `WrongBodySize` if the body becomes too long."""
        self._size += len(piece)
        if self._size > self._expected.size:
            raise WrongBodySize("a body is longer than was registered")
        self._hashed.update(piece)
        write_all(self._file.fileno(), piece)

    def check(self) -> None:
        """Check that the body is the one that was registered, and make it durable.

        Raises `WrongBodySize` or `DigestMismatch`.
        """
        if self._size != self._expected.size:
            raise WrongBodySize("a body is shorter than was registered")
        if not hmac.compare_digest(self._hashed.digest(), self._expected.digest):
            raise DigestMismatch("a body is not the one that was registered")
        os.fsync(self._file.fileno())

    def give_name(self, path: Path) -> None:
        """Rename the file to its final name."""
        self._file.close()
        os.replace(self.path, path)
        sync_folder(path.parent)

    def discard(self) -> None:
        """Remove the file, if it does not have its final name yet."""
        self._file.close()
        self.path.unlink(missing_ok=True)


class OutgoingBody:
    """The body of a packet while it is read; for worker threads."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)

    def read_into(self, buffer: memoryview) -> int:
        """Fill a buffer, as far as there is more, and return how far."""
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()


class QuotaExhausted(Exception):
    """Other uploads have filled the quota while a body arrived."""


class Storage:
    """See `open_storage` for how to get one.  Every method may raise `StoreError`."""

    def __init__(
        self, folder: Path, records: Records, quota: int, random: Callable[[int], bytes]
    ) -> None:
        self._bodies = folder / _BODIES
        self._records = records
        self.quota: int = quota
        """The most bytes of bodies; what is there beyond it stays."""
        self._random = random
        self.bytes_stored: int = records.bytes_stored()
        self.bytes_reserved: int = 0

    @property
    def packets(self) -> int:
        """How many are registered."""
        return self._records.packets

    @property
    def bytes_of_records(self) -> int:
        """The size of the records in the database."""
        return self._records.rows * ROW_BYTES

    def take_forgotten(self) -> int:
        """How many packets without a body have made room for others since the last call."""
        count, self._records.forgotten = self._records.forgotten, 0
        return count

    async def statistics(self) -> dict[str, int]:
        """The counters that were stored last."""
        return await self._on_records(self._records.statistics)

    async def put_statistics(self, values: Mapping[str, int]) -> None:
        """Store the counters."""
        await self._on_records(partial(self._records.put_statistics, values))

    async def _on_records(self, work: Callable[[], T]) -> T:
        """Call ``work`` in the thread of the records; once begun it is not cancelled."""
        with translated():
            return await self._records.database.run(work)

    def _path(self, sender_id: bytes) -> Path:
        return _body_path(self._bodies, sender_id)

    def _new_recipients(
        self, keys: Sequence[AuthPublicKey]
    ) -> tuple[tuple[bytes, AuthPublicKey], ...]:
        return tuple((self._random(_ID_SIZE), key) for key in keys)

    # --- packets ------------------------------------------------------------------------------

    async def find(self, entity_id: bytes, *, from_sender: bool) -> PacketRecord | None:
        """The packet with this id, of its sender or of a recipient."""
        records = self._records
        look_up = records.by_sender if from_sender else records.by_recipient
        return await self._on_records(partial(look_up, entity_id))

    async def register(
        self, info: PacketInfo, keys: Sequence[AuthPublicKey], hour: int, limits: RecordLimits
    ) -> tuple[bytes, tuple[bytes, ...]] | None:
        """Register a packet; returns the sender's id and those of the recipients.

        `None` if there is no room.
        """
        sender_id, recipients = self._random(_ID_SIZE), self._new_recipients(keys)
        add = partial(self._records.add, sender_id, info, recipients, hour, limits)
        if not await self._on_records(add):
            return None
        return sender_id, _ids_of(recipients)

    async def add_recipients(
        self, sender_id: bytes, keys: Sequence[AuthPublicKey], limit: int, limits: RecordLimits
    ) -> tuple[bytes, ...] | None:
        """The ids of further recipients.

        `None` if there would be more than ``limit``, no room, or the packet is gone.
        """
        recipients = self._new_recipients(keys)
        add = partial(self._records.add_recipients, sender_id, recipients, limit, limits)
        return _ids_of(recipients) if await self._on_records(add) else None

    async def acknowledge(self, recipient_id: bytes) -> None:
        """Delete a recipient."""
        await self._on_records(partial(self._records.delete_recipient, recipient_id))

    async def delete(self, sender_id: bytes) -> bool:
        """Forget a packet and remove its body; false if that was done before."""
        return await self._remove(sender_id, self._records.delete)

    async def block(self, sender_id: bytes, reason: Blocked) -> bool:
        """Remove the body of a packet permanently; false if the packet does not exist."""
        return await self._remove(sender_id, lambda each: self._records.block(each, reason))

    async def delete_created_before(self, hour: int) -> int:
        """Delete the packets that were registered before an hour; returns their number.

        A packet that cannot be deleted does not stop this, and is tried again the next time.
        """
        count, last = 0, b""
        failed, failure = 0, None
        while old := await self._on_records(
            partial(self._records.created_before, hour, last, _EXPIRED_AT_ONCE)
        ):
            for sender_id in old:
                try:
                    count += await self.delete(sender_id)
                except StoreError as exc:
                    failed, failure = failed + 1, exc
            last = old[-1]
        if failed:
            _log.error("%d packets cannot be deleted: %s", failed, failure)
        return count

    async def _remove(self, sender_id: bytes, forget: Callable[[bytes], int | None]) -> bool:
        path = self._path(sender_id)

        def remove() -> int | None:
            # The body first: after a failure in between this can be repeated, and on a full disk
            # the records have room only afterwards.
            path.unlink(missing_ok=True)
            return forget(sender_id)

        freed = await self._on_records(remove)
        if freed is None:
            return False
        self.bytes_stored -= freed
        return True

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
        name = to_base64url(packet.sender_id) + to_base64url(self._random(_ID_SIZE)) + _UNFINISHED
        body = await in_thread(partial(IncomingBody, self._bodies / name, packet.info))
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
        path = self._path(packet.sender_id)

        def keep() -> bool:
            if not self._records.awaits_body(packet.sender_id):
                return False
            body.give_name(path)
            try:
                self._records.note_body(packet.sender_id)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
            return True

        if not await self._on_records(keep):
            return False
        self.bytes_stored += packet.info.size
        return True

    async def open_body(self, packet: PacketRecord) -> OutgoingBody | None:
        """The body of a packet, to be closed by the caller; `None` if it is not on the disk."""
        path = self._path(packet.sender_id)
        with translated(), suppress(FileNotFoundError):
            return await trio.to_thread.run_sync(OutgoingBody, path)
        return None


@asynccontextmanager
async def open_storage(
    folder: Path, quota: int, random: Callable[[int], bytes], *, accept_loss: bool = False
) -> AsyncIterator[Storage]:
    """The packets in ``folder``, which is created if it does not exist.

    Raises `StoreError` if it cannot be used, or another router uses it, and `StoreIncomplete` if
    the last records are missing.  With ``accept_loss`` these are given up, together with the bodies
    that they belonged to.
    """
    records = await in_thread(partial(_open_records, folder, accept_loss=accept_loss))
    try:
        yield await in_thread(partial(Storage, folder, records, quota, random))
    finally:
        with trio.CancelScope(shield=True):
            await records.database.aclose()


def _open_records(folder: Path, *, accept_loss: bool) -> Records:
    (folder / _BODIES).mkdir(mode=0o700, parents=True, exist_ok=True)
    records = Records(folder / _RECORDS, accept_loss=accept_loss)
    try:
        _reconcile(records, folder / _BODIES)
    except BaseException:
        records.close()
        raise
    return records


def _ids_of(recipients: Sequence[tuple[bytes, AuthPublicKey]]) -> tuple[bytes, ...]:
    return tuple(recipient_id for recipient_id, _ in recipients)


def _reconcile(records: Records, folder: Path) -> None:
    """Make records and bodies consistent after a crash."""
    for path in folder.iterdir():
        if not _is_known(records, path.name):
            path.unlink()
    lost = [each for each in records.with_bodies() if not _body_path(folder, each).exists()]
    if lost:
        _log.warning("%d packets have lost their bodies", len(lost))
        records.note_losses(lost)


def _body_path(folder: Path, sender_id: bytes) -> Path:
    return folder / to_base64url(sender_id)


def _is_known(records: Records, name: str) -> bool:
    with suppress(DecodeError):
        return records.has_body(from_base64url(name))
    return False
