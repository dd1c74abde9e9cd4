"""Pushes: what the notification router has told a device, opened."""

from __future__ import annotations

from typing import final

from simplex_trio.duplex.errors import NoNotificationToken, PushNotReadable
from simplex_trio.duplex.machine.connection import ReceivingQueue
from simplex_trio.duplex.machine.push_records import PushToken, current_token
from simplex_trio.duplex.machine.push_tokens import code_received
from simplex_trio.duplex.machine.rows import Rows
from simplex_trio.duplex.machine.step import Step
from simplex_trio.errors import CryptoError, DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.ntf.push import PushMessage, decode_push_messages
from simplex_trio.wire.smp.bodies import NotificationMeta

__all__ = ["NONCE_SIZE", "Notification", "open_push", "verify_push"]

NONCE_SIZE = 24


@final
@frozen(repr=False)
class Notification(Redacted):
    """A message has come to a connection."""

    connection_id: str
    notified_at: int
    """When the notification router was told, in seconds since 1970, by its clock."""
    message_at: int | None
    """When the message came, by the clock of the queue's router.  `None` if what that router says
    of the message cannot be read, because the queue has got another notifier meanwhile."""


def verify_push(step: Step, nonce: bytes, sealed: bytes) -> None:
    """Take the code out of a push, to be returned to the router."""
    token = _token(step.rows)
    try:
        code_received(step, token, _checked(nonce), sealed)
    except (CryptoError, DecodeError) as exc:
        raise PushNotReadable from exc


def open_push(rows: Rows, nonce: bytes, sealed: bytes) -> list[Notification]:
    """What a push tells of messages that have not come yet, the oldest first."""
    token = _token(rows)
    if token.push_key is None:
        raise PushNotReadable
    try:
        content = token.push_key.open_padded(_checked(nonce), sealed)
        messages = decode_push_messages(content)
    except (CryptoError, DecodeError) as exc:
        raise PushNotReadable from exc
    found = []
    for message in messages:
        queue = _queue(rows, message)
        if queue is not None:
            meta = _meta(queue, message)
            if meta is None or _is_news(queue, meta):
                message_at = None if meta is None else meta.timestamp
                found.append(Notification(queue.connection_id, message.timestamp, message_at))
    return found


def _token(rows: Rows) -> PushToken:
    token = current_token(rows)
    if token is None:
        raise NoNotificationToken
    return token


def _checked(nonce: bytes) -> bytes:
    if len(nonce) != NONCE_SIZE:
        raise PushNotReadable
    return nonce


def _queue(rows: Rows, message: PushMessage) -> ReceivingQueue | None:
    for queue in rows.queues_of_notifier(message.queue.notifier_id):
        # The notification router may know the queue's router by other names as well.
        assert queue.server is not None
        if not set(queue.server.hosts).isdisjoint(message.queue.server.hosts):
            return queue
    return None


def _meta(queue: ReceivingQueue, message: PushMessage) -> NotificationMeta | None:
    if queue.notifier_secret is None:
        return None
    try:
        return NotificationMeta.open(
            queue.notifier_secret, message.nonce, message.encrypted_metadata
        )
    except (CryptoError, DecodeError):
        return None


def _is_news(queue: ReceivingQueue, meta: NotificationMeta) -> bool:
    """Whether the message is not the last one that was delivered, or older.

    Times are in whole seconds, so the id decides about what came in the same one.
    """
    return meta.message_id != queue.broker_id and meta.timestamp >= queue.broker_timestamp
