"""`Plan`: how a file is divided into packets; and the descriptions of its replicas.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from attrs import field
from attrs.validators import and_, deep_iterable, ge, le, max_len, min_len

from simplex_trio.crypto.box import KEY_SIZE, NONCE_SIZE
from simplex_trio.crypto.keys import AuthPrivateKey, auth_private_key
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.buffer import Reader, int64, large, short, word32
from simplex_trio.wire.xftp.description import (
    MAX_REPLICAS,
    PACKET_DIGEST_SIZE,
    FileDescription,
    FileParty,
    Packet,
    Redirect,
    Replica,
)
from simplex_trio.wire.xftp.file_header import FileHeader

__all__ = ["MAX_RECIPIENTS", "Plan", "StoredPacket", "describe", "registered_recipients"]

T = TypeVar("T")

MAX_RECIPIENTS = 1024
"""Recipients of one file; the sender keeps an id and a key for each of them and every packet, some
60 MB for 256 packets."""


def registered_recipients(wanted: int) -> int:
    """How many recipients to register: the next power of two, to conceal the number."""
    return 1 << (wanted - 1).bit_length()


@frozen(repr=False)
class Plan(Redacted):
    """The decisions made before the first packet is sent."""

    header: FileHeader
    content_size: int = field(validator=ge(0))
    key: bytes = field(validator=[min_len(KEY_SIZE), max_len(KEY_SIZE)])
    nonce: bytes = field(validator=[min_len(NONCE_SIZE), max_len(NONCE_SIZE)])
    recipients: int = field(validator=[instance_of(int), and_(ge(1), le(MAX_RECIPIENTS))])
    replicas: int = field(validator=[instance_of(int), ge(1), le(MAX_REPLICAS)])
    sizes: tuple[int, ...] = field(validator=[min_len(1), deep_iterable(instance_of(int))])

    @property
    def encrypted_size(self) -> int:
        return sum(self.sizes)

    def encode(self) -> bytes:
        """The plan as bytes, for stores."""
        return b"".join(
            (
                large(self.header.encode()),
                int64(self.content_size),
                self.key,
                self.nonce,
                word32(self.recipients),
                word32(self.replicas),
                *map(word32, self.sizes),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> Plan:
        """The plan that was encoded; `DecodeError` for anything else."""
        reader = Reader(data)
        header = Reader(reader.large())
        plan = cls(
            header=FileHeader.decode(header),
            content_size=reader.int64(),
            key=reader.take(KEY_SIZE),
            nonce=reader.take(NONCE_SIZE),
            recipients=reader.word32(),
            replicas=reader.word32(),
            sizes=tuple(_rest_of(reader, Reader.word32)),
        )
        header.end()
        return plan


@frozen(repr=False)
class StoredPacket(Redacted):
    """A packet on one router, with the ids and keys of the sender and all recipients.

    Raises `DecodeError` for ids from a router that a description cannot hold.
    """

    digest: bytes = field(
        validator=[min_len(PACKET_DIGEST_SIZE), max_len(PACKET_DIGEST_SIZE)],
    )
    server: ServerAddress
    sender_id: bytes
    sender_key: AuthPrivateKey
    recipients: tuple[tuple[bytes, AuthPrivateKey], ...]

    def __attrs_post_init__(self) -> None:
        if not (self.sender_id and all(recipient_id for recipient_id, _ in self.recipients)):
            raise DecodeError("a packet without an id")

    def encode(self) -> bytes:
        """All of it as bytes, for stores."""
        recipients = (short(i) + short(key.der) for i, key in self.recipients)
        return b"".join(
            (
                self.digest,
                large(str(self.server).encode()),
                short(self.sender_id),
                short(self.sender_key.der),
                *recipients,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> StoredPacket:
        """What was encoded; `DecodeError` for anything else."""
        reader = Reader(data)
        return cls(
            digest=reader.take(PACKET_DIGEST_SIZE),
            server=ServerAddress.parse(_text(reader.large())),
            sender_id=reader.short(),
            sender_key=auth_private_key(reader.short()),
            recipients=tuple(_rest_of(reader, _recipient)),
        )


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise DecodeError("a text that is not UTF-8") from None


def _recipient(reader: Reader) -> tuple[bytes, AuthPrivateKey]:
    return reader.short(), auth_private_key(reader.short())


def _rest_of(reader: Reader, read: Callable[[Reader], T]) -> Iterator[T]:
    while reader.remaining:
        yield read(reader)


def describe(
    plan: Plan,
    digest: bytes,
    stored: Mapping[int, Sequence[StoredPacket]],
    redirect: Redirect | None = None,
) -> tuple[FileDescription, tuple[FileDescription, ...]]:
    """The sender's description and those of the recipients, when all packets are stored.

    ``stored`` has the replicas of each packet by its number, from 1.
    """

    def packets(of: int | None) -> tuple[Packet, ...]:
        return tuple(
            Packet(size, stored[number][0].digest, tuple(_replica(s, of) for s in stored[number]))
            for number, size in enumerate(plan.sizes, 1)
        )

    def description(of: int | None) -> FileDescription:
        return FileDescription(
            party=FileParty.SENDER if of is None else FileParty.RECIPIENT,
            size=plan.encrypted_size,
            digest=digest,
            key=plan.key,
            nonce=plan.nonce,
            packet_size=plan.sizes[0],
            packets=packets(of),
            redirect=None if of is None else redirect,
        )

    return description(None), tuple(map(description, range(plan.recipients)))


def _replica(stored: StoredPacket, of: int | None) -> Replica:
    """The replica as the sender, or the recipient with this number, knows it."""
    if of is None:
        return Replica(stored.server, stored.sender_id, stored.sender_key)
    return Replica(stored.server, *stored.recipients[of])
