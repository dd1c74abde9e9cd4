"""Queues as their owner knows them, and what arrives from them."""

from __future__ import annotations

from typing import Protocol

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import AuthPrivateKey, auth_private_key
from simplex_trio.engine.events import EngineEvent
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.saved import SavedFields, SavedFormat
from simplex_trio.wire.smp.bodies import Delivered, QuotaNotice, open_delivered
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.new_queue import QueueMode

__all__ = [
    "ClientEvent",
    "MessageReceived",
    "NotifierCredentials",
    "OwnedQueue",
    "QueueAccess",
    "QuotaReached",
    "ReceivingQueue",
    "SealedMessage",
    "ServiceSubscription",
    "delivered",
]


_RECEIVING_QUEUE = SavedFormat("receiving queue")
_QUEUE_ACCESS = SavedFormat("access to a queue")


class OwnedQueue(Protocol):
    """What the commands of a queue's owner need: its id, and the keys to it."""

    @property
    def recipient_id(self) -> bytes: ...

    @property
    def key(self) -> AuthPrivateKey: ...

    @property
    def delivery_key(self) -> BoxKey | None: ...


@frozen(repr=False)
class NotifierCredentials(Redacted):
    """How a queue's notifier is known: its id, and the key that notifications are sealed with."""

    notifier_id: bytes
    key: BoxKey


@frozen(repr=False)
class ReceivingQueue(Redacted):
    """A queue that was created here.

    ``key`` authorizes its owner's commands, ``delivery_key`` opens what it delivers.  Who is given
    ``sender_id`` can send to it.  Keep all of it, for example as `to_bytes`: the router gives none
    of it twice.
    """

    recipient_id: bytes
    sender_id: bytes
    key: AuthPrivateKey
    delivery_key: BoxKey
    mode: QueueMode | None = None
    link_id: bytes | None = None
    service_id: bytes | None = None
    notifier: NotifierCredentials | None = None

    def to_bytes(self) -> bytes:
        """All of the queue, with its keys, for a file that others cannot read."""
        return _RECEIVING_QUEUE.pack(
            self.recipient_id,
            self.sender_id,
            self.key.der,
            self.delivery_key.subkey,
            None if self.mode is None else self.mode.value,
            self.link_id,
            self.service_id,
            None if self.notifier is None else self.notifier.notifier_id,
            None if self.notifier is None else self.notifier.key.subkey,
        )

    @staticmethod
    def from_bytes(data: bytes) -> ReceivingQueue:
        """The queue that `to_bytes` has saved; raises `DecodeError`."""

        def read(fields: SavedFields) -> ReceivingQueue:
            return ReceivingQueue(
                recipient_id=fields.required(),
                sender_id=fields.required(),
                key=auth_private_key(fields.required()),
                delivery_key=BoxKey(fields.required()),
                mode=None if (mode := fields.optional()) is None else QueueMode(mode),
                link_id=fields.optional(),
                service_id=fields.optional(),
                notifier=_read_notifier(fields.optional(), fields.optional()),
            )

        return _RECEIVING_QUEUE.unpack(data, read)


def _read_notifier(notifier_id: bytes | None, key: bytes | None) -> NotifierCredentials | None:
    if notifier_id is None and key is None:
        return None
    if notifier_id is None or key is None:
        raise ValueError("a notifier has an id and a key")
    return NotifierCredentials(notifier_id, BoxKey(key))


@frozen(repr=False)
class QueueAccess(Redacted):
    """The least that an owner needs; without ``delivery_key`` messages arrive sealed."""

    recipient_id: bytes
    key: AuthPrivateKey
    delivery_key: BoxKey | None = None

    def to_bytes(self) -> bytes:
        """All of it, for a file that others cannot read."""
        delivery_key = None if self.delivery_key is None else self.delivery_key.subkey
        return _QUEUE_ACCESS.pack(self.recipient_id, self.key.der, delivery_key)

    @staticmethod
    def from_bytes(data: bytes) -> QueueAccess:
        """What `to_bytes` has saved; raises `DecodeError`."""

        def read(fields: SavedFields) -> QueueAccess:
            return QueueAccess(
                recipient_id=fields.required(),
                key=auth_private_key(fields.required()),
                delivery_key=None if (key := fields.optional()) is None else BoxKey(key),
            )

        return _QUEUE_ACCESS.unpack(data, read)


@frozen(repr=False)
class MessageReceived(Redacted):
    """A message, opened.  It comes again until it is acknowledged, and no other comes before."""

    recipient_id: bytes
    message_id: bytes
    timestamp: int
    flags: MessageFlags
    body: bytes


@frozen(repr=False)
class QuotaReached(Redacted):
    """In place of a message: the queue was full, and senders were refused from then on."""

    recipient_id: bytes
    message_id: bytes
    timestamp: int


@frozen(repr=False)
class SealedMessage(Redacted):
    """A message from a queue whose delivery key is not known here; `opened` takes the key."""

    recipient_id: bytes
    message_id: bytes
    sealed: bytes

    def opened(self, key: BoxKey) -> MessageReceived | QuotaReached:
        """The message; raises `DecryptionFailed` or `DecodeError` if the key is another queue's."""
        found = open_delivered(key, self.message_id, self.sealed)
        return delivered(self.recipient_id, self.message_id, found)


ClientEvent = MessageReceived | QuotaReached | SealedMessage | EngineEvent
"""Everything that `SMPClient.events` can bring."""


@frozen
class ServiceSubscription:
    """How many queues a service is subscribed to, and the hash of their ids.

    The router's figures.  ``as_expected`` says whether they are the ones that were asked for; if
    they are not, service and router know different queues as associated.
    """

    count: int
    ids_hash: bytes
    as_expected: bool


def delivered(
    recipient_id: bytes, message_id: bytes, found: Delivered
) -> MessageReceived | QuotaReached:
    """What an opened body is to the reader of events."""
    if isinstance(found, QuotaNotice):
        return QuotaReached(recipient_id, message_id, found.timestamp)
    return MessageReceived(recipient_id, message_id, found.timestamp, found.flags, found.body)
