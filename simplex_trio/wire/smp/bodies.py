"""What a router seals for the recipient: the body of MSG, and what NMSG tells of a message.

Both are padded to a fixed length and sealed with a key that the router and the recipient agreed on
when the queue was created, so that nothing about a message can be seen on the recipient's side that
was seen on the sender's.
"""

from __future__ import annotations

from attrs import frozen

from simplex_trio.crypto.box import BoxKey, nonce_from
from simplex_trio.errors import DecodeError
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, int64, short
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.sizes import NOTIFICATION_PADDED, RECEIVED_BODY_PADDED

__all__ = [
    "NotificationMeta",
    "QuotaNotice",
    "ReceivedBody",
    "decode_delivered",
    "open_delivered",
    "seal_delivered",
]

_QUOTA = b"QUOTA"


@frozen(repr=False)
class ReceivedBody(Redacted):
    """A sender's message; ``timestamp`` is when the router got it, in seconds of Unix time."""

    timestamp: int
    flags: MessageFlags
    body: bytes

    def encode(self) -> bytes:
        return int64(self.timestamp) + self.flags.encode() + b" " + self.body


@frozen(repr=False)
class QuotaNotice(Redacted):
    """Stands where messages are missing: the queue was full at ``timestamp``."""

    timestamp: int

    def encode(self) -> bytes:
        return _QUOTA + b" " + int64(self.timestamp)


Delivered = ReceivedBody | QuotaNotice
"""What MSG delivers."""


def decode_delivered(data: bytes) -> Delivered:
    """Read what `ReceivedBody.encode` or `QuotaNotice.encode` wrote; `DecodeError` otherwise."""
    reader = Reader(data)
    if data.startswith(_QUOTA):
        try:
            notice = _read_quota_notice(reader)
        except DecodeError:
            reader.rewind(0)  # a timestamp may begin with these bytes, far from now
        else:
            reader.end()
            return notice
    timestamp = reader.int64()
    flags = MessageFlags.decode(reader)
    reader.expect(b" ")
    return ReceivedBody(timestamp, flags, reader.tail())


def _read_quota_notice(reader: Reader) -> QuotaNotice:
    reader.expect(_QUOTA + b" ")
    return QuotaNotice(reader.int64())


def seal_delivered(key: BoxKey, message_id: bytes, delivered: Delivered) -> bytes:
    """What MSG carries for a message; `TooLarge` if its body is too long for any version."""
    return key.seal_padded(nonce_from(message_id), delivered.encode(), RECEIVED_BODY_PADDED)


def open_delivered(key: BoxKey, message_id: bytes, sealed: bytes) -> Delivered:
    """What `seal_delivered` sealed.

    Raises `DecryptionFailed` if it is not authentic, `DecodeError` if it is but makes no sense.
    """
    return decode_delivered(key.open_padded(nonce_from(message_id), sealed))


@frozen(repr=False)
class NotificationMeta(Redacted):
    """Which message a notification is about, and when the router got it (Unix time, seconds)."""

    message_id: bytes
    timestamp: int

    def encode(self) -> bytes:
        return short(self.message_id) + int64(self.timestamp)

    @classmethod
    def decode(cls, data: bytes) -> NotificationMeta:
        """Read what `encode` wrote; bytes after it are left to later versions."""
        reader = Reader(data)
        return cls(reader.short(), reader.int64())

    def seal(self, key: BoxKey, nonce: bytes) -> bytes:
        """What NMSG carries beside ``nonce``; `TooLarge` for an absurdly long message id."""
        return key.seal_padded(nonce, self.encode(), NOTIFICATION_PADDED)

    @classmethod
    def open(cls, key: BoxKey, nonce: bytes, sealed: bytes) -> NotificationMeta:
        """What `seal` sealed; `DecryptionFailed` or `DecodeError` if it is something else."""
        return cls.decode(key.open_padded(nonce, sealed))
