"""`Codec`: the seam between the engine and a protocol.

A codec is a plain object that lives as long as its connection.  It encodes commands into parts of
frames and decodes frames into answers and events; it neither waits nor sends.  A
`simplex_trio.transport.frames.FrameStream` carries the frames: blocks of one size under TLS, or
length-prefixed messages on a socket.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = ["Codec", "Frame", "Incoming"]

CommandT_contra = TypeVar("CommandT_contra", contravariant=True)
MessageT_co = TypeVar("MessageT_co", covariant=True)


@frozen(repr=False)
class Incoming(Redacted):
    """One answer or event from a frame.

    An event has an empty correlation id.  ``result`` is a message of the protocol, or an exception:
    an error that the peer answered, or a failure to decode.
    """

    correlation_id: bytes
    entity_id: bytes
    result: Any


class Frame(Protocol):
    """A unit of sending that is filled in order."""

    def __len__(self) -> int:
        """How many commands the frame holds."""
        ...

    def add(self, part: bytes) -> bool:
        """Append an encoded command if there is room."""
        ...


class Codec(Protocol[CommandT_contra, MessageT_co]):
    """A protocol as the engine sees it, in one session."""

    @property
    def session_id(self) -> bytes:
        """Identifies this connection among all others."""
        ...

    def encode(
        self, command: CommandT_contra, entity_id: bytes, key: Any, correlation_id: bytes
    ) -> bytes:
        """Encode and authorize a command for a frame.

        Raises an `EncodeError` for a command that this session cannot carry.
        """
        ...

    def ping(self) -> Any:
        """The command that keeps the connection alive."""
        ...

    def new_frame(self) -> Any:
        """An empty `Frame` that has room for at least one command of any size `encode` allows."""
        ...

    def seal(self, frame: Any) -> bytes:
        """Seal a filled frame; frames must be sent in the order of sealing."""
        ...

    def open(self, frame: bytes) -> Iterable[Incoming]:
        """Open a received frame; raises `DecodeError` or `CryptoError` if it is malformed."""
        ...

    def is_event_too(self, result: object) -> bool:
        """Whether an answer belongs in the event stream as well."""
        ...

    def event(self, entity_id: bytes, message: object) -> object:
        """The event for a message; a `Notice` unless the protocol has a better one."""
        ...

    def folds_by(self, event: object) -> object | None:
        """The key under which unread events are folded, or `None` to keep every one."""
        ...

    def weight(self, event: object) -> int:
        """Roughly how many bytes of memory an unread event holds."""
        ...
