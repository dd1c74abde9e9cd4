"""The daemon's protocol as the engine sees it: runs of messages, answers known by query id.

The engine's correlation id is the query id, filled up with zeros.  There are no entities, so entity
ids are empty, and no keys: any program that can reach the daemon may use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import define

from simplex_trio.engine.calls import CORRELATION_ID_SIZE
from simplex_trio.engine.codec import Incoming
from simplex_trio.errors import DecodeError
from simplex_trio.katzenpost.messages.events import DaemonEvent, SessionReply, read_event
from simplex_trio.katzenpost.messages.operations import OperationKey
from simplex_trio.katzenpost.messages.requests import ID_SIZE, Answer
from simplex_trio.katzenpost.wire.cbor import decode
from simplex_trio.katzenpost.wire.fields import Fields
from simplex_trio.katzenpost.wire.framing import framed, split_run
from simplex_trio.redaction import Redacted

__all__ = ["KatzenpostCodec", "Outgoing", "correlation_id", "read_message"]

_FILLING = bytes(CORRELATION_ID_SIZE - ID_SIZE)

_RUN_SIZE = 64 * 1024
"""Bytes of messages that leave as one frame of the engine."""

_ANY_EVENT = 16 * 1024
"""Bytes that an event counts for until it is taken, which is done as soon as its run was read.  So
this only bounds how many there may be in a run, and need not tell large ones from small ones."""


@define(repr=False, eq=False)
class Outgoing(Redacted):
    """A message on its way to the daemon.

    The engine remembers its requests for a while, but not the ten megabytes that each may have: the
    sender drops the bytes as soon as it stops waiting.
    """

    name: str
    encoded: bytes
    operation: OperationKey | None = None
    """The operation that it starts, if any."""
    number: int | None = None
    """Of the requests on its connection, once it is sent; see `Link.has_read`."""

    def let_go(self) -> None:
        """Forget the bytes; a message that is still queued is sent all the same."""
        self.encoded = b""


def correlation_id(query_id: bytes) -> bytes:
    """The engine's id for a request with this query id."""
    return query_id + _FILLING


class _Run:
    """A frame of the engine: messages behind their lengths, or one that is as long as it likes."""

    __slots__ = ("_parts", "_size")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, part: bytes) -> bool:
        if self._parts and self._size + len(part) > _RUN_SIZE:
            return False
        self._parts.append(part)
        self._size += len(part)
        return True

    def content(self) -> bytes:
        return b"".join(self._parts)


def read_message(frame: bytes) -> Iterator[tuple[bytes, Answer | DaemonEvent | SessionReply]]:
    """What a message from the daemon says: answers with their query ids, all else with none.

    Of the many names that it may have, all but one are null.  A name that is not known is left
    alone.  Raises `DecodeError` for a message that is not a map, and for an answer without an id.
    """
    for name, value in Fields(decode(frame)).present():
        if not isinstance(name, str):
            continue
        event = read_event(name, value)
        if event is not None:
            yield b"", event
        elif name.endswith("_reply"):
            fields = Fields(value)
            query_id = fields.binary("query_id")
            if not query_id:
                raise DecodeError("an answer without a query id")
            yield query_id, Answer(name, fields)


class KatzenpostCodec:
    """Messages on one connection; implements `simplex_trio.engine.codec.Codec`."""

    def __init__(self, instance_token: bytes) -> None:
        self._session_id = instance_token

    @property
    def session_id(self) -> bytes:
        """The daemon's instance token."""
        return self._session_id

    def encode(self, command: Outgoing, entity_id: bytes, key: Any, correlation_id: bytes) -> bytes:
        return framed(command.encoded)

    def ping(self) -> Outgoing:
        """There is none: keep-alive probes of the system watch over the connection."""
        raise NotImplementedError("connections to the daemon are not pinged")

    def new_frame(self) -> _Run:
        return _Run()

    def seal(self, frame: _Run) -> bytes:
        return frame.content()

    def open(self, frame: bytes) -> Iterator[Incoming]:
        for message in split_run(frame):
            for query_id, result in read_message(message):
                if not isinstance(result, SessionReply):
                    yield Incoming(query_id and correlation_id(query_id), b"", result)

    def is_event_too(self, result: object) -> bool:
        return False

    def event(self, entity_id: bytes, message: object) -> object:
        return message

    def folds_by(self, event: object) -> object | None:
        return None

    def weight(self, event: object) -> int:
        return _ANY_EVENT
