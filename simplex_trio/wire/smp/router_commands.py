"""Commands that are not about one queue: services, proxying, names and PING."""

from __future__ import annotations

from typing import ClassVar, Self

from simplex_trio.crypto.hashes import IDS_HASH_SIZE
from simplex_trio.crypto.keys import X25519PublicKey
from simplex_trio.frozen import frozen
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.basic_auth import decode_basic_auth, encode_basic_auth
from simplex_trio.wire.buffer import Reader, int64, maybe, short, word16
from simplex_trio.wire.credentials import CommandCredentials
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.base import Command
from simplex_trio.wire.smp.names import Domain
from simplex_trio.wire.versions import SMPVersion

__all__ = ["NSUBS", "PFWD", "PING", "PRXY", "RFWD", "RSLV", "SUBS"]


@frozen(repr=False)
class _ServiceSubscription(Command):
    """Subscribe to all queues of a service; the entity is the service id.

    ``count`` and ``ids_hash`` are the queues that the service expects.  Before version 19 they are
    not sent, and decode as `UNKNOWN_COUNT` and zeros.  The router accepts a hash of any length: it
    only compares it.
    """

    MIN_VERSION: ClassVar[int] = SMPVersion.SERVICES
    UNKNOWN_COUNT: ClassVar[int] = -1

    count: int = UNKNOWN_COUNT
    ids_hash: bytes = bytes(IDS_HASH_SIZE)

    def encode(self, version: int) -> bytes:
        if version < SMPVersion.SERVICE_SUBSCRIPTIONS:
            return self.TAG
        return b"%b %b%b" % (self.TAG, int64(self.count), short(self.ids_hash))

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        if version < SMPVersion.SERVICE_SUBSCRIPTIONS:
            return cls()
        reader.expect(b" ")
        return cls(reader.int64(), reader.short())


@frozen(repr=False)
class SUBS(_ServiceSubscription):
    """Subscribe to all queues that are associated with a messaging service."""

    TAG: ClassVar[bytes] = b"SUBS"


@frozen(repr=False)
class NSUBS(_ServiceSubscription):
    """Subscribe to notifications about all queues that are associated with a notifier service."""

    TAG: ClassVar[bytes] = b"NSUBS"
    ROLE: ClassVar[ServiceRole | None] = ServiceRole.NOTIFIER


@frozen(repr=False)
class PRXY(Command):
    """Open a session with a relay, as a proxy."""

    TAG: ClassVar[bytes] = b"PRXY"
    MIN_VERSION: ClassVar[int] = SMPVersion.PROXY
    CREDENTIALS: ClassVar[CommandCredentials] = CommandCredentials.NONE

    server: ServerAddress
    basic_auth: bytes | None = None

    def encode(self, version: int) -> bytes:
        return b"PRXY " + self.server.encode() + maybe(self.basic_auth, encode_basic_auth)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(
            ServerAddress.decode(reader),
            reader.maybe(lambda: decode_basic_auth(reader)),
        )


@frozen(repr=False)
class PFWD(Command):
    """Forward an encrypted transmission to a relay; the entity is the relay's session id."""

    TAG: ClassVar[bytes] = b"PFWD"
    MIN_VERSION: ClassVar[int] = SMPVersion.PROXY
    CREDENTIALS: ClassVar[CommandCredentials] = CommandCredentials.ENTITY_ONLY

    version: int
    key: X25519PublicKey
    sealed: bytes

    def encode(self, version: int) -> bytes:
        return b"PFWD " + word16(self.version) + short(self.key.der) + self.sealed

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(reader.word16(), X25519PublicKey.from_der(reader.short()), reader.tail())


@frozen(repr=False)
class RFWD(Command):
    """Forward a `FwdTransmission` to a relay, encrypted for its session with the proxy."""

    TAG: ClassVar[bytes] = b"RFWD"
    MIN_VERSION: ClassVar[int] = SMPVersion.PROXY
    CREDENTIALS: ClassVar[CommandCredentials] = CommandCredentials.NONE
    ROLE: ClassVar[ServiceRole | None] = ServiceRole.PROXY

    sealed: bytes

    def encode(self, version: int) -> bytes:
        return b"RFWD " + self.sealed

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(reader.tail())


@frozen(repr=False)
class RSLV(Command):
    """Resolve a name."""

    TAG: ClassVar[bytes] = b"RSLV"
    MIN_VERSION: ClassVar[int] = SMPVersion.NAMES
    CREDENTIALS: ClassVar[CommandCredentials] = CommandCredentials.NONE

    domain: Domain

    def encode(self, version: int) -> bytes:
        return b"RSLV " + self.domain.encode()

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(Domain.decode(reader))


@frozen(repr=False)
class PING(Command):
    """Check that the router answers."""

    TAG: ClassVar[bytes] = b"PING"
    CREDENTIALS: ClassVar[CommandCredentials] = CommandCredentials.NONE
    ROLE: ClassVar[ServiceRole | None] = None
