"""The answers of an XFTP router, named as on the wire, for versions 1 to 3."""

from __future__ import annotations

from typing import ClassVar, Self

from simplex_trio.crypto.box import NONCE_SIZE
from simplex_trio.crypto.keys import X25519PublicKey
from simplex_trio.errors import EncodeError
from simplex_trio.frozen import frozen
from simplex_trio.wire.buffer import Reader, listed, short
from simplex_trio.wire.credentials import MessageEntity
from simplex_trio.wire.tagged import TagDecodeError, Tagged, decode_tagged
from simplex_trio.wire.versions import XFTP_VERSIONS, XFTPVersion
from simplex_trio.wire.xftp.errors import Blocked, XFTPCode, XFTPErrorValue, decode_xftp_error

__all__ = [
    "ERR",
    "FILE",
    "MESSAGES",
    "OK",
    "PONG",
    "RIDS",
    "SIDS",
    "Message",
    "MessageDecodeError",
    "decode_message",
]


class MessageDecodeError(TagDecodeError):
    """The bytes are not an answer of an XFTP router."""


@frozen(repr=False)
class Message(Tagged):
    """An answer from an XFTP router to a client."""

    MIN_VERSION = XFTP_VERSIONS.lowest
    ENTITY: ClassVar[MessageEntity] = MessageEntity.REQUIRED


def _encode_ids(ids: tuple[bytes, ...]) -> bytes:
    return listed(short(each) for each in ids)


def _decode_ids(reader: Reader) -> tuple[bytes, ...]:
    return reader.listed(reader.short, at_least=1)


@frozen(repr=False)
class SIDS(Message):
    """The ids of a new packet."""

    TAG: ClassVar[bytes] = b"SIDS"
    ENTITY: ClassVar[MessageEntity] = MessageEntity.NONE

    sender_id: bytes
    recipient_ids: tuple[bytes, ...]
    """In the order of the recipients' keys."""

    def encode(self, version: int) -> bytes:
        return b"SIDS " + short(self.sender_id) + _encode_ids(self.recipient_ids)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(reader.short(), _decode_ids(reader))


@frozen(repr=False)
class RIDS(Message):
    """The ids of added recipients, in the order of their keys."""

    TAG: ClassVar[bytes] = b"RIDS"

    recipient_ids: tuple[bytes, ...]

    def encode(self, version: int) -> bytes:
        return b"RIDS " + _encode_ids(self.recipient_ids)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(_decode_ids(reader))


@frozen(repr=False)
class FILE(Message):
    """The body follows, encrypted with the agreed key of ``dh_key`` and with ``nonce``."""

    TAG: ClassVar[bytes] = b"FILE"

    dh_key: X25519PublicKey
    nonce: bytes

    def encode(self, version: int) -> bytes:
        if len(self.nonce) != NONCE_SIZE:
            raise EncodeError(f"a nonce has {NONCE_SIZE} bytes")
        return b"FILE " + short(self.dh_key.der) + self.nonce

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(X25519PublicKey.from_der(reader.short()), reader.take(NONCE_SIZE))


@frozen(repr=False)
class OK(Message):
    """Success."""

    TAG: ClassVar[bytes] = b"OK"


@frozen(repr=False)
class ERR(Message):
    """An error; before version 3 a blocked packet is reported like one that does not exist."""

    TAG: ClassVar[bytes] = b"ERR"
    ENTITY: ClassVar[MessageEntity] = MessageEntity.ANY

    error: XFTPErrorValue

    @property
    def required_version(self) -> int:
        return XFTPVersion.BLOCKED_ERROR if isinstance(self.error, Blocked) else self.MIN_VERSION

    def encode(self, version: int) -> bytes:
        error = XFTPCode.AUTH if version < self.required_version else self.error
        return b"ERR " + error.encode()

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(decode_xftp_error(reader))


@frozen(repr=False)
class PONG(Message):
    """The answer to PING."""

    TAG: ClassVar[bytes] = b"PONG"
    ENTITY: ClassVar[MessageEntity] = MessageEntity.NONE


MESSAGES: tuple[type[Message], ...] = (SIDS, RIDS, FILE, OK, ERR, PONG)
"""All answers."""

_BY_TAG = {message.TAG: message for message in MESSAGES}


def decode_message(data: bytes, version: int, newest: int = XFTP_VERSIONS.highest) -> Message:
    """Decode an answer at ``version``.

    ``newest`` is the highest version that this side speaks.  Any invalid bytes raise
    `MessageDecodeError`, and nothing else.
    """
    return decode_tagged(_BY_TAG, MessageDecodeError, data, version, newest)
