"""The errors that routers and proxies answer: values to match on, not exceptions.

ERR carries a `RouterErrorValue`: a bare `Code`, or a class for what says more.  A proxy wraps what
it met on the way to the relay, or what the relay answered::

    match error:
        case Code.QUOTA: ...
        case Cmd(CommandErrorKind.PROHIBITED): ...
        case Proxy(Protocol(Code.AUTH)): ...
        case Proxy(Broker(BrokerErrorKind.TIMEOUT)): ...

``str`` gives the codes as on the wire, without text that a peer may have added: such text could
name an address, and errors end up in logs.
"""

from __future__ import annotations

from attrs import frozen

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
from simplex_trio.wire.json_object import encode_json

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
    """An error of a connection; ``handshake`` says which one if ``kind`` is ``HANDSHAKE``."""

    kind: TransportErrorKind
    handshake: HandshakeErrorKind | None = None

    def __attrs_post_init__(self) -> None:
        if (self.kind is TransportErrorKind.HANDSHAKE) != (self.handshake is not None):
            raise ValueError("exactly an error of the kind HANDSHAKE says which one it is")

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
    """The relay's answer cannot be read."""

    text: str

    def __str__(self) -> str:
        return "RESPONSE"

    def encode(self) -> bytes:
        return b"RESPONSE " + _short_text(self.text)


@frozen(repr=False)
class Unexpected(Redacted):
    """The relay's answer is none to what was asked."""

    text: str

    def __str__(self) -> str:
        return "UNEXPECTED"

    def encode(self) -> bytes:
        return b"UNEXPECTED " + _short_text(self.text)


@frozen(repr=False)
class Network(Redacted):
    """The relay cannot be reached.

    Details are read but never written: peers of any age understand the bare word, and none writes
    more.
    """

    kind: NetworkErrorKind = NetworkErrorKind.FAILED
    text: str = ""

    def __str__(self) -> str:
        return f"NETWORK {self.kind}"

    def encode(self) -> bytes:
        return b"NETWORK"


BrokerErrorValue = BrokerErrorKind | Response | Unexpected | Network | TransportError
"""What keeps a proxy from getting an answer from a relay."""


@frozen(repr=False)
class Protocol(Redacted):
    """The relay answered with an error of its own."""

    error: RouterErrorValue

    def __str__(self) -> str:
        return f"PROTOCOL {self.error}"

    def encode(self) -> bytes:
        return b"PROTOCOL " + self.error.encode()


@frozen(repr=False)
class Broker(Redacted):
    """The relay gave no answer that the proxy could use."""

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
"""What a proxy reports about a command that it was to pass on."""


@frozen(repr=False)
class Cmd(Redacted):
    """The router does not take the command."""

    kind: CommandErrorKind

    def __str__(self) -> str:
        return f"CMD {self.kind}"

    def encode(self) -> bytes:
        return b"CMD " + self.kind.encode()


@frozen(repr=False)
class Proxy(Redacted):
    """The router did not, as a proxy, get a command done."""

    error: ProxyErrorValue

    def __str__(self) -> str:
        return f"PROXY {self.error}"

    def encode(self) -> bytes:
        return b"PROXY " + self.error.encode()


@frozen(repr=False)
class BlockingNotice(Redacted):
    """The user is to be told about it, for so many seconds; without end if `None`."""

    ttl: int | None = None


@frozen(repr=False)
class Blocked(Redacted):
    """The operator of the router has blocked the queue."""

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
    """What the router asks for names has failed."""

    text: str

    def __str__(self) -> str:
        return "RESOLVER"

    def encode(self) -> bytes:
        return b"RESOLVER " + self.text.encode(errors="replace")


NameErrorValue = NameErrorKind | Resolver
"""Why a name was not resolved."""


@frozen(repr=False)
class Name(Redacted):
    """The router has no answer to RSLV."""

    error: NameErrorValue

    def __str__(self) -> str:
        return f"NAME {self.error}"

    def encode(self) -> bytes:
        return b"NAME " + self.error.encode()


RouterErrorValue = Code | Cmd | Proxy | Blocked | Store | Name
"""What ERR carries."""
