"""`work_of`: what has to be done on the network, read off the state of a connection.

Work is not stored.  It follows from what is: a queue that is planned has to be created, one that is
new has to be secured, a message that was processed has to be acknowledged.  So it survives a crash
without being noted, and is gone as soon as its outcome is stored.  Doing it again is harmless.

Each work has a *lane*, and is the only one in it.  Lanes do not wait for each other; what has to
happen first is in the state.
"""

from __future__ import annotations

from typing import TypeAlias, final

from simplex_trio.duplex.machine.connection import (
    Acknowledgement,
    Deletion,
    ReceivingQueue,
    ReceivingStatus,
    SendingQueue,
    SendingStatus,
    Suspension,
)
from simplex_trio.duplex.machine.handshake import has_hello_to_say
from simplex_trio.duplex.machine.messages import Delivery, DeliveryKind
from simplex_trio.duplex.machine.ordering import is_early
from simplex_trio.duplex.machine.rotating import being_left
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = [
    "AcknowledgeMessage",
    "CreateQueue",
    "DeleteQueue",
    "Deliver",
    "DrainQueue",
    "Lane",
    "ReadLink",
    "SecureAsReceiver",
    "SecureAsSender",
    "SendRequest",
    "SuspendQueue",
    "UpdateLink",
    "WaitForOther",
    "Work",
    "is_about",
    "work_of",
]


@final
@frozen(repr=False, cache_hash=True)
class Lane(Redacted):
    """What tells that two works are about the same thing."""

    connection_id: str
    kind: str
    queue: int = 0


@frozen(repr=False, eq=False)
class _Work(Redacted):
    connection: OpenConnection
    """The connection as it was stored; not to be changed."""
    number: int
    """Of the queue that this is about; 0 for none."""

    @property
    def lane(self) -> Lane:
        return Lane(self.connection.connection_id, type(self).__name__, self.number)

    @property
    def receiving(self) -> ReceivingQueue:
        """The queue, if this is about one to receive from."""
        return self.connection.receiving[self.number]

    @property
    def sending(self) -> SendingQueue:
        """The queue, if this is about one to send to."""
        return self.connection.sending[self.number]


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
class DrainQueue(_Work):
    """QUE, to see whether a queue that the peer has left is empty."""


@final
class WaitForOther(_Work):
    """Nothing on the network: a message has come before its turn, which may not come."""


@final
class SuspendQueue(_Work):
    """OFF."""


@final
class DeleteQueue(_Work):
    """DEL."""


@final
@frozen(repr=False, eq=False)
class Deliver(_Work):
    """SEND to the peer's queue."""

    delivery: Delivery
    body: bytes
    """What the message shares with others, if anything."""


Work: TypeAlias = (
    CreateQueue
    | ReadLink
    | SecureAsSender
    | SecureAsReceiver
    | SendRequest
    | AcknowledgeMessage
    | UpdateLink
    | DrainQueue
    | WaitForOther
    | SuspendQueue
    | DeleteQueue
    | Deliver
)


def is_about(work: Work, c: OpenConnection) -> bool:
    """Whether a connection still has the queue that a work was about, and not another in its place.

    The number of a new queue that was given up may be that of the next one.
    """
    if not work.number:
        return True
    queues = c.sending if isinstance(work, SecureAsSender | Deliver) else c.receiving
    queue = queues.get(work.number)
    if queue is None:
        return False
    known = work.sending if isinstance(work, SecureAsSender | Deliver) else work.receiving
    return queue is known or queue.auth_key == known.auth_key


def work_of(step: Step, c: OpenConnection) -> list[Work]:
    """Everything that has to be done for a connection, as it is now."""
    if c.is_removed:
        return []
    found: list[Work] = []
    if c.row.link is not None:
        found.append(ReadLink(c, 0))
    if c.row.request is not None:
        found.append(SendRequest(c, 0))
    for queue in c.receiving.values():
        found += _receiving_work(c, queue)
    if c.row.deletion is not Deletion.NOW:
        for sending in c.sending.values():
            found += _sending_work(step, c, sending)
    return found


def _receiving_work(c: OpenConnection, queue: ReceivingQueue) -> list[Work]:
    number = queue.number
    if queue.is_deleted:
        return [DeleteQueue(c, number)]
    if queue.status is ReceivingStatus.PLANNED:
        return [CreateQueue(c, number)]
    found: list[Work] = []
    if queue.acknowledgement is Acknowledgement.DUE:
        found.append(AcknowledgeMessage(c, number))
    # The initiator secures its queue once the program has accepted the peer.
    if queue.sender_key is not None and c.sending:
        found.append(SecureAsReceiver(c, number))
    if queue.link_due:
        found.append(UpdateLink(c, number))
    if queue.suspension is Suspension.DUE:
        found.append(SuspendQueue(c, number))
    if queue.acknowledgement is Acknowledgement.NONE and being_left(c, queue):
        found.append(DrainQueue(c, number))
    if is_early(queue):
        found.append(WaitForOther(c, number))
    return found


def _sending_work(step: Step, c: OpenConnection, queue: SendingQueue) -> list[Work]:
    if queue.is_held_back:
        return []
    if queue.status is SendingStatus.NEW and queue.is_sender_secured:
        return [SecureAsSender(c, queue.number)]
    waiting = step.rows.find(
        Delivery, limit=1, connection_id=c.connection_id, queue=queue.number, is_held=False
    )
    for delivery in waiting:
        if _is_too_early(step, c, queue, delivery):
            return []
        body = b"" if delivery.body is None else step.rows.body(delivery.body)
        return [Deliver(c, queue.number, delivery, body)]
    return []


def _is_too_early(step: Step, c: OpenConnection, queue: SendingQueue, delivery: Delivery) -> bool:
    """Whether the peer has still to secure its queue, which takes nothing signed before that.

    The peer says HELLO then, and this side answers it.
    """
    return (
        delivery.kind not in (DeliveryKind.CONFIRMATION, DeliveryKind.HELLO)
        and not queue.is_sender_secured
        and not c.row.ready
        and not c.row.is_joiner
        and queue.status is not SendingStatus.ACTIVE
        and not has_hello_to_say(step, c)
    )
