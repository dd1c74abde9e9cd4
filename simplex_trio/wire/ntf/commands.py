"""The commands of NTF, named as on the wire, for versions 1 to 3.

A command is a value.  The id of its token or subscription and its authorization are part of the
transmission around it (`simplex_trio.wire.transmissions`).  `decode_command` finds the class by the
tag.
"""

from __future__ import annotations

from typing import ClassVar, Self

from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    AuthPublicKey,
    X25519PublicKey,
    auth_public_key,
    private_key,
)
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.wire.buffer import Reader, short, word16
from simplex_trio.wire.credentials import CommandCredentials
from simplex_trio.wire.ntf.queues import NotifierQueue
from simplex_trio.wire.ntf.tokens import DeviceToken
from simplex_trio.wire.tagged import TagDecodeError, Tagged, decode_tagged
from simplex_trio.wire.versions import NTF_VERSIONS

__all__ = [
    "COMMANDS",
    "PING",
    "SCHK",
    "SDEL",
    "SNEW",
    "TCHK",
    "TCRN",
    "TDEL",
    "TNEW",
    "TRPL",
    "TVFY",
    "Command",
    "CommandDecodeError",
    "decode_command",
]


class CommandDecodeError(TagDecodeError):
    """The bytes are not a command; ``error`` is the router's answer."""


@frozen(repr=False)
class Command(Tagged):
    """A request to a notification router."""

    MIN_VERSION = NTF_VERSIONS.lowest
    CREDENTIALS: ClassVar[CommandCredentials] = CommandCredentials.KEY_AND_ENTITY


# --- tokens -------------------------------------------------------------------------------------


@frozen(repr=False)
class TNEW(Command):
    """Register a device for notifications, which are encrypted with ``dh_key``.

    The router sends a code to the device; TVFY returns it.
    """

    TAG: ClassVar[bytes] = b"TNEW"
    CREDENTIALS: ClassVar[CommandCredentials] = CommandCredentials.KEY_ONLY

    device_token: DeviceToken
    auth_key: AuthPublicKey
    dh_key: X25519PublicKey

    def encode(self, version: int) -> bytes:
        keys = short(self.auth_key.der) + short(self.dh_key.der)
        return b"TNEW T" + self.device_token.encode() + keys

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" T")
        return cls(
            DeviceToken.decode(reader),
            auth_public_key(reader.short()),
            X25519PublicKey.from_der(reader.short()),
        )


@frozen(repr=False)
class TVFY(Command):
    """Return the code that the device received, which activates its token."""

    TAG: ClassVar[bytes] = b"TVFY"

    code: bytes

    def encode(self, version: int) -> bytes:
        return b"TVFY " + short(self.code)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(reader.short())


@frozen(repr=False)
class TCHK(Command):
    """Ask for the status of a token."""

    TAG: ClassVar[bytes] = b"TCHK"


@frozen(repr=False)
class TRPL(Command):
    """Replace the device's token by another, and keep its subscriptions."""

    TAG: ClassVar[bytes] = b"TRPL"

    device_token: DeviceToken

    def encode(self, version: int) -> bytes:
        return b"TRPL " + self.device_token.encode()

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(DeviceToken.decode(reader))


@frozen(repr=False)
class TDEL(Command):
    """Delete a token and its subscriptions."""

    TAG: ClassVar[bytes] = b"TDEL"


@frozen(repr=False)
class TCRN(Command):
    """Wake up the device regularly: every so many minutes, at least 20, or 0 for never."""

    TAG: ClassVar[bytes] = b"TCRN"

    interval: int

    def encode(self, version: int) -> bytes:
        return b"TCRN " + word16(self.interval)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(reader.word16())


# --- subscriptions ------------------------------------------------------------------------------


@frozen(repr=False)
class SNEW(Command):
    """Notify the device of messages in a queue.

    The router gets the private key to subscribe to the queue's notifications with.
    """

    TAG: ClassVar[bytes] = b"SNEW"
    CREDENTIALS: ClassVar[CommandCredentials] = CommandCredentials.KEY_ONLY

    token_id: bytes
    queue: NotifierQueue
    notifier_key: AuthPrivateKey

    def encode(self, version: int) -> bytes:
        return b"SNEW S%b%b%b" % (
            short(self.token_id),
            self.queue.encode(),
            short(self.notifier_key.der),
        )

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" S")
        token_id, queue = reader.short(), NotifierQueue.decode(reader)
        key = private_key(reader.short())
        if not isinstance(key, AuthPrivateKey):
            raise DecodeError("a key of this kind is not allowed here")
        return cls(token_id, queue, key)


@frozen(repr=False)
class SCHK(Command):
    """Ask for the status of a subscription."""

    TAG: ClassVar[bytes] = b"SCHK"


@frozen(repr=False)
class SDEL(Command):
    """Delete a subscription."""

    TAG: ClassVar[bytes] = b"SDEL"


@frozen(repr=False)
class PING(Command):
    """Check that the router answers."""

    TAG: ClassVar[bytes] = b"PING"
    CREDENTIALS: ClassVar[CommandCredentials] = CommandCredentials.NONE


COMMANDS: tuple[type[Command], ...] = (
    *(TNEW, TVFY, TCHK, TRPL, TDEL, TCRN),
    *(SNEW, SCHK, SDEL, PING),
)
"""All commands."""

_BY_TAG = {command.TAG: command for command in COMMANDS}


def decode_command(data: bytes, version: int, newest: int = NTF_VERSIONS.highest) -> Command:
    """Decode a command at ``version``.

    ``newest`` is the highest version that this side speaks.  Any invalid bytes raise
    `CommandDecodeError`, and nothing else.
    """
    return decode_tagged(_BY_TAG, CommandDecodeError, data, version, newest)
