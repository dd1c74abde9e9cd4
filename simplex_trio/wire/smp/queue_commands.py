"""Commands about one queue: from its owner, its sender, the user of its link, its notifier."""

from __future__ import annotations

from typing import ClassVar, Self

from simplex_trio.crypto.keys import AuthPublicKey, auth_public_key
from simplex_trio.errors import DecodeError, EncodeError, TooLarge
from simplex_trio.frozen import frozen
from simplex_trio.wire.buffer import Reader, listed, short
from simplex_trio.wire.credentials import CommandCredentials
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.base import Command, RecipientCommand, SenderCommand
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.new_queue import NotifierKeys
from simplex_trio.wire.smp.sizes import max_message_length
from simplex_trio.wire.versions import SMPVersion

__all__ = [
    "ACK",
    "DEL",
    "GET",
    "KEY",
    "LDEL",
    "LGET",
    "LKEY",
    "LSET",
    "NDEL",
    "NKEY",
    "NSUB",
    "OFF",
    "QUE",
    "RKEY",
    "SEND",
    "SKEY",
    "SUB",
]


def _read_auth_key(reader: Reader) -> AuthPublicKey:
    reader.expect(b" ")
    return auth_public_key(reader.short())


# --- from its owner -------------------------------------------------------------------------------


@frozen(repr=False)
class SUB(RecipientCommand):
    """Subscribe to a queue."""

    TAG: ClassVar[bytes] = b"SUB"
    USES_SERVICE_SIGNATURE: ClassVar[bool] = True


@frozen(repr=False)
class KEY(RecipientCommand):
    """Secure a queue: from then on only the owner of ``sender_key`` may send."""

    TAG: ClassVar[bytes] = b"KEY"

    sender_key: AuthPublicKey

    def encode(self, version: int) -> bytes:
        return b"KEY " + short(self.sender_key.der)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        return cls(_read_auth_key(reader))


@frozen(repr=False)
class RKEY(RecipientCommand):
    """Replace the recipient keys of a contact queue; at least one is required."""

    TAG: ClassVar[bytes] = b"RKEY"
    MIN_VERSION: ClassVar[int] = SMPVersion.SHORT_LINKS

    recipient_keys: tuple[AuthPublicKey, ...]

    def encode(self, version: int) -> bytes:
        if not self.recipient_keys:
            raise EncodeError("RKEY needs at least one key")
        return b"RKEY " + listed(short(key.der) for key in self.recipient_keys)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(reader.listed(lambda: auth_public_key(reader.short()), at_least=1))


@frozen(repr=False)
class LSET(RecipientCommand):
    """Add a short link to a queue, or replace the part of its data that is not immutable."""

    TAG: ClassVar[bytes] = b"LSET"
    MIN_VERSION: ClassVar[int] = SMPVersion.SHORT_LINKS

    link_id: bytes
    data: QueueLinkData

    def encode(self, version: int) -> bytes:
        return b"LSET " + short(self.link_id) + self.data.encode()

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(reader.short(), QueueLinkData.decode(reader))


@frozen(repr=False)
class LDEL(RecipientCommand):
    """Remove the short link of a queue."""

    TAG: ClassVar[bytes] = b"LDEL"
    MIN_VERSION: ClassVar[int] = SMPVersion.SHORT_LINKS


@frozen(repr=False)
class NKEY(RecipientCommand):
    """Let a notifier subscribe to notifications about a queue."""

    TAG: ClassVar[bytes] = b"NKEY"

    keys: NotifierKeys

    def encode(self, version: int) -> bytes:
        return b"NKEY " + self.keys.encode()

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(NotifierKeys.decode(reader))


@frozen(repr=False)
class NDEL(RecipientCommand):
    """Remove the notifier of a queue."""

    TAG: ClassVar[bytes] = b"NDEL"


@frozen(repr=False)
class GET(RecipientCommand):
    """Get one message without subscribing."""

    TAG: ClassVar[bytes] = b"GET"


@frozen(repr=False)
class ACK(RecipientCommand):
    """Acknowledge a message, which deletes it and lets the router deliver the next one."""

    TAG: ClassVar[bytes] = b"ACK"

    message_id: bytes

    def encode(self, version: int) -> bytes:
        return b"ACK " + short(self.message_id)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(reader.short())


@frozen(repr=False)
class OFF(RecipientCommand):
    """Suspend a queue, so that it accepts no more messages."""

    TAG: ClassVar[bytes] = b"OFF"


@frozen(repr=False)
class DEL(RecipientCommand):
    """Delete a queue and its messages."""

    TAG: ClassVar[bytes] = b"DEL"


@frozen(repr=False)
class QUE(RecipientCommand):
    """Ask for the state of a queue, for debugging."""

    TAG: ClassVar[bytes] = b"QUE"


# --- from its sender ------------------------------------------------------------------------------


@frozen(repr=False)
class SKEY(SenderCommand):
    """Secure a messaging queue as its sender."""

    TAG: ClassVar[bytes] = b"SKEY"
    MIN_VERSION: ClassVar[int] = SMPVersion.SENDER_SECURES

    sender_key: AuthPublicKey

    def encode(self, version: int) -> bytes:
        return b"SKEY " + short(self.sender_key.der)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        return cls(_read_auth_key(reader))


@frozen(repr=False)
class SEND(SenderCommand):
    """Send a message: an encoded `ClientEnvelope`."""

    TAG: ClassVar[bytes] = b"SEND"
    CREDENTIALS: ClassVar[CommandCredentials] = CommandCredentials.ENTITY_AND_OPTIONAL_KEY

    flags: MessageFlags
    body: bytes

    def check_version(self, version: int) -> None:
        """Also raise `TooLarge` for a body that is longer than ``version`` allows."""
        super().check_version(version)
        most = max_message_length(version)
        if len(self.body) > most:
            raise TooLarge(f"a message can have at most {most} bytes")

    def encode(self, version: int) -> bytes:
        return b"SEND %b %b" % (self.flags.encode(), self.body)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        flags, space, body = reader.tail().partition(b" ")
        if not space:
            raise DecodeError("a message without a body")
        return cls(MessageFlags.of(flags), body)


# --- through a short link -------------------------------------------------------------------------


@frozen(repr=False)
class LKEY(Command):
    """Secure a queue through its invitation link, and get the data of the link.

    The entity of this command and of LGET is the link id.
    """

    TAG: ClassVar[bytes] = b"LKEY"
    MIN_VERSION: ClassVar[int] = SMPVersion.SHORT_LINKS

    sender_key: AuthPublicKey

    def encode(self, version: int) -> bytes:
        return b"LKEY " + short(self.sender_key.der)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        return cls(_read_auth_key(reader))


@frozen(repr=False)
class LGET(Command):
    """Get the data of a contact queue's link."""

    TAG: ClassVar[bytes] = b"LGET"
    MIN_VERSION: ClassVar[int] = SMPVersion.SHORT_LINKS
    CREDENTIALS: ClassVar[CommandCredentials] = CommandCredentials.ENTITY_ONLY


# --- from a notifier ------------------------------------------------------------------------------


@frozen(repr=False)
class NSUB(Command):
    """Subscribe to notifications about a queue; the entity is the notifier id."""

    TAG: ClassVar[bytes] = b"NSUB"
    ROLE: ClassVar[ServiceRole | None] = ServiceRole.NOTIFIER
    USES_SERVICE_SIGNATURE: ClassVar[bool] = True
