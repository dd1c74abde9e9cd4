"""What happens without being asked for, as subscribers see it, and how it is read.  Pure."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from attrs import field

from simplex_trio.errors import DecodeError, SimplexError
from simplex_trio.frozen import frozen
from simplex_trio.katzenpost.errors import CodedError, daemon_error
from simplex_trio.katzenpost.messages.documents import Document, decode_document
from simplex_trio.katzenpost.messages.geometry import PigeonholeGeometry, SphinxGeometry
from simplex_trio.katzenpost.wire.fields import Fields
from simplex_trio.redaction import Redacted

__all__ = [
    "ConnectionStatus",
    "DaemonConnected",
    "DaemonDisconnected",
    "DaemonEvent",
    "Event",
    "EventsDropped",
    "MessageForgotten",
    "MessageReply",
    "MessageSent",
    "NewDocument",
    "SessionReply",
    "ShuttingDown",
    "Unreadable",
    "event_size",
    "read_event",
]


@frozen(repr=False)
class ConnectionStatus(Redacted):
    """Whether the daemon is connected to the mixnet, and what it is.

    Not to be confused with our connection to the daemon: see `DaemonConnected`.
    """

    is_connected: bool
    instance_token: bytes = field(repr=False)
    """What tells this daemon from the one after a restart."""
    sphinx: SphinxGeometry
    pigeonhole: PigeonholeGeometry


@frozen
class NewDocument:
    """A consensus document, or `None` while the daemon has none yet."""

    document: Document | None


@frozen(repr=False)
class MessageSent(Redacted):
    """A message with a reply block went out, or could not."""

    surb_id: bytes
    message_id: bytes
    sent_at: int
    """Seconds since 1970."""
    reply_in: float
    """Seconds that a reply may be expected to take."""
    failure: str | None
    """The daemon's words for why it was not sent."""


@frozen(repr=False)
class MessageReply(Redacted):
    """A service's reply to a message with this reply block."""

    surb_id: bytes
    message_id: bytes
    payload: bytes
    """Often filled up with zeros to the size of all messages."""
    error: CodedError | None


@frozen(repr=False)
class MessageForgotten(Redacted):
    """The daemon no longer waits for a reply to this message."""

    message_id: bytes


@frozen
class ShuttingDown:
    """The daemon is about to end, in good order."""


@frozen
class Unreadable:
    """Something came from the daemon that cannot be read; it changes nothing."""

    error: SimplexError


DaemonEvent = (
    ConnectionStatus
    | NewDocument
    | MessageSent
    | MessageReply
    | MessageForgotten
    | ShuttingDown
    | Unreadable
)
"""What comes from the daemon."""


@frozen
class SessionReply:
    """The end of the greeting: whether the daemon knows us.  Subscribers do not see it."""

    resumed: bool


@frozen
class DaemonConnected:
    """The client is connected to the daemon, for the first time or again."""

    same_daemon: bool
    """Whether it is the process that was there before; False at the very first time."""
    resumed: bool
    """Whether it still knows this client, and goes on with what it does for it."""


@frozen
class DaemonDisconnected:
    """The connection to the daemon ended; the client reconnects."""

    graceful: bool
    """Whether the daemon had said that it would end."""
    reason: BaseException | None


@frozen
class EventsDropped:
    """So many events were not kept, because the subscriber did not read them in time."""

    count: int


Event = DaemonEvent | DaemonConnected | DaemonDisconnected | EventsDropped
"""What subscribers see."""

_SMALL_EVENT = 256
"""Bytes that an event takes besides its content."""


def event_size(event: Event) -> int:
    """About how many bytes an event holds on to."""
    if isinstance(event, NewDocument):
        return _SMALL_EVENT + (0 if event.document is None else event.document.size)
    values = (getattr(event, each.name) for each in attrs.fields(type(event)))
    return _SMALL_EVENT + sum(len(value) for value in values if isinstance(value, bytes | str))


def _status(fields: Fields) -> ConnectionStatus:
    return ConnectionStatus(
        is_connected=fields.flag("is_connected"),
        instance_token=fields.binary("instance_token"),
        sphinx=SphinxGeometry.read(Fields(fields.mapping("sphinx_geometry"))),
        pigeonhole=PigeonholeGeometry.read(Fields(fields.mapping("pigeonhole_geometry"))),
    )


def _document(fields: Fields) -> NewDocument:
    payload = fields.binary("payload")
    return NewDocument(decode_document(payload) if payload else None)


def _sent(fields: Fields) -> MessageSent:
    return MessageSent(
        surb_id=fields.binary("surbid"),
        message_id=fields.binary("message_id"),
        sent_at=fields.integer("sent_at"),
        reply_in=fields.integer("reply_eta") / 1e9,
        failure=fields.text("err") or None,
    )


def _reply(fields: Fields) -> MessageReply:
    code = fields.unsigned("error_code")
    return MessageReply(
        surb_id=fields.binary("surbid"),
        message_id=fields.binary("message_id"),
        payload=fields.binary("payload"),
        error=daemon_error(code) if code else None,
    )


def _forgotten(fields: Fields) -> MessageForgotten:
    return MessageForgotten(fields.binary("message_id"))


def _session(fields: Fields) -> SessionReply:
    return SessionReply(fields.flag("resumed"))


_READERS: dict[str, Callable[[Fields], DaemonEvent | SessionReply]] = {
    "connection_status_event": _status,
    "new_pki_document_event": _document,
    "message_sent_event": _sent,
    "message_reply_event": _reply,
    "message_id_garbage_collected": _forgotten,
    "session_token_reply": _session,
    "shutdown_event": lambda _fields: ShuttingDown(),
}


def read_event(name: str, value: object) -> DaemonEvent | SessionReply | None:
    """An event by its name on the wire; `None` for a name that is not known.

    One that cannot be read becomes `Unreadable`.
    """
    reader = _READERS.get(name)
    if reader is None:
        return None
    try:
        return reader(Fields(value))
    except DecodeError as exc:
        return Unreadable(exc)
