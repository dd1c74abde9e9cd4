"""`Queue` and `Subscription`: the two objects that commands are about. Pure.

They are mutable, and shared: the tables of queues and of subscriptions find them, and effects and
deliveries refer to them.
"""

from __future__ import annotations

from attrs import Factory, define

from simplex_trio.crypto.box import BoxKey
from simplex_trio.router.store.records import MessageHead, QueueRecord

__all__ = ["Queue", "Subscription"]


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
