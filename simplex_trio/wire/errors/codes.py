"""The words of errors; `simplex_trio.wire.errors.values` combines them."""

from __future__ import annotations

from enum import Enum
from typing import Self

from simplex_trio.errors import DecodeError
from simplex_trio.wire.buffer import Reader

__all__ = [
    "BlockingReason",
    "BrokerErrorKind",
    "Code",
    "CommandErrorKind",
    "HandshakeErrorKind",
    "NameErrorKind",
    "NetworkErrorKind",
    "ProxyErrorKind",
    "TransportErrorKind",
]


class _Word(Enum):
    def __str__(self) -> str:
        word: str = self.value
        return word

    def encode(self) -> bytes:
        return str(self).encode()

    @classmethod
    def find(cls, word: bytes) -> Self | None:
        """The member that ``word`` spells, if there is one."""
        try:
            return cls(word.decode())
        except ValueError:
            return None

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The member that is spelled up to the next space or the end; else `DecodeError`."""
        found = cls.find(reader.until(b" "))
        if found is None:
            raise DecodeError("an unknown word in an error")
        return found


class Code(_Word):
    """The errors of a router that say nothing more than their name."""

    BLOCK = "BLOCK"
    """A block, or a transmission in it, cannot be read."""
    SESSION = "SESSION"
    """The transmission names another TLS session."""
    AUTH = "AUTH"
    """Not authorized, or no such queue; the router does not tell which."""
    SERVICE = "SERVICE"
    """A service's signature is missing, or is where none belongs."""
    CRYPTO = "CRYPTO"
    """A layer of a proxied transmission does not open."""
    QUOTA = "QUOTA"
    """The queue is full."""
    NO_MSG = "NO_MSG"
    """There is no such message to acknowledge."""
    LARGE_MSG = "LARGE_MSG"
    EXPIRED = "EXPIRED"
    """The key under which the transmission was proxied has expired."""
    INTERNAL = "INTERNAL"
    DUPLICATE = "DUPLICATE_"
    """Known to the reference, which never sends it."""


class CommandErrorKind(_Word):
    """What is wrong with a command."""

    UNKNOWN = "UNKNOWN"
    SYNTAX = "SYNTAX"
    PROHIBITED = "PROHIBITED"
    NO_AUTH = "NO_AUTH"
    HAS_AUTH = "HAS_AUTH"
    NO_ENTITY = "NO_ENTITY"

    @classmethod
    def _missing_(cls, value: object) -> CommandErrorKind | None:
        return cls.NO_ENTITY if value == "NO_QUEUE" else None  # as older routers put it


class BlockingReason(_Word):
    """Why the operator of a router has blocked a queue."""

    SPAM = "spam"
    CONTENT = "content"


class NameErrorKind(_Word):
    """Why a router did not resolve a name."""

    NO_RESOLVER = "NO_RESOLVER"
    NOT_FOUND = "NOT_FOUND"


class ProxyErrorKind(_Word):
    """What a proxy itself objects to."""

    BASIC_AUTH = "BASIC_AUTH"
    NO_SESSION = "NO_SESSION"
    """The proxy's session with the relay is gone: PRXY asks for a new one."""


class BrokerErrorKind(_Word):
    """What keeps a proxy from asking a relay."""

    HOST = "HOST"
    NO_SERVICE = "NO_SERVICE"
    TIMEOUT = "TIMEOUT"


class NetworkErrorKind(_Word):
    """What happened on the way to a relay."""

    CONNECT = "CONNECT"
    TLS = "TLS"
    UNKNOWN_CA = "UNKNOWNCA"
    FAILED = "FAILED"
    TIMEOUT = "TIMEOUT"
    SUBSCRIBE = "SUBSCRIBE"

    @property
    def has_text(self) -> bool:
        """Whether a text follows on the wire."""
        return self in (
            NetworkErrorKind.CONNECT,
            NetworkErrorKind.TLS,
            NetworkErrorKind.SUBSCRIBE,
        )


class TransportErrorKind(_Word):
    """What goes wrong on a connection, below commands."""

    BLOCK = "BLOCK"
    VERSION = "VERSION"
    LARGE_MSG = "LARGE_MSG"
    SESSION = "SESSION"
    NO_AUTH = "NO_AUTH"
    """The router has shown no key, although the version asks for one."""
    HANDSHAKE = "HANDSHAKE"


class HandshakeErrorKind(_Word):
    """What goes wrong in a handshake."""

    PARSE = "PARSE"
    IDENTITY = "IDENTITY"
    BAD_AUTH = "BAD_AUTH"
    BAD_SERVICE = "BAD_SERVICE"
