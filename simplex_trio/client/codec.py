"""The seam between the engine and a protocol: what it must say to be driven by four tasks.

A `Codec` is a plain object that lives as long as its connection.  It turns commands into parts of
frames and frames into answers and events; it neither waits nor sends.  Its frames are carried by a
`simplex_trio.transport.frames.FrameStream`: blocks of one size under TLS, or length-prefixed
messages on a socket.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

from attrs import frozen

from simplex_trio.redaction import Redacted

__all__ = ["Codec", "Frame", "Incoming"]

CommandT_contra = TypeVar("CommandT_contra", contravariant=True)
MessageT_co = TypeVar("MessageT_co", covariant=True)


@frozen(repr=False)
class Incoming(Redacted):
    """One answer or event out of a frame.

    An event has an empty correlation id.  ``result`` is a message of the protocol, or the
    exception that stands for it: an error that the peer answered, or what failed to decode.
    """

    correlation_id: bytes
    entity_id: bytes
    result: Any


class Frame(Protocol):
    """What is sent as one piece, being filled in order."""

    def __len__(self) -> int:
        """How many commands it holds."""
        ...

    def add(self, part: bytes) -> bool:
        """Append an encoded command if there is room."""
        ...


class Codec(Protocol[CommandT_contra, MessageT_co]):
    """A protocol as the engine sees it, in one session."""

    @property
    def session_id(self) -> bytes:
        """What tells this connection from every other one."""
        ...

    def encode(
        self, command: CommandT_contra, entity_id: bytes, key: Any, correlation_id: bytes
    ) -> bytes:
        """A command, authorized and ready for a frame.

        Raises an `EncodeError` for what this session cannot carry, before anything is sent.
        """
        ...

    def ping(self) -> Any:
        """The command that keeps the connection alive."""
        ...

    def new_frame(self) -> Any:
        """An empty `Frame` that has room for at least one command of any size `encode` allows."""
        ...

    def seal(self, frame: Any) -> bytes:
        """The bytes of a filled frame of its own kind, to be sent in the order of sealing."""
        ...

    def open(self, frame: bytes) -> Iterable[Incoming]:
        """What a received frame holds; raises `DecodeError` or `CryptoError` if it is broken."""
        ...

    def is_event_too(self, result: object) -> bool:
        """Whether an answer also belongs into the event stream."""
        ...

    def event(self, entity_id: bytes, message: object) -> object:
        """What the reader of events sees for a message; `Notice` if nothing better is known."""
        ...

    def folds_by(self, event: object) -> object | None:
        """A key under which only the latest unread events matter, or `None` to keep them all."""
        ...

    def weight(self, event: object) -> int:
        """About how many bytes an unread event holds on to."""
        ...
