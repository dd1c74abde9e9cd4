"""The bodies of agent messages: the program's messages, receipts, and work on queues and ratchets.

Those for queues are named as on the wire.  A receiving queue is moved in four steps: its owner
offers a new one with `QADD`, the sender answers with its keys in `QKEY`, `QUSE` says that it is
ready, and `QTEST` is the first message on it.
"""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar, final

from attrs import field
from attrs.validators import and_, deep_iterable, max_len, min_len, optional

from simplex_trio.crypto.keys import (
    AuthPublicKey,
    Ed448PublicKey,
    Ed25519PublicKey,
    X25519PublicKey,
    auth_public_key,
)
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.buffer import Reader, boolean, int64, large, listed, maybe, short
from simplex_trio.wire.queue_uris import QueueAddress, QueueURI, VersionedQueue

__all__ = [
    "EREADY",
    "HELLO",
    "QADD",
    "QCONT",
    "QKEY",
    "QTEST",
    "QUSE",
    "AddedQueue",
    "MessageBody",
    "QueueKey",
    "QueueLocation",
    "QueueUse",
    "Receipt",
    "Receipts",
    "UnknownBody",
    "UserMessage",
    "decode_body",
]

_MAX_ITEMS = 0xFF
_MAX_SHORT = 0xFF
_MAX_LARGE = 0xFFFF

T = TypeVar("T")


def _items(kind: type[T]) -> Any:
    """A field for a list that has at least one item; its count is one byte."""
    return field(
        validator=deep_iterable(
            instance_of(kind), and_(instance_of(tuple), min_len(1), max_len(_MAX_ITEMS))
        )
    )


@final
@frozen(repr=False)
class QueueLocation(Redacted):
    """Which queue is meant, between two agents that both know it."""

    server: ServerAddress = field(validator=instance_of(ServerAddress))
    sender_id: bytes = field(validator=and_(instance_of(bytes), max_len(_MAX_SHORT)))

    @classmethod
    def of(cls, queue: QueueAddress) -> QueueLocation:
        """The location of a queue whose address is known."""
        return cls(queue.server, queue.sender_id)

    def encode(self) -> bytes:
        return self.server.encode() + short(self.sender_id)

    @classmethod
    def decode(cls, reader: Reader) -> QueueLocation:
        return cls(ServerAddress.decode(reader), reader.short())


@final
@frozen(repr=False)
class HELLO(Redacted):
    """The first message after a slow handshake, which shows that the queue is secured."""

    def encode(self) -> bytes:
        return b"H"


@final
@frozen(repr=False)
class UserMessage(Redacted):
    """A message from program to program."""

    body: bytes = field(validator=instance_of(bytes))

    def encode(self) -> bytes:
        return b"M" + self.body


@final
@frozen(repr=False)
class Receipt(Redacted):
    """Confirms that the program has received a message."""

    sender_message_id: int = field(validator=instance_of(int))
    """The number that the message had from its sender, who reads this."""
    message_hash: bytes = field(validator=and_(instance_of(bytes), max_len(_MAX_SHORT)))
    info: bytes = field(default=b"", validator=and_(instance_of(bytes), max_len(_MAX_LARGE)))
    """What the program adds; the reference's agent does not look at it."""

    def encode(self) -> bytes:
        return int64(self.sender_message_id) + short(self.message_hash) + large(self.info)

    @classmethod
    def decode(cls, reader: Reader) -> Receipt:
        return cls(reader.int64(), reader.short(), reader.large())


@final
@frozen(repr=False)
class Receipts(Redacted):
    """Receipts for messages of the peer."""

    receipts: tuple[Receipt, ...] = _items(Receipt)

    def encode(self) -> bytes:
        return b"V" + listed(receipt.encode() for receipt in self.receipts)


@final
@frozen(repr=False)
class QCONT(Redacted):
    """A full queue has been read to its end, and its sender may go on."""

    queue: QueueLocation = field(validator=instance_of(QueueLocation))

    def encode(self) -> bytes:
        return b"QC" + self.queue.encode()


@final
@frozen(repr=False)
class AddedQueue(Redacted):
    """A new queue, and the one that it takes the place of, if any."""

    queue: QueueURI = field(validator=instance_of(QueueURI))
    replaces: QueueLocation | None = field(
        default=None, validator=optional(instance_of(QueueLocation))
    )

    def encode(self) -> bytes:
        return self.queue.encode() + maybe(self.replaces, QueueLocation.encode)

    @classmethod
    def decode(cls, reader: Reader) -> AddedQueue:
        return cls(QueueURI.decode(reader), reader.maybe(lambda: QueueLocation.decode(reader)))


