"""File descriptions: where the packets of a file are, and the keys to fetch and decrypt them.

A recipient's description gives access to the file, and a sender's allows deleting it, so they are
never shown in a repr or an error.  All values are validated when they are created, and raise
`DecodeError` if they are invalid.  The text form is in `simplex_trio.wire.xftp.description_text`.
"""

from __future__ import annotations

from enum import Enum

from attrs import field
from attrs.validators import deep_iterable

from simplex_trio.crypto.box import KEY_SIZE, NONCE_SIZE
from simplex_trio.crypto.keys import AuthPrivateKey
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.addresses import ServerAddress

__all__ = [
    "FILE_DIGEST_SIZE",
    "MAX_REPLICAS",
    "PACKET_DIGEST_SIZE",
    "FileDescription",
    "FileParty",
    "Packet",
    "Redirect",
    "Replica",
]

PACKET_DIGEST_SIZE = 32
"""SHA-256, of the bytes that the routers store."""

FILE_DIGEST_SIZE = 64
"""SHA-512, of all packets together."""

MAX_PACKET_SIZE = 0xFFFFFFFF

MAX_REPLICAS = 16
"""Of one packet.  A recipient tries all of them, and the author of a description chooses which
routers that connects to: several times what senders use, and no more than can be waited for."""
_MAX_FILE_SIZE = 2**63 - 1
_MAX_ID_SIZE = 255


class FileParty(Enum):
    """The party that a description is for."""

    SENDER = "sender"
    RECIPIENT = "recipient"


def _check_length(data: bytes, size: int, what: str) -> None:
    if len(data) != size:
        raise DecodeError(f"{what} of {len(data)} bytes")


@frozen(repr=False)
class Replica(Redacted):
    """A copy of a packet on one router, with the id and key of one party."""

    server: ServerAddress = field(validator=instance_of(ServerAddress))
    id: bytes = field(validator=instance_of(bytes))
    key: AuthPrivateKey

    def __attrs_post_init__(self) -> None:
        if not 1 <= len(self.id) <= _MAX_ID_SIZE:
            raise DecodeError("the id of a packet has an invalid length")


@frozen(repr=False)
class Packet(Redacted):
    """A part of an encrypted file; all of its replicas have the same bytes."""

    size: int
    digest: bytes
    replicas: tuple[Replica, ...] = field(
        validator=deep_iterable(instance_of(Replica), instance_of(tuple))
    )

    def __attrs_post_init__(self) -> None:
        _check_length(self.digest, PACKET_DIGEST_SIZE, "the digest of a packet")
        if not 1 <= self.size <= MAX_PACKET_SIZE:
            raise DecodeError("a packet has an invalid size")
        if not self.replicas:
            raise DecodeError("a packet has no replicas")
        if len(self.replicas) > MAX_REPLICAS:
            raise DecodeError("a packet has too many replicas")


@frozen(repr=False)
class Redirect(Redacted):
    """Says that the file is itself a description, of a file with this size and digest."""

    size: int
    digest: bytes

    def __attrs_post_init__(self) -> None:
        _check_length(self.digest, FILE_DIGEST_SIZE, "the digest of a file")
        if not 1 <= self.size <= _MAX_FILE_SIZE:
            raise DecodeError("a file has an invalid size")


@frozen(repr=False, kw_only=True)
class FileDescription(Redacted):
    """A file; ``packets`` are its encrypted bytes, in order."""

    party: FileParty = field(validator=instance_of(FileParty))
    size: int
    """The size of all packets together."""
    digest: bytes
    key: bytes
    nonce: bytes
    packet_size: int
    """The size of packets whose size the text does not give."""
    packets: tuple[Packet, ...] = field(
        validator=deep_iterable(instance_of(Packet), instance_of(tuple))
    )
    redirect: Redirect | None = None

    def __attrs_post_init__(self) -> None:
        _check_length(self.digest, FILE_DIGEST_SIZE, "the digest of a file")
        _check_length(self.key, KEY_SIZE, "the key of a file")
        _check_length(self.nonce, NONCE_SIZE, "the nonce of a file")
        if not self.packets:
            raise DecodeError("a file has no packets")
        if not 1 <= self.packet_size <= MAX_PACKET_SIZE:
            raise DecodeError("the packets of a file have an invalid size")
        if sum(packet.size for packet in self.packets) != self.size:
            raise DecodeError("the size of a file is not the sum of its packets")

    @property
    def servers(self) -> tuple[ServerAddress, ...]:
        """The routers that store packets of the file, without duplicates, in order of packets."""
        found = (replica.server for packet in self.packets for replica in packet.replicas)
        return tuple(dict.fromkeys(found))
