"""The messages of a notification router, named as on the wire, for versions 1 to 3.

All messages are answers; notifications reach a device through its push provider
(`simplex_trio.wire.ntf.push`).  `decode_message` finds the class by the tag.
"""

from __future__ import annotations

from typing import ClassVar, Self

from simplex_trio.crypto.keys import X25519PublicKey
from simplex_trio.frozen import frozen
from simplex_trio.wire.buffer import Reader, short
from simplex_trio.wire.credentials import MessageEntity
from simplex_trio.wire.errors.decoding import decode_router_error
from simplex_trio.wire.errors.values import RouterErrorValue
from simplex_trio.wire.ntf.statuses import SubscriptionStatus, TokenStatus
from simplex_trio.wire.tagged import TagDecodeError, Tagged, decode_tagged
from simplex_trio.wire.versions import NTF_VERSIONS, NTFVersion

__all__ = [
    "ERR",
    "IDSUB",
    "IDTKN",
    "MESSAGES",
    "OK",
    "PONG",
    "SUB",
    "TKN",
    "Message",
    "MessageDecodeError",
    "decode_message",
]


class MessageDecodeError(TagDecodeError):
    """The bytes are not a message of a notification router."""


@frozen(repr=False)
class Message(Tagged):
    """A message from a notification router to a client."""

    MIN_VERSION = NTF_VERSIONS.lowest
    ENTITY: ClassVar[MessageEntity] = MessageEntity.REQUIRED


@frozen(repr=False)
class IDTKN(Message):
    """The id of a new token; ``dh_key`` is the router's half of the key for notifications."""

    TAG: ClassVar[bytes] = b"IDTKN"
    ENTITY: ClassVar[MessageEntity] = MessageEntity.NONE

    token_id: bytes
    dh_key: X25519PublicKey

    def encode(self, version: int) -> bytes:
        return b"IDTKN " + short(self.token_id) + short(self.dh_key.der)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(reader.short(), X25519PublicKey.from_der(reader.short()))


@frozen(repr=False)
class IDSUB(Message):
    """The id of a new subscription."""

    TAG: ClassVar[bytes] = b"IDSUB"
    ENTITY: ClassVar[MessageEntity] = MessageEntity.NONE

    subscription_id: bytes

    def encode(self, version: int) -> bytes:
        return b"IDSUB " + short(self.subscription_id)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(reader.short())


@frozen(repr=False)
class TKN(Message):
    """The status of a token; before version 3 it omits the reason why a token is invalid."""

    TAG: ClassVar[bytes] = b"TKN"

    status: TokenStatus

    @property
    def required_version(self) -> int:
        if self.status.reason is not None:
            return NTFVersion.TOKEN_INVALID_REASON
        return self.MIN_VERSION

    def encode(self, version: int) -> bytes:
        return b"TKN " + self.status.encode(version)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(TokenStatus.decode(reader))


@frozen(repr=False)
class SUB(Message):
    """The status of a subscription."""

    TAG: ClassVar[bytes] = b"SUB"

    status: SubscriptionStatus

    def encode(self, version: int) -> bytes:
        return b"SUB " + self.status.encode()

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(SubscriptionStatus.decode(reader))


@frozen(repr=False)
class OK(Message):
    """Success."""

    TAG: ClassVar[bytes] = b"OK"


@frozen(repr=False)
class ERR(Message):
    """An error; NTF has the errors of SMP, the same at every version."""

    TAG: ClassVar[bytes] = b"ERR"
    ENTITY: ClassVar[MessageEntity] = MessageEntity.ANY

    error: RouterErrorValue

    def encode(self, version: int) -> bytes:
        return b"ERR " + self.error.encode()

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(decode_router_error(reader))


@frozen(repr=False)
class PONG(Message):
    """The answer to PING."""

    TAG: ClassVar[bytes] = b"PONG"
    ENTITY: ClassVar[MessageEntity] = MessageEntity.NONE


MESSAGES: tuple[type[Message], ...] = (IDTKN, IDSUB, TKN, SUB, OK, ERR, PONG)
"""All messages."""

_BY_TAG = {message.TAG: message for message in MESSAGES}


def decode_message(data: bytes, version: int, newest: int = NTF_VERSIONS.highest) -> Message:
    """Decode a message at ``version``.

    ``newest`` is the highest version that this side speaks.  Any invalid bytes raise
    `MessageDecodeError`, and nothing else.
    """
    return decode_tagged(_BY_TAG, MessageDecodeError, data, version, newest)
