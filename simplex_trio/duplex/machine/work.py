"""`work_of`: what has to be done on the network, read off the state of a connection.

Work is not stored.  It follows from what is: a queue that is planned has to be created, one that is
new has to be secured, a message that was processed has to be acknowledged.  So it survives a crash
without being noted, and is gone as soon as its outcome is stored.  Doing it again is harmless.

Each work has a *lane*, and is the only one in it.  Lanes do not wait for each other; what has to
happen first is in the state.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias, final

from attrs import frozen

from simplex_trio.duplex.machine.connection import (
    Acknowledgement,
    Deletion,
    ReceivingQueue,
    ReceivingStatus,
    SendingQueue,
    SendingStatus,
    Suspension,
)
from simplex_trio.duplex.machine.messages import Delivery
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.redaction import Redacted

__all__ = [
    "AcknowledgeMessage",
    "CreateQueue",
    "DeleteQueue",
    "Deliver",
    "Lane",
    "ReadLink",
    "SecureAsReceiver",
    "SecureAsSender",
    "SendRequest",
    "SuspendQueue",
    "UpdateLink",
    "Work",
    "work_of",
]


class Lane(NamedTuple):
    """What tells that two works are about the same thing."""

    connection_id: str
    kind: str
    queue: int = 0


@frozen(repr=False)
class _Work(Redacted):
    connection_id: str
    queue: int

    @property
    def lane(self) -> Lane:
        return Lane(self.connection_id, type(self).__name__, self.queue)


@final
class CreateQueue(_Work):
    """NEW, on a router that is still to be chosen."""


@final
class ReadLink(_Work):
    """LKEY or LGET, for the data of a short link."""


@final
class SecureAsSender(_Work):
    """SKEY."""


@final
class SecureAsReceiver(_Work):
    """KEY."""


@final
class SendRequest(_Work):
    """SEND to a contact address."""


@final
class AcknowledgeMessage(_Work):
    """ACK."""


@final
class UpdateLink(_Work):
    """LSET or LDEL."""


@final
class SuspendQueue(_Work):
    """OFF."""


@final
class DeleteQueue(_Work):
    """DEL."""


@final
class Deliver(_Work):
    """SEND to the peer's queue."""


Work: TypeAlias = (
    CreateQueue
    | ReadLink
    | SecureAsSender
    | SecureAsReceiver
    | SendRequest
    | AcknowledgeMessage
    | UpdateLink
    | SuspendQueue
    | DeleteQueue
    | Deliver
)


def work_of(step: Step, c: OpenConnection) -> list[Work]:
    """Everything that has to be done for a connection, as it is now."""
    if c.is_removed:
        return []
    row = c.row
    found: list[Work] = []
    if row.link is not None:
        found.append(ReadLink(row.connection_id, 0))
    if row.request is not None:
        found.append(SendRequest(row.connection_id, 0))
    for queue in c.receiving.values():
        found += _receiving_work(c, queue)
    if row.deletion is not Deletion.NOW:
        for sending in c.sending.values():
            found += _sending_work(step, sending)
    return found


def _receiving_work(c: OpenConnection, queue: ReceivingQueue) -> list[Work]:
    where = (queue.connection_id, queue.number)
    if queue.is_deleted:
        return [DeleteQueue(*where)]
    if queue.status is ReceivingStatus.PLANNED:
        return [CreateQueue(*where)]
    found: list[Work] = []
    if queue.acknowledgement is Acknowledgement.DUE:
        found.append(AcknowledgeMessage(*where))
    # The initiator secures its queue once the program has accepted the peer.
    if queue.sender_key is not None and c.sending:
        found.append(SecureAsReceiver(*where))
    if queue.link_due:
        found.append(UpdateLink(*where))
    if queue.suspension is Suspension.DUE:
        found.append(SuspendQueue(*where))
    return found


def _sending_work(step: Step, queue: SendingQueue) -> list[Work]:
    where = (queue.connection_id, queue.number)
    if queue.status is SendingStatus.NEW and queue.is_sender_secured:
        return [SecureAsSender(*where)]
    waiting = step.rows.find(
        Delivery, limit=1, connection_id=queue.connection_id, queue=queue.number
    )
    return [Deliver(*where)] if waiting else []
