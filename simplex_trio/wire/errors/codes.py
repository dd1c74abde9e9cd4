"""The words of router errors; `simplex_trio.wire.errors.values` combines them."""

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
        """Return the member that ``word`` spells, or `None`."""
        try:
            return cls(word.decode())
        except ValueError:
            return None

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read a word up to the next space or the end; raise `DecodeError` if it is unknown."""
        found = cls.find(reader.until(b" "))
        if found is None:
            raise DecodeError("an unknown word in a router error")
        return found


class Code(_Word):
    """Router errors without parameters."""

    BLOCK = "BLOCK"
    """A block, or a transmission in it, is malformed."""
    SESSION = "SESSION"
    """The transmission names another TLS session."""
    AUTH = "AUTH"
    """Not authorized, or no such queue; the router does not say which."""
    SERVICE = "SERVICE"
    """The signature of a service is missing, or present where it is not allowed."""
    CRYPTO = "CRYPTO"
    """A layer of a proxied transmission cannot be decrypted."""
    QUOTA = "QUOTA"
    """The queue is full."""
    NO_MSG = "NO_MSG"
    """There is no such message to acknowledge."""
    LARGE_MSG = "LARGE_MSG"
    EXPIRED = "EXPIRED"
    """The key that encrypted the proxied transmission has expired."""
    INTERNAL = "INTERNAL"
    DUPLICATE = "DUPLICATE_"
    """Part of the reference's protocol, but never sent."""


class CommandErrorKind(_Word):
    """Why a router rejects a command."""

    UNKNOWN = "UNKNOWN"
    SYNTAX = "SYNTAX"
    PROHIBITED = "PROHIBITED"
    NO_AUTH = "NO_AUTH"
    HAS_AUTH = "HAS_AUTH"
    NO_ENTITY = "NO_ENTITY"

    @classmethod
    def _missing_(cls, value: object) -> CommandErrorKind | None:
        return cls.NO_ENTITY if value == "NO_QUEUE" else None  # the word that older routers send


class BlockingReason(_Word):
    """Why a router's operator has blocked a queue."""

    SPAM = "spam"
    CONTENT = "content"


class NameErrorKind(_Word):
    """Why a router did not resolve a name."""

    NO_RESOLVER = "NO_RESOLVER"
    NOT_FOUND = "NOT_FOUND"


class ProxyErrorKind(_Word):
    """Errors of the proxy itself."""

    BASIC_AUTH = "BASIC_AUTH"
    NO_SESSION = "NO_SESSION"
    """The proxy has no session with the relay any more; send PRXY for a new one."""


class BrokerErrorKind(_Word):
    """Why a proxy cannot forward to a relay."""

    HOST = "HOST"
    NO_SERVICE = "NO_SERVICE"
    TIMEOUT = "TIMEOUT"


class NetworkErrorKind(_Word):
    """Network errors between a proxy and a relay."""

    CONNECT = "CONNECT"
    TLS = "TLS"
    UNKNOWN_CA = "UNKNOWNCA"
    FAILED = "FAILED"
    TIMEOUT = "TIMEOUT"
    SUBSCRIBE = "SUBSCRIBE"

    @property
    def has_text(self) -> bool:
        """Whether the wire form continues with text."""
        return self in (
            NetworkErrorKind.CONNECT,
            NetworkErrorKind.TLS,
            NetworkErrorKind.SUBSCRIBE,
        )


class TransportErrorKind(_Word):
    """Errors of a connection, below the level of commands."""

    BLOCK = "BLOCK"
    VERSION = "VERSION"
    LARGE_MSG = "LARGE_MSG"
    SESSION = "SESSION"
    NO_AUTH = "NO_AUTH"
    """The router sent no key, although the version requires one."""
    HANDSHAKE = "HANDSHAKE"


class HandshakeErrorKind(_Word):
    """Errors of a handshake."""

    PARSE = "PARSE"
    IDENTITY = "IDENTITY"
    BAD_AUTH = "BAD_AUTH"
    BAD_SERVICE = "BAD_SERVICE"
