"""Messages that are not about one queue: services, proxying, names, OK and errors."""

from __future__ import annotations

from typing import ClassVar, Self

from simplex_trio.crypto.hashes import IDS_HASH_SIZE
from simplex_trio.frozen import frozen
from simplex_trio.wire.buffer import Reader, int64, short
from simplex_trio.wire.certificates import ProvenKey, decode_proven_key, encode_proven_key
from simplex_trio.wire.credentials import MessageEntity
from simplex_trio.wire.errors.decoding import decode_router_error
from simplex_trio.wire.errors.values import Blocked, Code, Name, Protocol, Proxy, RouterErrorValue
from simplex_trio.wire.smp.base import Message
from simplex_trio.wire.smp.names import NameRecord
from simplex_trio.wire.versions import SMPVersion, VersionRange

__all__ = ["ALLS", "ENDS", "ERR", "OK", "PKEY", "PONG", "PRES", "RNAME", "RRES", "SOKS"]


@frozen(repr=False)
class _ServiceQueues(Message):
    """The number of a service's subscribed queues, and the hash of their ids.

    Before version 19 there is no hash, and it decodes as zeros.
    """

    MIN_VERSION: ClassVar[int] = SMPVersion.SERVICES

    count: int
    ids_hash: bytes = bytes(IDS_HASH_SIZE)

    def encode(self, version: int) -> bytes:
        counted = b"%b %b" % (self.TAG, int64(self.count))
        if version < SMPVersion.SERVICE_SUBSCRIPTIONS:
            return counted
        return counted + short(self.ids_hash)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        count = reader.int64()
        if version < SMPVersion.SERVICE_SUBSCRIPTIONS:
            return cls(count)
        return cls(count, reader.short())


@frozen(repr=False)
class SOKS(_ServiceQueues):
    """A service is subscribed to its queues."""

    TAG: ClassVar[bytes] = b"SOKS"


@frozen(repr=False)
class ENDS(_ServiceQueues):
    """A service's subscriptions have moved to another connection."""

    TAG: ClassVar[bytes] = b"ENDS"


@frozen(repr=False)
class ALLS(Message):
    """The first message of each of a service's queues has been delivered."""

    TAG: ClassVar[bytes] = b"ALLS"
    MIN_VERSION: ClassVar[int] = SMPVersion.SERVICE_SUBSCRIPTIONS
    ENTITY: ClassVar[MessageEntity] = MessageEntity.NONE


@frozen(repr=False)
class PKEY(Message):
    """A proxy has a session with the relay.

    ``session_id`` is the relay's TLS session with the proxy, ``versions`` are those to use with the
    relay, and ``proof`` is the relay's session key, signed so that the proxy cannot substitute it.
    """

    TAG: ClassVar[bytes] = b"PKEY"
    MIN_VERSION: ClassVar[int] = SMPVersion.PROXY
    ENTITY: ClassVar[MessageEntity] = MessageEntity.NONE

    session_id: bytes
    versions: VersionRange
    proof: ProvenKey

    def encode(self, version: int) -> bytes:
        proof = encode_proven_key(self.proof)
        return b"PKEY " + short(self.session_id) + self.versions.encode() + proof

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(reader.short(), VersionRange.decode(reader), decode_proven_key(reader))


@frozen(repr=False)
class RRES(Message):
    """A relay's answer to RFWD: a `FwdResponse`, encrypted for the session with the proxy."""

    TAG: ClassVar[bytes] = b"RRES"
    MIN_VERSION: ClassVar[int] = SMPVersion.PROXY
    ENTITY: ClassVar[MessageEntity] = MessageEntity.NONE

    sealed: bytes

    def encode(self, version: int) -> bytes:
        return b"RRES " + self.sealed

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(reader.tail())


@frozen(repr=False)
class PRES(Message):
    """A proxy's answer to PFWD: the relay's transmission, encrypted for the client."""

    TAG: ClassVar[bytes] = b"PRES"
    MIN_VERSION: ClassVar[int] = SMPVersion.PROXY

    sealed: bytes

    def encode(self, version: int) -> bytes:
        return b"PRES " + self.sealed

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(reader.tail())


@frozen(repr=False)
class RNAME(Message):
    """The record of a name."""

    TAG: ClassVar[bytes] = b"RNAME"
    MIN_VERSION: ClassVar[int] = SMPVersion.NAMES
    ENTITY: ClassVar[MessageEntity] = MessageEntity.NONE

    record: NameRecord

    def encode(self, version: int) -> bytes:
        return b"RNAME " + self.record.encode()

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(NameRecord.decode(reader.tail()))


@frozen(repr=False)
class OK(Message):
    """Success."""

    TAG: ClassVar[bytes] = b"OK"


@frozen(repr=False)
class PONG(Message):
    """The answer to PING."""

    TAG: ClassVar[bytes] = b"PONG"
    ENTITY: ClassVar[MessageEntity] = MessageEntity.NONE


@frozen(repr=False)
class ERR(Message):
    """An error.

    A blocked queue is reported as AUTH before version 12, and without its notice before 18, unless
    the error comes through a proxy.
    """

    TAG: ClassVar[bytes] = b"ERR"
    ENTITY: ClassVar[MessageEntity] = MessageEntity.ANY

    error: RouterErrorValue

    @property
    def required_version(self) -> int:
        error = self.error
        if isinstance(error, Blocked):
            if error.notice is not None:
                return SMPVersion.BLOCKED_NOTICE
            return SMPVersion.BLOCKED_ERROR
        while isinstance(error, Proxy) and isinstance(error.error, Protocol):
            error = error.error.error
        return SMPVersion.NAMES if isinstance(error, Name) else self.MIN_VERSION

    def encode(self, version: int) -> bytes:
        error = self.error
        if isinstance(error, Blocked):
            if version < SMPVersion.BLOCKED_ERROR:
                error = Code.AUTH
            elif version < SMPVersion.BLOCKED_NOTICE:
                error = Blocked(error.reason)
        return b"ERR " + error.encode()

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        return cls(decode_router_error(reader))
