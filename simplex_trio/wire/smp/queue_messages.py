"""Messages about one queue: subscriptions, deliveries, links, notifiers and state."""

from __future__ import annotations

from typing import ClassVar, Self

from simplex_trio.crypto.box import NONCE_SIZE
from simplex_trio.errors import EncodeError
from simplex_trio.frozen import frozen
from simplex_trio.wire.buffer import Reader, short
from simplex_trio.wire.smp.base import Message
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.new_queue import NotifierIds
from simplex_trio.wire.smp.queue_info import QueueInfo
from simplex_trio.wire.versions import SMPVersion

__all__ = ["DELD", "END", "INFO", "LNK", "MSG", "NID", "NMSG", "SOK"]


@frozen(repr=False)
class SOK(Message):
    """Subscribed; ``service_id`` is the service that the queue is associated with, if any.

    Before version 16 the router sends OK instead.
    """

    TAG: ClassVar[bytes] = b"SOK"
    MIN_VERSION: ClassVar[int] = SMPVersion.SERVICES

    service_id: bytes | None = None

    def encode(self, version: int) -> bytes:
        if version < SMPVersion.SERVICES:
            return b"OK"
        return b"SOK 0" if self.service_id is None else b"SOK 1" + short(self.service_id)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(reader.maybe(reader.short))


@frozen(repr=False)
class END(Message):
    """The subscription to a queue has moved to another connection."""

    TAG: ClassVar[bytes] = b"END"


@frozen(repr=False)
class DELD(Message):
    """The queue was deleted on another connection; before version 10 this is END."""

    TAG: ClassVar[bytes] = b"DELD"
    MIN_VERSION: ClassVar[int] = SMPVersion.DELETED_EVENT

    def encode(self, version: int) -> bytes:
        return END.TAG if version < SMPVersion.DELETED_EVENT else self.TAG


@frozen(repr=False)
class MSG(Message):
    """A message, or the notice that the queue was full, encrypted for the recipient.

    Decrypt it with `simplex_trio.wire.smp.bodies`.
    """

    TAG: ClassVar[bytes] = b"MSG"

    message_id: bytes
    sealed: bytes

    def encode(self, version: int) -> bytes:
        return b"MSG %b%b" % (short(self.message_id), self.sealed)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(reader.short(), reader.tail())


@frozen(repr=False)
class NMSG(Message):
    """A message has arrived in a queue; ``sealed`` is an encrypted `NotificationMeta`."""

    TAG: ClassVar[bytes] = b"NMSG"

    nonce: bytes
    sealed: bytes

    def encode(self, version: int) -> bytes:
        if len(self.nonce) != NONCE_SIZE:
            raise EncodeError(f"a nonce has {NONCE_SIZE} bytes")
        return b"NMSG %b%b" % (self.nonce, short(self.sealed))

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(reader.take(NONCE_SIZE), reader.short())


@frozen(repr=False)
class LNK(Message):
    """The data of a short link, and the sender id of its queue."""

    TAG: ClassVar[bytes] = b"LNK"
    MIN_VERSION: ClassVar[int] = SMPVersion.SHORT_LINKS

    sender_id: bytes
    data: QueueLinkData

    def encode(self, version: int) -> bytes:
        return b"LNK " + short(self.sender_id) + self.data.encode()

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(reader.short(), QueueLinkData.decode(reader))


@frozen(repr=False)
class NID(Message):
    """The notifier of a queue was added."""

    TAG: ClassVar[bytes] = b"NID"

    ids: NotifierIds

    def encode(self, version: int) -> bytes:
        return b"NID " + self.ids.encode()

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(NotifierIds.decode(reader))


@frozen(repr=False)
class INFO(Message):
    """The state of a queue."""

    TAG: ClassVar[bytes] = b"INFO"

    info: QueueInfo

    def encode(self, version: int) -> bytes:
        return b"INFO " + self.info.encode()

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(QueueInfo.decode(reader.tail()))
