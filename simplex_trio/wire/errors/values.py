"""The errors that routers and proxies answer with: values to match on, not exceptions.

ERR carries a `RouterErrorValue`: a bare `Code`, or an instance of a class with details.  A proxy
wraps the error that it got while forwarding, or the one that the relay answered with::

    match error:
        case Code.QUOTA: ...
        case Cmd(CommandErrorKind.PROHIBITED): ...
        case Proxy(Protocol(Code.AUTH)): ...
        case Proxy(Broker(BrokerErrorKind.TIMEOUT)): ...

``str`` gives the codes as on the wire, without text from the peer: such text may hold an address,
and errors end up in logs.
"""

from __future__ import annotations

from attrs import field

from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, short
from simplex_trio.wire.errors.codes import (
    BlockingReason,
    BrokerErrorKind,
    Code,
    CommandErrorKind,
    HandshakeErrorKind,
    NameErrorKind,
    NetworkErrorKind,
    ProxyErrorKind,
    TransportErrorKind,
)
from simplex_trio.wire.json_object import INT64, encode_json

__all__ = [
    "Blocked",
    "BlockingNotice",
    "BlockingReason",
    "Broker",
    "BrokerErrorKind",
    "BrokerErrorValue",
    "Cmd",
    "Code",
    "CommandErrorKind",
    "HandshakeErrorKind",
    "Name",
    "NameErrorKind",
    "NameErrorValue",
    "Network",
    "NetworkErrorKind",
    "Protocol",
    "Proxy",
    "ProxyErrorKind",
    "ProxyErrorValue",
    "Resolver",
    "Response",
    "RouterErrorValue",
    "Store",
    "TransportError",
    "TransportErrorKind",
    "Unexpected",
]


def _short_text(text: str) -> bytes:
    return short(text.encode("latin-1", "replace"))


@frozen(repr=False)
class TransportError(Redacted):
    """An error of a connection; ``handshake`` is set exactly if ``kind`` is ``HANDSHAKE``."""

    kind: TransportErrorKind
    handshake: HandshakeErrorKind | None = None

    def __attrs_post_init__(self) -> None:
        if (self.kind is TransportErrorKind.HANDSHAKE) != (self.handshake is not None):
            raise ValueError("a handshake error is given for the kind HANDSHAKE, and for no other")

    @classmethod
    def of_handshake(cls, kind: HandshakeErrorKind) -> TransportError:
        return cls(TransportErrorKind.HANDSHAKE, kind)

    def __str__(self) -> str:
        return str(self.kind) if self.handshake is None else f"{self.kind} {self.handshake}"

    def encode(self) -> bytes:
        return str(self).encode()

    @classmethod
    def decode(cls, reader: Reader) -> TransportError:
        kind = TransportErrorKind.decode(reader)
        if kind is not TransportErrorKind.HANDSHAKE:
            return cls(kind)
        reader.expect(b" ")
        return cls.of_handshake(HandshakeErrorKind.decode(reader))


@frozen(repr=False)
class Response(Redacted):
    """The relay's answer cannot be decoded."""

    text: str

    def __str__(self) -> str:
        return "RESPONSE"

    def encode(self) -> bytes:
        return b"RESPONSE " + _short_text(self.text)


@frozen(repr=False)
class Unexpected(Redacted):
    """The relay's answer does not match the request."""

    text: str

    def __str__(self) -> str:
        return "UNEXPECTED"

    def encode(self) -> bytes:
        return b"UNEXPECTED " + _short_text(self.text)


@frozen(repr=False)
class Network(Redacted):
    """The relay cannot be reached.

    Details are decoded but never encoded: peers of any version understand the bare word, and none
    sends more.
    """

    kind: NetworkErrorKind = NetworkErrorKind.FAILED
    text: str = ""

    def __str__(self) -> str:
        return f"NETWORK {self.kind}"

    def encode(self) -> bytes:
        return b"NETWORK"


BrokerErrorValue = BrokerErrorKind | Response | Unexpected | Network | TransportError
"""Why a proxy got no usable answer from a relay."""


@frozen(repr=False)
class Protocol(Redacted):
    """The relay answered with an error."""

    error: RouterErrorValue

    def __str__(self) -> str:
        return f"PROTOCOL {self.error}"

    def encode(self) -> bytes:
        return b"PROTOCOL " + self.error.encode()


@frozen(repr=False)
class Broker(Redacted):
    """The proxy got no usable answer from the relay."""

    error: BrokerErrorValue

    def __str__(self) -> str:
        if isinstance(self.error, TransportError):
            return f"BROKER TRANSPORT {self.error}"
        return f"BROKER {self.error}"

    def encode(self) -> bytes:
        if isinstance(self.error, TransportError):
            return b"BROKER TRANSPORT " + self.error.encode()
        return b"BROKER " + self.error.encode()


ProxyErrorValue = ProxyErrorKind | Protocol | Broker
"""The error of a proxy for a command that it was to forward."""


@frozen(repr=False)
class Cmd(Redacted):
    """The router rejects the command."""

    kind: CommandErrorKind

    def __str__(self) -> str:
        return f"CMD {self.kind}"

    def encode(self) -> bytes:
        return b"CMD " + self.kind.encode()


@frozen(repr=False)
class Proxy(Redacted):
    """The router failed to forward the command as a proxy."""

    error: ProxyErrorValue

    def __str__(self) -> str:
        return f"PROXY {self.error}"

    def encode(self) -> bytes:
        return b"PROXY " + self.error.encode()


def _is_int64(_instance: object, _attribute: object, value: int | None) -> None:
    # What a router stores of it could not be read again otherwise.
    if value is not None and (type(value) is not int or value not in INT64):
        raise ValueError("the seconds of a notice are a whole number of at most 64 bits")


@frozen(repr=False)
class BlockingNotice(Redacted):
    """The user should see a notice, for ``ttl`` seconds; for good if that is `None`."""

    ttl: int | None = field(default=None, validator=_is_int64)


@frozen(repr=False)
class Blocked(Redacted):
    """The router's operator has blocked the queue."""

    reason: BlockingReason
    notice: BlockingNotice | None = None

    def __str__(self) -> str:
        return f"BLOCKED reason={self.reason}"

    def encode(self) -> bytes:
        blocked = b"BLOCKED reason=" + self.reason.encode()
        if self.notice is None:
            return blocked
        ttl = self.notice.ttl
        return blocked + b",notice=" + encode_json({} if ttl is None else {"ttl": ttl})


@frozen(repr=False)
class Store(Redacted):
    """The router's storage failed."""

    text: str

    def __str__(self) -> str:
        return "STORE"

    def encode(self) -> bytes:
        return b"STORE " + self.text.encode(errors="replace")


@frozen(repr=False)
class Resolver(Redacted):
    """The router's name resolver failed."""

    text: str

    def __str__(self) -> str:
        return "RESOLVER"

    def encode(self) -> bytes:
        return b"RESOLVER " + self.text.encode(errors="replace")


NameErrorValue = NameErrorKind | Resolver
"""Why a name was not resolved."""


@frozen(repr=False)
class Name(Redacted):
    """The router could not resolve the name of RSLV."""

    error: NameErrorValue

    def __str__(self) -> str:
        return f"NAME {self.error}"

    def encode(self) -> bytes:
        return b"NAME " + self.error.encode()


RouterErrorValue = Code | Cmd | Proxy | Blocked | Store | Name
"""The error in ERR."""
