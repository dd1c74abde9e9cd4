"""Records as rows of a table and back.  Pure; damaged rows are noticed.

Every row ends with a checksum of its other values.  SQLite's own checks find damage to the
structure of its file, but not a flipped bit inside a key, which would silently lose a queue.  A row
that cannot be what was written raises `DecodeError`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from simplex_trio.crypto.keys import AuthPublicKey, auth_public_key
from simplex_trio.errors import DecodeError
from simplex_trio.router.store.records import (
    LinkRecord,
    MessageHead,
    NotificationRecord,
    NotifierRecord,
    QueueRecord,
    ServiceRecord,
    Suspended,
)
from simplex_trio.wire.buffer import Reader, listed, short
from simplex_trio.wire.errors.decoding import decode_router_error
from simplex_trio.wire.errors.values import Blocked
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.new_queue import QueueMode

__all__ = [
    "Columns",
    "Row",
    "Value",
    "body_row",
    "checksum",
    "counter_row",
    "head_row",
    "link_row",
    "notification_row",
    "queue_row",
    "read_body",
    "read_counter",
    "read_head",
    "read_link",
    "read_notification",
    "read_queue",
    "read_service",
    "service_row",
]

Value: TypeAlias = bytes | int | None
"""The values of a column."""

Row: TypeAlias = tuple[Value, ...]
"""The values of a row in the order of its columns, the checksum last."""

Columns: TypeAlias = Sequence[object]
"""A row as read, with any values that SQLite may find in a damaged file."""

T = TypeVar("T")


def checksum(values: Columns) -> int:
    """What the last column of a row with these values holds; `DecodeError` for other kinds."""
    parts = []
    for value in values:
        if value is None:
            parts.append(b"n")
        elif isinstance(value, bytes):
            parts.append(b"b%d:%b" % (len(value), value))
        elif isinstance(value, int):
            parts.append(b"i%d:" % value)
        else:
            raise DecodeError("a value of a kind that is never written")
    return zlib.crc32(b"".join(parts))


def _sealed(*values: Value) -> Row:
    return (*values, checksum(values))


def _opened(row: Columns) -> Columns:
    values = row[:-1]
    if row[-1] != checksum(values):
        raise DecodeError("a row does not have its checksum")
    return values


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise DecodeError("a number is missing")
    return value


def _octets(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise DecodeError("bytes are missing")
    return value


def _maybe(value: object, read: Callable[[bytes], T]) -> T | None:
    return None if value is None else read(_octets(value))


# --- queues -------------------------------------------------------------------------------------


def queue_row(queue: QueueRecord) -> Row:
    """The row of a queue: its own fields, its link, its notifier, its status."""
    link, notifier, status = queue.link, queue.notifier, queue.status
    return _sealed(
        queue.recipient_id,
        queue.sender_id,
        listed(short(key.der) for key in queue.recipient_keys),
        queue.dh_secret,
        queue.created_day,
        queue.updated_day,
        None if queue.mode is None else queue.mode.value,
        None if queue.sender_key is None else queue.sender_key.der,
        *((None, None) if link is None else (link.link_id, link.fixed_digest)),
        *((None,) * 4 if notifier is None else _notifier_values(notifier)),
        status.since if isinstance(status, Suspended) else None,
        status.encode() if isinstance(status, Blocked) else None,
        queue.service_id,
    )


def _notifier_values(notifier: NotifierRecord) -> Row:
    return (
        notifier.notifier_id,
        notifier.key.der,
        notifier.dh_secret,
        notifier.service_id,
    )


def read_queue(row: Columns) -> QueueRecord:
    """What `queue_row` has written."""
    (
        recipient_id,
        sender_id,
        recipient_keys,
        dh_secret,
        created_day,
        updated_day,
        mode,
        sender_key,
        link_id,
        link_digest,
        notifier_id,
        notifier_key,
        notifier_dh_secret,
        notifier_service_id,
        suspended_since,
        blocked,
        service_id,
    ) = _opened(row)
    status: Suspended | Blocked | None = None
    if blocked is not None:
        status = _read_blocked(_octets(blocked))
    elif suspended_since is not None:
        status = Suspended(_number(suspended_since))
    notifier: NotifierRecord | None = None
    if notifier_id is not None:
        notifier = NotifierRecord(
            _octets(notifier_id),
            auth_public_key(_octets(notifier_key)),
            _octets(notifier_dh_secret),
            _maybe(notifier_service_id, bytes),
        )
    return QueueRecord(
        _octets(recipient_id),
        _octets(sender_id),
        _read_keys(_octets(recipient_keys)),
        _octets(dh_secret),
        _number(created_day),
        _number(updated_day),
        _maybe(mode, _read_mode),
        _maybe(sender_key, auth_public_key),
        None if link_id is None else LinkRecord(_octets(link_id), _octets(link_digest)),
        notifier,
        status,
        _maybe(service_id, bytes),
    )


def _read_keys(data: bytes) -> tuple[AuthPublicKey, ...]:
    reader = Reader(data)
    keys = reader.listed(lambda: auth_public_key(reader.short()))
    reader.end()
    return keys


def _read_mode(data: bytes) -> QueueMode:
    return QueueMode.decode(Reader(data))


def _read_blocked(data: bytes) -> Blocked:
    status = decode_router_error(Reader(data))
    if not isinstance(status, Blocked):
        raise DecodeError("not the status of a blocked queue")
    return status


def link_row(recipient_id: bytes, data: QueueLinkData) -> Row:
    """The row of the data of a queue's link."""
    return _sealed(recipient_id, data.fixed, data.user)


