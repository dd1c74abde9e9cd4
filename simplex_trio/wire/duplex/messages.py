"""Agent messages: what the ratchet encrypts.

A side's first message carries its connection info, which is the program's own; the joiner's also
names the queues for replies.  Every later one is an `AgentMessage`: a number, the hash of the
message before it, and a body.  `message_hash` is of the bytes as they came, tails included, and not
of a value read from them.

Kinds and bodies from newer agents are read as `UnknownMessage` and `UnknownBody`, and bytes behind
a known body are left out, because a message that raised an error would stop its queue.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TypeAlias, final

from attrs import field
from attrs.validators import and_, deep_iterable, max_len, min_len

from simplex_trio.errors import EncodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.buffer import Reader, int64, listed, short
from simplex_trio.wire.duplex.bodies import (
    EREADY,
    HELLO,
    QADD,
    QCONT,
    QKEY,
    QTEST,
    QUSE,
    MessageBody,
    Receipts,
    UnknownBody,
    UserMessage,
    decode_body,
)
from simplex_trio.wire.queue_uris import VersionedQueue

__all__ = [
    "AgentMessage",
    "ConnectionInfo",
    "ConnectionInfoReply",
    "RatchetInfo",
    "RatchetPlaintext",
    "UnknownMessage",
    "decode_message",
    "message_hash",
]

_MAX_ITEMS = 0xFF
_MAX_SHORT = 0xFF


@final
@frozen(repr=False)
class ConnectionInfo(Redacted):
    """What the initiator's program tells of itself, in its confirmation."""

    info: bytes = field(validator=instance_of(bytes))

    def encode(self) -> bytes:
        return b"I" + self.info


@final
@frozen(repr=False)
class ConnectionInfoReply(Redacted):
    """What the joiner's program tells of itself, and the queues to reply to."""

    queues: tuple[VersionedQueue, ...] = field(
        validator=deep_iterable(
            instance_of(VersionedQueue), and_(instance_of(tuple), min_len(1), max_len(_MAX_ITEMS))
        )
    )
    info: bytes = field(validator=instance_of(bytes))

    def encode(self) -> bytes:
        """The bytes; `EncodeError` if a reader would take the first byte of ``info`` for another.

        That cannot happen with a queue of version 4 that has its mode.
        """
        if not self.queues[-1].ends_before(self.info):
            raise EncodeError("a queue without its mode, and info that begins like a mode")
        return b"D" + listed(queue.encode() for queue in self.queues) + self.info


@final
@frozen(repr=False)
class RatchetInfo(Redacted):
    """What may come with a key that renegotiates the ratchet, and is not encrypted by one."""

    info: bytes = field(default=b"", validator=instance_of(bytes))

    def encode(self) -> bytes:
        return b"R" + self.info


@final
@frozen(repr=False)
class AgentMessage(Redacted):
    """Any message after the first."""

    sender_message_id: int = field(validator=instance_of(int))
    """The sender's number for it: one more than that of the message before."""
    previous_hash: bytes = field(validator=and_(instance_of(bytes), max_len(_MAX_SHORT)))
    """`message_hash` of the message before; empty if there was none."""
    body: MessageBody = field(
        validator=instance_of(
            HELLO
            | UserMessage
            | Receipts
            | QCONT
            | QADD
            | QKEY
            | QUSE
            | QTEST
            | EREADY
            | UnknownBody
        )
    )

    def encode(self) -> bytes:
        header = int64(self.sender_message_id) + short(self.previous_hash)
        return b"M" + header + self.body.encode()


@final
@frozen(repr=False)
class UnknownMessage(Redacted):
    """A message of a kind that came with a later version."""

    tag: bytes = field(validator=and_(instance_of(bytes), min_len(1), max_len(1)))
    content: bytes = field(validator=instance_of(bytes))

    def encode(self) -> bytes:
        return self.tag + self.content


RatchetPlaintext: TypeAlias = (
    ConnectionInfo | ConnectionInfoReply | RatchetInfo | AgentMessage | UnknownMessage
)


def decode_message(data: bytes) -> RatchetPlaintext:
    """Read what the ratchet has decrypted.

    Raises `DecodeError` for a message of a known kind whose content makes no sense.
    """
    reader = Reader(data)
    tag = reader.take(1)
    match tag:
        case b"I":
            return ConnectionInfo(reader.tail())
        case b"D":
            queues = reader.listed(lambda: VersionedQueue.decode(reader), at_least=1)
            return ConnectionInfoReply(queues, reader.tail())
        case b"R":
            return RatchetInfo(reader.tail())
        case b"M":
            return AgentMessage(reader.int64(), reader.short(), decode_body(reader))
        case _:
            return UnknownMessage(tag, reader.tail())


def message_hash(plaintext: bytes) -> bytes:
    """The hash of a message as the next one from the same side names it."""
    return sha256(plaintext).digest()
