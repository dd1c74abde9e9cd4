"""The commands of XFTP, named as on the wire, for versions 1 to 3.

A packet has one id for its sender, and one for each of its recipients.  A command names the packet
by one of these, in its transmission (`simplex_trio.wire.transmissions`).  The bodies of packets are
not part of commands: they follow the block of the request, or of the answer.
"""

from __future__ import annotations

from typing import ClassVar, Self

from attrs import field

from simplex_trio.crypto.keys import AuthPublicKey, X25519PublicKey, auth_public_key
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.basic_auth import decode_basic_auth, encode_basic_auth
from simplex_trio.wire.buffer import Reader, listed, maybe, short, word32
from simplex_trio.wire.credentials import CommandCredentials
from simplex_trio.wire.tagged import TagDecodeError, Tagged, decode_tagged
from simplex_trio.wire.versions import XFTP_VERSIONS

__all__ = [
    "COMMANDS",
    "FACK",
    "FADD",
    "FDEL",
    "FGET",
    "FNEW",
    "FPUT",
    "PING",
    "Command",
    "CommandDecodeError",
    "PacketInfo",
    "decode_command",
]


class CommandDecodeError(TagDecodeError):
    """The bytes are not a command; ``error`` is the router's answer."""


@frozen(repr=False)
class Command(Tagged):
    """A request to an XFTP router."""

    MIN_VERSION = XFTP_VERSIONS.lowest
    CREDENTIALS: ClassVar[CommandCredentials] = CommandCredentials.KEY_AND_ENTITY
    FROM_SENDER: ClassVar[bool] = False
    """Whether the entity is the sender's id of the packet; otherwise it is a recipient's."""


@frozen(repr=False)
class PacketInfo(Redacted):
    """Describes a packet before its upload."""

    sender_key: AuthPublicKey
    size: int
    digest: bytes
    """The SHA-256 digest of the body."""

    def encode(self) -> bytes:
        return short(self.sender_key.der) + word32(self.size) + short(self.digest)

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        return cls(auth_public_key(reader.short()), reader.word32(), reader.short())


def _encode_keys(keys: tuple[AuthPublicKey, ...]) -> bytes:
    return listed(short(key.der) for key in keys)


def _decode_keys(reader: Reader) -> tuple[AuthPublicKey, ...]:
    return reader.listed(lambda: auth_public_key(reader.short()), at_least=1)


# --- from the sender ----------------------------------------------------------------------------


@frozen(repr=False)
class FNEW(Command):
    """Register a packet; its new sender key also authorizes this command."""

    TAG: ClassVar[bytes] = b"FNEW"
    CREDENTIALS: ClassVar[CommandCredentials] = CommandCredentials.KEY_ONLY
    FROM_SENDER: ClassVar[bool] = True

    info: PacketInfo = field(validator=instance_of(PacketInfo))
    recipient_keys: tuple[AuthPublicKey, ...]
    basic_auth: bytes | None = None
    """The router's password, if it has one."""

    def encode(self, version: int) -> bytes:
        keys = _encode_keys(self.recipient_keys)
        return b"FNEW " + self.info.encode() + keys + maybe(self.basic_auth, encode_basic_auth)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(
            PacketInfo.decode(reader),
            _decode_keys(reader),
            reader.maybe(lambda: decode_basic_auth(reader)),
        )


@frozen(repr=False)
class FADD(Command):
    """Add recipients to a packet."""

    TAG: ClassVar[bytes] = b"FADD"
    FROM_SENDER: ClassVar[bool] = True

    recipient_keys: tuple[AuthPublicKey, ...]

    def encode(self, version: int) -> bytes:
        return b"FADD " + _encode_keys(self.recipient_keys)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(_decode_keys(reader))


@frozen(repr=False)
class FPUT(Command):
    """Upload the body, which follows the block of the request."""

    TAG: ClassVar[bytes] = b"FPUT"
    FROM_SENDER: ClassVar[bool] = True


@frozen(repr=False)
class FDEL(Command):
    """Delete a packet, for all of its recipients."""

    TAG: ClassVar[bytes] = b"FDEL"
    FROM_SENDER: ClassVar[bool] = True


# --- from a recipient ---------------------------------------------------------------------------


@frozen(repr=False)
class FGET(Command):
    """Download the body, which follows the block of the answer, encrypted for ``dh_key``."""

    TAG: ClassVar[bytes] = b"FGET"

    dh_key: X25519PublicKey

    def encode(self, version: int) -> bytes:
        return b"FGET " + short(self.dh_key.der)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(X25519PublicKey.from_der(reader.short()))


@frozen(repr=False)
class FACK(Command):
    """Confirm that the packet was received; the router forgets this recipient."""

    TAG: ClassVar[bytes] = b"FACK"


@frozen(repr=False)
class PING(Command):
    """Check that the router answers."""

    TAG: ClassVar[bytes] = b"PING"
    CREDENTIALS: ClassVar[CommandCredentials] = CommandCredentials.NONE


COMMANDS: tuple[type[Command], ...] = (FNEW, FADD, FPUT, FDEL, FGET, FACK, PING)
"""All commands."""

_BY_TAG = {command.TAG: command for command in COMMANDS}


def decode_command(data: bytes, version: int, newest: int = XFTP_VERSIONS.highest) -> Command:
    """Decode a command at ``version``.

    ``newest`` is the highest version that this side speaks.  Any invalid bytes raise
    `CommandDecodeError`, and nothing else.
    """
    return decode_tagged(_BY_TAG, CommandDecodeError, data, version, newest)
