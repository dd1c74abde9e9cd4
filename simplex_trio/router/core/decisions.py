"""What the router makes of a command, as values: `Decision`, its answer and its effects. Pure.

`interpreter` says what an effect is and when it is applied.  Each of the values here names one of
the things that can happen then, and with which queue, subscription or connection.
"""

from __future__ import annotations

from attrs import Factory, define

from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.envelope import Envelope
from simplex_trio.router.core.model import Queue, Subscription
from simplex_trio.router.core.subscriptions import Subscriber
from simplex_trio.router.core.transaction import Transaction
from simplex_trio.router.store.records import MessageHead, NotificationRecord, NotifierRecord
from simplex_trio.wire.errors.values import RouterErrorValue
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.smp.commands import NSUBS, SUBS, Command
from simplex_trio.wire.smp.messages import Message

__all__ = [
    "AnswerEffect",
    "CatchUp",
    "Decision",
    "DeliverNext",
    "DescribeQueue",
    "Effect",
    "EndNotifierSubscription",
    "EndQueueSubscriptions",
    "EndShortage",
    "FinishAcknowledgement",
    "GetMessage",
    "Increment",
    "Outcome",
    "PublishMessage",
    "ReadLink",
    "Refusal",
    "RemoteCommand",
    "SendNotification",
    "SendPending",
    "Subscribe",
    "SubscribeCreator",
    "SubscribeNotifier",
    "SubscribeNotifierService",
    "SubscribeService",
    "TellBlocked",
    "Work",
]


# --- effects ------------------------------------------------------------------------------------


@frozen
class Increment:
    """Count something."""

    count: Count


@frozen
class EndShortage:
    """Something that takes room has been stored, so commands that take room are accepted again."""


@frozen(repr=False, eq=False)
class PublishMessage(Redacted):
    """The oldest of a queue's unstored messages is in the store: deliver it if it is awaited.

    Its body is remembered, since it will most likely be read at once.  The message is counted, and
    ends a shortage as `EndShortage` does.
    """

    queue: Queue
    head: MessageHead
    body: bytes


@frozen(repr=False, eq=False)
class SendNotification(Redacted):
    """Send a notification that is not stored; if that is no longer possible, store it."""

    record: NotificationRecord


@frozen(repr=False, eq=False)
class SendPending(Redacted):
    """Send the notifications that are stored for a notifier, if it can take them now."""

    notifier_id: bytes


@frozen(repr=False, eq=False)
class CatchUp(Redacted):
    """Send what was kept back from a connection that read its notifications too slowly."""

    subscriber: Subscriber


@frozen(repr=False, eq=False)
class SubscribeCreator(Redacted):
    """Subscribe the connection that has created a queue, if that still exists."""

    subscriber: Subscriber
    queue: Queue


@frozen(repr=False, eq=False)
class EndQueueSubscriptions(Redacted):
    """A queue is gone: tell its subscriber and that of its notifier.

    The connection that has deleted it, as ``recipient`` and ``notifier``, is not told.
    """

    queue: Queue
    recipient: Subscriber | None = None
    notifier: Subscriber | None = None


@frozen(repr=False, eq=False)
class EndNotifierSubscription(Redacted):
    """A queue has lost its notifier: tell the notifier's subscriber."""

    notifier: NotifierRecord


@frozen(repr=False, eq=False)
class FinishAcknowledgement(Redacted):
    """An acknowledgement is complete; the message that it has ``deleted`` is gone."""

    subscription: Subscription
    deleted: MessageHead | None = None


@frozen(repr=False, eq=False)
class TellBlocked(Redacted):
    """The operator has blocked a queue: tell its subscriber why."""

    queue: Queue


Effect = (
    Increment
    | EndShortage
    | PublishMessage
    | SendNotification
    | SendPending
    | CatchUp
    | SubscribeCreator
    | EndQueueSubscriptions
    | EndNotifierSubscription
    | FinishAcknowledgement
    | TellBlocked
)
"""What happens, beside the answer, once a decision is stored."""


# --- effects that give the answer ---------------------------------------------------------------


@frozen(repr=False, eq=False)
class Subscribe(Redacted):
    """SUB: SOK, followed by the first message; or why there is no subscription.

    ``service_before`` is the service that the queue was associated with.
    """

    subscriber: Subscriber
    queue: Queue
    service_before: bytes | None


@frozen(repr=False, eq=False)
class SubscribeService(Redacted):
    """SUBS: SOKS, followed by the first message of each queue the first time.

    ``command`` says which queues the service expects, and ``has_end_marker`` whether ALLS follows
    the messages.
    """

    subscriber: Subscriber
    service_id: bytes
    command: SUBS
    has_end_marker: bool


@frozen(repr=False, eq=False)
class GetMessage(Redacted):
    """GET: the first message, or OK if there is none."""

    subscriber: Subscriber
    queue: Queue


@frozen(repr=False, eq=False)
class DeliverNext(Redacted):
    """ACK: the next message if the subscription still stands, or OK."""

    subscriber: Subscriber
    queue: Queue
    subscription: Subscription


@frozen(repr=False, eq=False)
class DescribeQueue(Redacted):
    """QUE: INFO about the queue, and about the subscription of this connection."""

    subscriber: Subscriber
    queue: Queue


@frozen(repr=False, eq=False)
class ReadLink(Redacted):
    """LKEY and LGET: LNK, if the queue still has the link."""

    queue: Queue
    link_id: bytes


@frozen(repr=False, eq=False)
class SubscribeNotifier(Redacted):
    """NSUB: SOK, followed by the pending notifications."""

    subscriber: Subscriber
    notifier_id: bytes
    service_before: bytes | None


@frozen(repr=False, eq=False)
class SubscribeNotifierService(Redacted):
    """NSUBS: SOKS, followed by pending notifications the first time."""

    subscriber: Subscriber
    service_id: bytes
    command: NSUBS


AnswerEffect = (
    Subscribe
    | SubscribeService
    | GetMessage
    | DeliverNext
    | DescribeQueue
    | ReadLink
    | SubscribeNotifier
    | SubscribeNotifierService
)
"""An effect that gives the answer: what that is depends on what has happened until then."""


# --- decisions ----------------------------------------------------------------------------------


@frozen(repr=False, eq=False)
class Decision(Redacted):
    """What was decided about a command.

    ``needs_store`` says that answer and effects stand for something stored.  If the store refuses
    that, there are no effects, and an error takes the place of the answer.  A decision without it
    is completed in any case.
    """

    answer: Message | AnswerEffect
    effects: tuple[Effect, ...] = ()
    needs_store: bool = False
    envelope: Envelope | None = None
    """What the answer goes back in, if the command came through a proxy."""


@frozen(repr=False, eq=False)
class RemoteCommand(Redacted):
    """A command that waits on another server: PRXY, PFWD, or RSLV.

    It is answered as soon as that is done, whatever becomes of the commands around it.
    """

    received: ReceivedCommand[Command]
    envelope: Envelope | None = None


@frozen(repr=False)
class Refusal(Redacted):
    """A command that was refused before it was decided, since it is not authorized."""

    error: RouterErrorValue


Outcome = Message | Decision | RemoteCommand
"""What a handler makes of a command; a message is an answer that has no effects."""


@define(eq=False)
class Work:
    """Decisions made one after the other, and their changes, which are stored together.

    ``effects`` are for changes that no command has asked for: they follow if these are stored.
    """

    transaction: Transaction = Factory(Transaction)
    decisions: list[Decision] = Factory(list)
    effects: tuple[Effect, ...] = ()
