"""Messages and notifications in the files of the reference's server.  Pure.

The server keeps messages in one of two ways.  In memory: then it writes all of them to one file
when it stops, each line with the id of its queue.  Or in journals: then each queue has a folder,
with one or two files of messages, and one whose last line says which of their lines are left.
"""

from __future__ import annotations

from typing import Final, Self

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.router.store.interface import PutMessage
from simplex_trio.router.store.records import MessageHead, NotificationRecord
from simplex_trio.serving.server_text import Fields, octets
from simplex_trio.wire.text import decimal

__all__ = [
    "JournalPart",
    "JournalState",
    "read_journal_message",
    "read_logged_message",
    "read_notification",
]

_NONCE_SIZE: Final = 24
_MOST: Final = 2**60


# --- lines --------------------------------------------------------------------------------------


def read_logged_message(line: bytes, sequence: int) -> PutMessage:
    """A message in the file of all messages, with the number that it is to have."""
    fields = Fields(line)
    if not fields.has("v3"):
        raise DecodeError("a message of an unknown version")
    return _read_message(fields.octets(), fields, sequence)


def read_journal_message(recipient_id: bytes, line: bytes, sequence: int) -> PutMessage:
    """A message in the journal of a queue."""
    return _read_message(recipient_id, Fields(line), sequence)


def _read_message(recipient_id: bytes, fields: Fields, sequence: int) -> PutMessage:
    message_id, received_at = fields.octets(), fields.seconds()
    if is_quota_notice := fields.has("quota"):
        notification, body = False, b""
    else:
        flags = fields.maybe_named("flags")  # which earlier versions did not write
        if flags is not None and flags[:1] not in ("T", "F"):
            raise DecodeError("a message with unknown flags")
        notification, body = flags is not None and flags[0] == "T", fields.octets()
    fields.end()
    head = MessageHead(sequence, message_id, received_at, notification, is_quota_notice)
    return PutMessage(recipient_id, head, body)


def read_notification(line: bytes, sequence: int) -> NotificationRecord:
    """A notification in the file of all notifications."""
    fields = Fields(line)
    if not fields.has("v1"):
        raise DecodeError("a notification of an unknown version")
    notifier_id = fields.octets()
    fields.octets()  # the id of the message, which the sealed part has as well
    received_at, nonce, sealed = fields.seconds(), fields.octets(), fields.octets()
    if len(nonce) != _NONCE_SIZE:
        raise DecodeError("a nonce of another length")
    fields.end()
    return NotificationRecord(sequence, notifier_id, received_at, nonce, sealed)


# --- journals -----------------------------------------------------------------------------------


@frozen
class JournalPart:
    """The messages in one file, from one byte to another."""

    journal_id: str
    start: int
    end: int


@frozen(repr=False)
class JournalState(Redacted):
    """The files of a queue that have messages, in their order, and how many there are."""

    parts: tuple[JournalPart, ...]
    size: int

    @classmethod
    def read(cls, line: bytes) -> Self:
        """A line of the file with the state of a queue's journal."""
        fields = Fields(line)
        writing = _Position.read(fields.named("write"))
        reading = _Position.read(fields.named("read"))
        if fields.named("canWrite") not in ("T", "F"):
            raise DecodeError("a journal in an unknown state")
        size = decimal(fields.named("size"), _MOST)
        fields.end()
        left = reading.count - reading.place
        parts = [JournalPart(reading.journal_id, reading.byte, reading.bytes)]
        if reading.journal_id != writing.journal_id:
            left += writing.count
            parts.append(JournalPart(writing.journal_id, 0, writing.byte))
        if size != left or reading.place > reading.count or reading.byte > reading.bytes:
            raise DecodeError("a journal whose numbers contradict each other")
        return cls(tuple(part for part in parts if part.end > part.start), size)


@frozen
class _Position:
    """A place in a journal: after how many messages and bytes of how many."""

    journal_id: str
    place: int
    count: int
    byte: int
    bytes: int

    @classmethod
    def read(cls, text: str) -> Self:
        journal_id, *numbers = text.split(",")
        if len(numbers) != 4:
            raise DecodeError("a place in a journal with other numbers")
        octets(journal_id)  # which is a part of the name of a file
        return cls(journal_id, *(decimal(number, _MOST) for number in numbers))
