"""The records of a router: queues, the heads of messages, services and notifications.

These are the values that the router's pure logic works on and that a store keeps.  A router with
100,000 queues holds as many `QueueRecord`, so they are small, share what they can, and leave the
data of links and the bodies of messages in the store.

Times are whole seconds since 1970 in UTC, as on the wire.  What is not needed to the second is kept
as a day (days since 1970), because a router should know no more about its users than it needs.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Self

from simplex_trio.crypto.keys import AuthPublicKey
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.errors.values import Blocked
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.new_queue import QueueMode

__all__ = [
    "LinkRecord",
    "MessageHead",
    "NotificationRecord",
    "NotifierRecord",
    "QueueRecord",
    "ServiceRecord",
    "Suspended",
]


@frozen(repr=False)
class Suspended(Redacted):
    """The owner of a queue has suspended it; it accepts no more messages."""

    since: int


@frozen(repr=False)
class LinkRecord(Redacted):
    """The short link of a queue.

    Its data stays in the store.  The digest shows whether new data has the same fixed part, which
    may never change.
    """

    link_id: bytes
    fixed_digest: bytes

    @classmethod
    def of(cls, link_id: bytes, data: QueueLinkData) -> Self:
        """The record of a link with this data."""
        return cls(link_id, sha256(data.fixed).digest())

    def keeps_fixed_part(self, data: QueueLinkData) -> bool:
        """Whether ``data`` has the same fixed part as the data of this link."""
        return hmac.compare_digest(self.fixed_digest, sha256(data.fixed).digest())


@frozen(repr=False)
class NotifierRecord(Redacted):
    """The notifier of a queue, and the key that seals its notifications.

    ``dh_secret`` is the `BoxKey.subkey` of the secret agreed with the recipient.
    """

    notifier_id: bytes
    key: AuthPublicKey
    dh_secret: bytes
    service_id: bytes | None = None


@frozen(repr=False)
class QueueRecord(Redacted):
    """A queue without its messages.

    ``dh_secret`` is the `BoxKey.subkey` of the secret agreed with the recipient, which seals
    deliveries.  A ``status`` of `None` is that of an ordinary, active queue.  ``mode`` is `None`
    for queues of clients that do not know modes.
    """

    recipient_id: bytes
    sender_id: bytes
    recipient_keys: tuple[AuthPublicKey, ...]
    dh_secret: bytes
    created_day: int
    updated_day: int
    mode: QueueMode | None = None
    sender_key: AuthPublicKey | None = None
    link: LinkRecord | None = None
    notifier: NotifierRecord | None = None
    status: Suspended | Blocked | None = None
    service_id: bytes | None = None


@frozen(repr=False)
class MessageHead(Redacted):
    """A message without its body, or the notice that a sender found the queue full.

    ``sequence`` numbers the messages in the order in which the router accepted them, over all
    queues.  It identifies the message in the store: no two messages have the same number at the
    same time.
    """

    sequence: int
    message_id: bytes
    received_at: int
    notification: bool = False
    is_quota_notice: bool = False


@frozen(repr=False)
class ServiceRecord(Redacted):
    """A service, identified by its certificate; it has one role.

    ``used_day`` is the last day on which it was seen to have queues, or was created.
    """

    service_id: bytes
    role: ServiceRole
    certificate_hash: bytes
    used_day: int


@frozen(repr=False)
class NotificationRecord(Redacted):
    """A sealed notification whose notifier was not connected.

    ``sequence`` counts as for messages, on its own or in one count with theirs.
    """

    sequence: int
    notifier_id: bytes
    received_at: int
    nonce: bytes
    sealed: bytes