@final
@frozen(repr=False)
class QADD(Redacted):
    """Offers new queues to send to."""

    queues: tuple[AddedQueue, ...] = _items(AddedQueue)

    def encode(self) -> bytes:
        return b"QA" + listed(queue.encode() for queue in self.queues)


@final
@frozen(repr=False)
class QueueKey(Redacted):
    """The sender's keys for a new queue: to seal messages, in ``queue``, and to authorize SEND."""

    queue: VersionedQueue = field(validator=instance_of(VersionedQueue))
    auth_key: AuthPublicKey = field(
        validator=instance_of(Ed25519PublicKey | Ed448PublicKey | X25519PublicKey)
    )

    def encode(self) -> bytes:
        # The length of a key of any kind is never taken for the letter of a mode.
        return self.queue.encode() + short(self.auth_key.der)

    @classmethod
    def decode(cls, reader: Reader) -> QueueKey:
        return cls(VersionedQueue.decode(reader), auth_public_key(reader.short()))


@final
@frozen(repr=False)
class QKEY(Redacted):
    """The sender's keys for queues that `QADD` offered."""

    queues: tuple[QueueKey, ...] = _items(QueueKey)

    def encode(self) -> bytes:
        return b"QK" + listed(queue.encode() for queue in self.queues)


@final
@frozen(repr=False)
class QueueUse(Redacted):
    """A queue that is ready, and whether it is now the one to send to."""

    queue: QueueLocation = field(validator=instance_of(QueueLocation))
    primary: bool = field(validator=instance_of(bool))

    def encode(self) -> bytes:
        return self.queue.encode() + boolean(self.primary)

    @classmethod
    def decode(cls, reader: Reader) -> QueueUse:
        return cls(QueueLocation.decode(reader), reader.boolean())


@final
@frozen(repr=False)
class QUSE(Redacted):
    """Queues that are secured and may be used."""

    queues: tuple[QueueUse, ...] = _items(QueueUse)

    def encode(self) -> bytes:
        return b"QU" + listed(queue.encode() for queue in self.queues)


@final
@frozen(repr=False)
class QTEST(Redacted):
    """The first message on new queues."""

    queues: tuple[QueueLocation, ...] = _items(QueueLocation)

    def encode(self) -> bytes:
        return b"QT" + listed(queue.encode() for queue in self.queues)


@final
@frozen(repr=False)
class EREADY(Redacted):
    """A renegotiated ratchet is in use; the peer may answer through it."""

    last_sender_message_id: int = field(validator=instance_of(int))
    """The number of the last message from the peer that was decrypted."""

    def encode(self) -> bytes:
        return b"E" + int64(self.last_sender_message_id)


@final
@frozen(repr=False)
class UnknownBody(Redacted):
    """A body of a kind that came with a later version."""

    tag: bytes = field(validator=and_(instance_of(bytes), min_len(1), max_len(2)))
    """One letter, or two if the first is ``Q``."""
    content: bytes = field(validator=instance_of(bytes))

    def encode(self) -> bytes:
        return self.tag + self.content


MessageBody: TypeAlias = (
    HELLO | UserMessage | Receipts | QCONT | QADD | QKEY | QUSE | QTEST | EREADY | UnknownBody
)


def decode_body(reader: Reader) -> MessageBody:
    """Read a body; what is left over behind a known one belongs to a later version."""
    tag = reader.take(1)
    if tag == b"Q":
        tag += reader.take(1)
    match tag:
        case b"H":
            return HELLO()
        case b"M":
            return UserMessage(reader.tail())
        case b"V":
            return Receipts(reader.listed(lambda: Receipt.decode(reader), at_least=1))
        case b"QC":
            return QCONT(QueueLocation.decode(reader))
        case b"QA":
            return QADD(reader.listed(lambda: AddedQueue.decode(reader), at_least=1))
        case b"QK":
            return QKEY(reader.listed(lambda: QueueKey.decode(reader), at_least=1))
        case b"QU":
            return QUSE(reader.listed(lambda: QueueUse.decode(reader), at_least=1))
        case b"QT":
            return QTEST(reader.listed(lambda: QueueLocation.decode(reader), at_least=1))
        case b"E":
            return EREADY(reader.int64())
        case _:
            return UnknownBody(tag, reader.tail())