def read_link(row: Columns) -> QueueLinkData:
    """What `link_row` has written, without the queue."""
    _, fixed, user = _opened(row)
    return QueueLinkData(_octets(fixed), _octets(user))


# --- messages -----------------------------------------------------------------------------------


def head_row(recipient_id: bytes, head: MessageHead) -> Row:
    """The row of a message without its body."""
    return _sealed(
        head.sequence,
        recipient_id,
        head.message_id,
        head.received_at,
        head.notification,
        head.is_quota_notice,
    )


def read_head(row: Columns) -> tuple[bytes, MessageHead]:
    """What `head_row` has written: the recipient id and the head."""
    sequence, recipient_id, message_id, received_at, notification, is_quota_notice = _opened(row)
    head = MessageHead(
        _number(sequence),
        _octets(message_id),
        _number(received_at),
        bool(notification),
        bool(is_quota_notice),
    )
    return _octets(recipient_id), head


def body_row(sequence: int, body: bytes) -> Row:
    """The row of a body."""
    return _sealed(sequence, body)


def read_body(row: Columns) -> bytes:
    """What `body_row` has written, without the sequence number."""
    _, body = _opened(row)
    return _octets(body)


# --- services, notifications, statistics --------------------------------------------------------


def service_row(service: ServiceRecord) -> Row:
    """The row of a service; the column for certificates, of the first version, stays empty."""
    return _sealed(
        service.service_id,
        service.role.value,
        service.certificate_hash,
        listed(()),
        service.used_day,
    )


def read_service(row: Columns) -> ServiceRecord:
    """What `service_row` has written, or an earlier version of it, with certificates."""
    service_id, role, certificate_hash, _, used_day = _opened(row)
    return ServiceRecord(
        _octets(service_id),
        _read_role(_octets(role)),
        _octets(certificate_hash),
        _number(used_day),
    )


def _read_role(data: bytes) -> ServiceRole:
    try:
        return ServiceRole(data)
    except ValueError as exc:
        raise DecodeError("not the role of a service") from exc


def notification_row(notification: NotificationRecord) -> Row:
    """The row of a notification."""
    return _sealed(
        notification.sequence,
        notification.notifier_id,
        notification.received_at,
        notification.nonce,
        notification.sealed,
    )


def read_notification(row: Columns) -> NotificationRecord:
    """What `notification_row` has written."""
    sequence, notifier_id, received_at, nonce, sealed = _opened(row)
    return NotificationRecord(
        _number(sequence),
        _octets(notifier_id),
        _number(received_at),
        _octets(nonce),
        _octets(sealed),
    )


def counter_row(name: str, value: int) -> Row:
    """The row of a counter."""
    return _sealed(name.encode(), value)


def read_counter(row: Columns) -> tuple[str, int]:
    """What `counter_row` has written."""
    name, value = _opened(row)
    try:
        return _octets(name).decode(), _number(value)
    except UnicodeDecodeError as exc:
        raise DecodeError("the name of a counter is not UTF-8") from exc
