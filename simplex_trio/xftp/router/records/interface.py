"""`Records`: the interface of the records about packets and the counters.

The records say who may send and fetch a packet, and whether its body is there; the bodies are
files.  Every lookup is a query, so that memory does not grow with the number of packets.

A body is put in place before its record says that it is there, and removed before its record is: a
crash in between leaves a file without a record, or a record without its file, which the next start
corrects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from simplex_trio.crypto.keys import AuthPublicKey, auth_public_key
from simplex_trio.errors import DecodeError, StoreCorrupted
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.xftp.commands import PacketInfo
from simplex_trio.wire.xftp.errors import Blocked, decode_xftp_error
from simplex_trio.xftp.router.records.limits import RecordCounts, RecordLimits

__all__ = ["PacketRecord", "Recipients", "Records", "packet_record"]

Recipients = Sequence[tuple[bytes, AuthPublicKey]]
"""The ids of recipients, each with its key."""


@frozen(repr=False)
class PacketRecord(Redacted):
    """A packet at the time of the lookup, and the key of the sender or recipient with the id."""

    sender_id: bytes
    info: PacketInfo
    has_body: bool
    blocked: Blocked | None
    key: AuthPublicKey


class Records(Protocol):
    """The records of a router; many tasks may call the methods, and changes of a packet take turns.

    Cancelled before it is its turn, a call does nothing; once begun, no cancellation is heard.

    They raise `StoreError`.  After `StoreConflict` and `StoreUnavailable` nothing has changed;
    after `StoreLost` that is not known, and the router must end.  Functions that are passed to them
    are called in a worker thread, and may raise `StoreError`, which is passed on.
    """

    counts: RecordCounts
    """How many records there are; only the methods change this."""
    row_bytes: int
    """The size of a packet or a recipient in the database, with its part of the indexes."""

    @property
    def is_connected(self) -> bool:
        """Whether the database can be asked, as far as is known; a file always can."""
        return True

    # --- numbers ------------------------------------------------------------------------------

    async def bytes_stored(self) -> int:
        """The total size of all bodies."""
        ...

    async def statistics(self) -> dict[str, int]:
        """The counters that `put_statistics` has stored."""
        ...

    async def put_statistics(self, values: Mapping[str, int]) -> None:
        """Store the counters; a loss of power may lose the last ones."""
        ...

    # --- packets ------------------------------------------------------------------------------

    async def add(
        self,
        sender_id: bytes,
        info: PacketInfo,
        recipients: Recipients,
        hour: int,
        limits: RecordLimits,
    ) -> bool:
        """Add a packet, registered in the hour with this number since 1970, if there is room.

        This may delete unused packets to make room.  A loss of power may lose the packet.
        """
        ...

    async def add_recipients(
        self, sender_id: bytes, recipients: Recipients, limit: int, limits: RecordLimits
    ) -> bool:
        """Add recipients; see `add`, but they survive a loss of power.

        Returns false also if the packet is gone, or would have more than ``limit`` recipients.
        """
        ...

    async def delete_recipient(self, recipient_id: bytes) -> None:
        """Delete a recipient; it is no error if it is gone.  A loss of power may bring it back."""
        ...

    async def by_sender(self, sender_id: bytes) -> PacketRecord | None:
        """The packet with this id of its sender."""
        ...

    async def by_recipient(self, recipient_id: bytes) -> PacketRecord | None:
        """The packet with this id of a recipient."""
        ...

    async def created_before(self, hour: int, after: bytes, limit: int) -> list[bytes]:
        """Up to ``limit`` ids, above ``after`` and in order, of packets from before an hour."""
        ...

    # --- packets and their bodies -------------------------------------------------------------

    async def put_body(
        self, sender_id: bytes, place: Callable[[], None], remove: Callable[[], None]
    ) -> bool:
        """Call ``place``, and then record durably that the packet has its body.

        False, and ``place`` is not called, if the packet does not exist, is blocked or has a body
        already.  If nothing can be recorded ``remove`` is called; but not if it is unknown whether
        it has been, or if another router may have put a body there meanwhile.
        """
        ...

    async def block(
        self, sender_id: bytes, reason: Blocked, remove: Callable[[], None]
    ) -> int | None:
        """Call ``remove``, and then record durably that the packet is blocked, without a body.

        Returns as `delete`.
        """
        ...

    async def delete(self, sender_id: bytes, remove: Callable[[], None]) -> int | None:
        """Call ``remove``, and then delete a packet and its recipients.

        Returns the size of its body, 0 if it had none, `None` if the packet does not exist.  A loss
        of power may bring the packet back, without its body.
        """
        ...

    async def with_bodies(self) -> set[bytes]:
        """The ids of all packets that have their bodies; a quota bounds how many there are."""
        ...

    async def note_losses(self, sender_ids: Sequence[bytes]) -> None:
        """Record that packets do not have their bodies any more."""
        ...


def packet_record(row: Sequence[object]) -> PacketRecord:
    """A record from a row with the columns of a packet, and the key that belongs to the id."""
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
