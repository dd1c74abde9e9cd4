"""`Queue` and `Subscription`: the two objects that commands are about. Pure.

They are mutable, and shared: the tables of queues and of subscriptions find them, and effects and
deliveries refer to them.
"""

from __future__ import annotations

import hmac
from typing import Final

from attrs import Factory, define

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import AuthPublicKey
from simplex_trio.router.store.records import MessageHead, QueueRecord
from simplex_trio.wire.queue_mode import QueueMode

__all__ = ["MAX_OWNERS", "Queue", "Subscription", "same_key"]

MAX_OWNERS: Final = 8
"""Keys of recipients that a queue may have.  The reference's plan for groups with several owners
(its RFC 2025-04-04, "Short links for groups") limits them to 8, one who made the group and seven
more; its clients use one, and its tests two.  RKEY with more is refused.  A queue in the store that
has more, from before there was a limit, keeps them, and only the first 8 authorize anything."""


@define(eq=False)
class Queue:
    """A queue: its record, which is replaced and never changed, and the heads of its messages.

    The last ``unstored`` messages are not in the store yet, and must not be delivered before they
    are.
    """

    record: QueueRecord
    messages: list[MessageHead] = Factory(list)
    unstored: int = 0
    exists: bool = True

    @property
    def first(self) -> MessageHead | None:
        """The message to deliver next, if there is one that can be."""
        return self.messages[0] if len(self.messages) > self.unstored else None

    @property
    def is_closed(self) -> bool:
        """Whether a sender has met the full queue and not all messages have been taken since."""
        return bool(self.messages) and self.messages[-1].is_quota_notice

    @property
    def is_for_contact(self) -> bool:
        """Whether anyone may find the queue through its link.

        Queues from before there were modes are for contact as long as no sender has secured them.
        """
        record = self.record
        if record.mode is None:
            return record.sender_key is None
        return record.mode is QueueMode.CONTACT

    @property
    def is_secured_for_messaging(self) -> bool:
        """Whether the queue has its one sender, so that its link has done what it was for."""
        return self.record.mode is not QueueMode.CONTACT and self.record.sender_key is not None

    @property
    def box_key(self) -> BoxKey:
        """The key that seals deliveries."""
        return BoxKey(self.record.dh_secret)


@define(eq=False)
class Subscription:
    """One queue on one connection.

    ``delivered`` is the id of the message that waits to be acknowledged, and ``acknowledging`` says
    that its acknowledgement is on its way to the store.
    """

    by_get: bool = False
    delivered: bytes | None = None
    acknowledging: bool = False

    @property
    def is_waiting(self) -> bool:
        """Whether the next message may be delivered as soon as it is there."""
        return self.delivered is None and not self.by_get


def same_key(key: AuthPublicKey, other: AuthPublicKey) -> bool:
    """Whether two keys are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(key.der, other.der)
