"""Queues as their owner knows them, and what arrives from them."""

from __future__ import annotations

from typing import Protocol

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import AuthPrivateKey
from simplex_trio.engine.events import EngineEvent
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
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
    ``sender_id`` can send to it.  Keep all of it: the router gives none of it twice.
    """

    recipient_id: bytes
    sender_id: bytes
    key: AuthPrivateKey
    delivery_key: BoxKey
    mode: QueueMode | None = None
    link_id: bytes | None = None
    service_id: bytes | None = None
    notifier: NotifierCredentials | None = None


@frozen(repr=False)
class QueueAccess(Redacted):
    """The least that an owner needs; without ``delivery_key`` messages arrive sealed."""

    recipient_id: bytes
    key: AuthPrivateKey
    delivery_key: BoxKey | None = None


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
