"""`Http2Limits`: bounds for the memory and the time-outs of one connection."""

from __future__ import annotations

from attrs import field
from attrs.validators import and_, ge, le

from simplex_trio.frozen import frozen

__all__ = ["Http2Limits"]

KIB = 1024
MIB = 1024 * KIB

_LARGEST_WINDOW = 2**31 - 1


@frozen
class Http2Limits:
    """Bounds for one connection."""

    streams: int = field(default=32, validator=ge(1))
    """Requests at a time; more wait."""
    stream_window: int = field(default=MIB, validator=and_(ge(64 * KIB), le(_LARGEST_WINDOW)))
    """Bytes of one body that the peer may send ahead of what was received."""
    connection_window: int = field(
        default=32 * MIB, validator=and_(ge(64 * KIB), le(_LARGEST_WINDOW))
    )
    """The same for all bodies together, and so what a connection may hold in memory: enough for all
    streams, so that unread bodies do not block answers.  Where the peer chooses the number of
    streams, less is safer."""
    frame_size: int = field(default=64 * KIB, validator=and_(ge(16 * KIB), le(MIB)))
    """The longest frame that the peer may send, and that this side sends; and the most that
    a block of headers may have."""
    outbox: int = field(default=256 * KIB, validator=ge(64 * KIB))
    """Bytes waiting to be written; beyond that, senders of bodies wait."""
    backlog: int = field(default=MIB, validator=ge(64 * KIB))
    """Bytes waiting to be written; beyond that the connection is closed, because the peer
    sends requests and does not read the answers."""
    write_seconds: float = 300
    """For writing the contents of the outbox; as long as a packet may take."""
    close_seconds: float = 1
    """For closing the connection with GOAWAY."""
