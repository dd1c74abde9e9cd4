"""Router-encrypted payloads for the recipient: the body of MSG, and the metadata in NMSG.

Both are padded to a fixed length and encrypted with a key that router and recipient agreed on when
the queue was created.  So nothing in the recipient's traffic can be matched with the sender's.
"""

from __future__ import annotations

from simplex_trio.crypto.box import BoxKey, nonce_from
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
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
    """A sender's message; ``timestamp`` is when the router received it, in Unix seconds."""

    timestamp: int
    flags: MessageFlags
    body: bytes

    def encode(self) -> bytes:
        return int64(self.timestamp) + self.flags.encode() + b" " + self.body


@frozen(repr=False)
class QuotaNotice(Redacted):
    """Marks lost messages: the queue was full at ``timestamp``."""

    timestamp: int

    def encode(self) -> bytes:
        return _QUOTA + b" " + int64(self.timestamp)


Delivered = ReceivedBody | QuotaNotice
"""The content of MSG."""


def decode_delivered(data: bytes) -> Delivered:
    """Decode a `ReceivedBody` or `QuotaNotice`; raise `DecodeError` for other bytes."""
    reader = Reader(data)
    if data.startswith(_QUOTA):
        try:
            notice = _read_quota_notice(reader)
        except DecodeError:
            reader.rewind(0)  # also the start of a timestamp, far from now
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
    """Encrypt the content of MSG; raise `TooLarge` if no version allows a body that long."""
    return key.seal_padded(nonce_from(message_id), delivered.encode(), RECEIVED_BODY_PADDED)


def open_delivered(key: BoxKey, message_id: bytes, sealed: bytes) -> Delivered:
    """Decrypt what `seal_delivered` encrypted.

    Raises `DecryptionFailed` if it is not authentic, and `DecodeError` if the plain text is
    malformed.
    """
    return decode_delivered(key.open_padded(nonce_from(message_id), sealed))


@frozen(repr=False)
class NotificationMeta(Redacted):
    """The message that a notification is about; ``timestamp`` as in `ReceivedBody`."""

    message_id: bytes
    timestamp: int

    def encode(self) -> bytes:
        return short(self.message_id) + int64(self.timestamp)

    @classmethod
    def decode(cls, data: bytes) -> NotificationMeta:
        """Decode the metadata; trailing bytes are ignored, for later versions."""
        reader = Reader(data)
        return cls(reader.short(), reader.int64())

    def seal(self, key: BoxKey, nonce: bytes) -> bytes:
        """Encrypt for NMSG, which also carries ``nonce``; raise `TooLarge` for an oversized id."""
        return key.seal_padded(nonce, self.encode(), NOTIFICATION_PADDED)

    @classmethod
    def open(cls, key: BoxKey, nonce: bytes, sealed: bytes) -> NotificationMeta:
        """Decrypt what `seal` encrypted; otherwise raise `DecryptionFailed` or `DecodeError`."""
        return cls.decode(key.open_padded(nonce, sealed))
