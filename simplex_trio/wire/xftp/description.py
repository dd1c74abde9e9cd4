"""Descriptions of files: where the packets are, and what it takes to fetch and decrypt them.

Whoever has a recipient's description has the file, so none of it is ever shown; a sender's can
delete it.  These are values that have been checked as a whole: what cannot be right raises
`DecodeError` when it is made.  Their text is in `simplex_trio.wire.xftp.description_text`.
"""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen
from attrs.validators import deep_iterable

from simplex_trio.crypto.box import KEY_SIZE, NONCE_SIZE
from simplex_trio.crypto.keys import AuthPrivateKey
from simplex_trio.errors import DecodeError
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.addresses import ServerAddress

__all__ = [
    "FILE_DIGEST_SIZE",
    "PACKET_DIGEST_SIZE",
    "FileDescription",
    "FileParty",
    "Packet",
    "Redirect",
    "Replica",
]

PACKET_DIGEST_SIZE = 32
"""SHA-256, of what the routers keep."""

FILE_DIGEST_SIZE = 64
"""SHA-512, of all packets together."""

MAX_PACKET_SIZE = 0xFFFFFFFF
_MAX_FILE_SIZE = 2**63 - 1
_MAX_ID_SIZE = 255


class FileParty(Enum):
    """For whom a description is."""

    SENDER = "sender"
    RECIPIENT = "recipient"


def _check_length(data: bytes, size: int, what: str) -> None:
    if len(data) != size:
        raise DecodeError(f"{what} of {len(data)} bytes")


@frozen(repr=False)
class Replica(Redacted):
    """A packet on one router, by the id and the key of one party."""

    server: ServerAddress = field(validator=instance_of(ServerAddress))
    id: bytes = field(validator=instance_of(bytes))
    key: AuthPrivateKey

    def __attrs_post_init__(self) -> None:
        if not 1 <= len(self.id) <= _MAX_ID_SIZE:
            raise DecodeError("an id of a packet with an impossible length")


@frozen(repr=False)
class Packet(Redacted):
    """A part of an encrypted file; each replica of it has the same bytes."""

    size: int
    digest: bytes
    replicas: tuple[Replica, ...] = field(
        validator=deep_iterable(instance_of(Replica), instance_of(tuple))
    )

    def __attrs_post_init__(self) -> None:
        _check_length(self.digest, PACKET_DIGEST_SIZE, "a digest of a packet")
        if not 1 <= self.size <= MAX_PACKET_SIZE:
            raise DecodeError("a packet of an impossible size")
        if not self.replicas:
            raise DecodeError("a packet that is nowhere")


@frozen(repr=False)
class Redirect(Redacted):
    """Says that the file is itself a description, of a file with this size and digest."""

    size: int
    digest: bytes

    def __attrs_post_init__(self) -> None:
        _check_length(self.digest, FILE_DIGEST_SIZE, "a digest of a file")
        if not 1 <= self.size <= _MAX_FILE_SIZE:
            raise DecodeError("a file of an impossible size")


@frozen(repr=False, kw_only=True)
class FileDescription(Redacted):
    """A file of which ``packets`` are the encrypted bytes, in order."""

    party: FileParty = field(validator=instance_of(FileParty))
    size: int
    """The size of all packets together."""
    digest: bytes
    key: bytes
    nonce: bytes
    packet_size: int
    """The size of packets for which the text names none."""
    packets: tuple[Packet, ...] = field(
        validator=deep_iterable(instance_of(Packet), instance_of(tuple))
    )
    redirect: Redirect | None = None

    def __attrs_post_init__(self) -> None:
        _check_length(self.digest, FILE_DIGEST_SIZE, "a digest of a file")
        _check_length(self.key, KEY_SIZE, "a key")
        _check_length(self.nonce, NONCE_SIZE, "a nonce")
        if not self.packets:
            raise DecodeError("a file without packets")
        if not 1 <= self.packet_size <= MAX_PACKET_SIZE:
            raise DecodeError("packets of an impossible size")
        if sum(packet.size for packet in self.packets) != self.size:
            raise DecodeError("a file whose size is not that of its packets")

    @property
    def servers(self) -> tuple[ServerAddress, ...]:
        """The routers that have a part of the file, each once, in the order of the packets."""
        found = (replica.server for packet in self.packets for replica in packet.replicas)
        return tuple(dict.fromkeys(found))
