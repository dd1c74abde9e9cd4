"""The first messages on a connection: what the daemon is, and who we are.

The daemon speaks first: whether it is connected to the mixnet, then the consensus document.  Then
we say which client we are, and it answers whether it knows us.  Anything else may come in between,
above all the replies that it kept for us while we were away.
"""

from __future__ import annotations

import trio

from simplex_trio.errors import DecodeError, HungUp, MalformedHello
from simplex_trio.frozen import frozen
from simplex_trio.katzenpost.errors import IncompatibleDaemon
from simplex_trio.katzenpost.messages.events import (
    ConnectionStatus,
    DaemonEvent,
    NewDocument,
    SessionReply,
    Unreadable,
)
from simplex_trio.katzenpost.messages.requests import Answer, session_token
from simplex_trio.katzenpost.session.codec import read_message
from simplex_trio.katzenpost.wire.framing import MAX_FRAME_SIZE, LengthPrefixedStream
from simplex_trio.redaction import Redacted

__all__ = ["Greeting", "greet"]

_MAX_EVENTS = 4096
"""During the greeting: four times the replies that the daemon keeps for a client that is away."""

_MAX_BYTES = 4 * MAX_FRAME_SIZE
"""During the greeting: these replies, documents, and messages that later daemons may add."""


@frozen(repr=False)
class Greeting(Redacted):
    """What was learned before the first request."""

    status: ConnectionStatus
    """The latest."""
    resumed: bool
    """Whether the daemon knew us."""
    events: tuple[DaemonEvent, ...]
    """All that came, in order."""


async def greet(stream: LengthPrefixedStream, token: bytes) -> Greeting:
    """Exchange the first messages.  Cancelled, or failed, it closes ``stream``.

    Raises a `HandshakeFailed`: `HungUp`, `MalformedHello`, or `IncompatibleDaemon`.
    """
    greeting: Greeting | None = None
    try:
        greeting = await _greet(stream, token)
    except (trio.EndOfChannel, trio.BrokenResourceError) as exc:
        raise HungUp("the daemon hung up during the greeting") from exc
    except DecodeError as exc:
        raise MalformedHello("a message of the daemon's greeting is malformed") from exc
    finally:
        if greeting is None:
            await trio.aclose_forcefully(stream)
    return greeting


async def _greet(stream: LengthPrefixedStream, token: bytes) -> Greeting:
    events: list[DaemonEvent] = []
    status: ConnectionStatus | None = None
    introduced = False
    received = 0
    while len(events) < _MAX_EVENTS and received < _MAX_BYTES:
        if status is not None and not introduced and _has_document(events):
            await stream.send_frames([session_token(token)])
            introduced = True
        frame = await stream.receive_frame()
        received += len(frame)
        for _, message in read_message(frame):
            match message:
                case Answer():
                    continue  # an answer to an earlier connection, most likely
                case SessionReply():
                    if status is None or not introduced:
                        raise DecodeError("an answer before there was a question")
                    return Greeting(status, message.resumed, tuple(events))
                case Unreadable() if status is None:
                    raise IncompatibleDaemon("the daemon's first message cannot be read")
                case ConnectionStatus():
                    status = message
            events.append(message)
    raise DecodeError("too many messages during the greeting")


def _has_document(events: list[DaemonEvent]) -> bool:
    # One that cannot be read is no reason not to talk to the daemon.
    return any(isinstance(event, NewDocument | Unreadable) for event in events)
