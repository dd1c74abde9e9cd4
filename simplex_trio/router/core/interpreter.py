"""The interpreter: the one place where decisions, which are values, are carried out. Pure.

A command takes this way:

1. **Decide.**  `decide` checks the command, changes queues and services in memory at once, since
   the next decision already builds on that, and notes in a `Transaction` each `Change` for the
   store, with an `Undo`.  It returns a `Decision`: an answer and effects.
2. **Commit.**  The store writes the changes of many decisions together, in the order in which they
   were decided.
3. **Effects.**  `complete` applies the effects of each decision, in the order of the decisions.  An
   *effect* is a small frozen value that says one thing to be done now that the changes are durable:
   deliver a message, tell another connection that its subscription has ended, count something.  It
   holds what it is about, and no code.
4. **Answer.**  Last in each decision comes its answer: a message, or an effect that gives the reply
   (`AnswerEffect`), since what to answer may depend on what has happened until then: a queue may be
   gone, a message may have arrived.  Subscriptions change in this step, and never before: another
   connection must not lose a subscription to one that the store has refused.

A decision without changes takes the same way, behind the decisions before it.  Effects may have
changes of their own, such as the deletion of a notification that was sent: they leave them in
`RouterState.follow_ups`, to be submitted before anything else is decided.

**A commit that fails** is undone in memory, the latest change first, together with all decisions
after it that were not committed yet, because they may build on it.  Then each of these decisions is
completed, in order.  One that ``needs_store`` has no effects, and an error in place of its answer;
one that does not stand for anything stored is completed as usual.

**Cancellation** reaches no decision.  Once decided it is committed and completed, even if its
connection has ended meanwhile; then its effects happen, and only the answer is dropped.
"""

from __future__ import annotations

from typing import assert_never

from simplex_trio.router.core import delivery, notification_delivery
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.decisions import (
    AnswerEffect,
    CatchUp,
    DeliverNext,
    DescribeQueue,
    Effect,
    EndNotifierSubscription,
    EndQueueSubscriptions,
    EndShortage,
    FinishAcknowledgement,
    GetMessage,
    Increment,
    PublishMessage,
    ReadLink,
    SendNotification,
    SendPending,
    Subscribe,
    SubscribeCreator,
    SubscribeNotifier,
    SubscribeNotifierService,
    SubscribeService,
    TellBlocked,
    Work,
)
from simplex_trio.router.core.envelope import Envelope
from simplex_trio.router.core.queue_info import queue_info
from simplex_trio.router.core.replies import (
    DeferredForwarded,
    DeferredLink,
    Payload,
    Replies,
    Reply,
)
from simplex_trio.router.core.shortage import STORE_REFUSED
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.core.subscriptions import Subscriber
from simplex_trio.router.core.transaction import (
    ReleaseAcknowledgement,
    RemoveQueue,
    RemoveService,
    RestoreMessages,
    RestoreNotifications,
    RestoreQueue,
    RestoreRecord,
    RestoreService,
    Transaction,
    Undo,
    WithdrawMessage,
    WithdrawNotification,
)
from simplex_trio.router.store.records import NotifierRecord
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.smp.messages import ERR, INFO, Message

__all__ = ["apply", "complete", "undo"]


def complete(state: RouterState, work: Work, *, stored: bool) -> Replies:
    """Apply work once its changes are ``stored``, or undone, and answer each decision."""
    replies = Replies()
    for decision in work.decisions:
        answer: Payload
        if decision.needs_store and not stored:
            answer = STORE_REFUSED
        else:
            for effect in decision.effects:
                apply(state, effect)
            if isinstance(decision.answer, Message):
                answer = decision.answer
            else:
                reply = _answer(state, decision.answer)
                answer = reply.answer
                replies.following.extend(reply.following)
        if decision.envelope is not None:
            answer = _enveloped(decision.envelope, answer)
        replies.answers.append(answer)
    if stored:
        for effect in work.effects:
            apply(state, effect)
    return replies


def _enveloped(envelope: Envelope, answer: Payload) -> Payload:
    if isinstance(answer, Message):
        return envelope.seal(answer)
    return DeferredForwarded(answer, envelope)


def undo(state: RouterState, transaction: Transaction) -> None:
    """Take back in memory what a transaction notes, the latest first; nothing is left to store."""
    while transaction.undo:
        _undo(state, transaction.undo.pop())
    transaction.changes.clear()


def _undo(state: RouterState, step: Undo) -> None:
    match step:
        case RemoveQueue(queue):
            state.queues.remove(queue)
        case RestoreRecord(queue, record):
            state.queues.exchange(queue, record)
        case RestoreQueue(queue):
            state.queues.insert(queue)
        case WithdrawMessage(queue):
            state.queues.withdraw_message(queue)
        case RestoreMessages(queue, messages):
            state.queues.restore_messages(queue, messages)
        case RemoveService(record):
            state.services.remove(record)
        case RestoreService(record):
            state.services.put(record)
        case WithdrawNotification(record):
            state.notifications.remove((record,))
        case RestoreNotifications(records):
            state.notifications.restore(records)
        case ReleaseAcknowledgement(subscription):
            subscription.acknowledging = False
        case _:
            assert_never(step)


# --- effects ------------------------------------------------------------------------------------


def apply(state: RouterState, effect: Effect) -> None:
    """Apply one effect, now."""
    match effect:  # cases are tried in order, so the most frequent ones come first
        case PublishMessage():
            _publish(state, effect)
        case EndShortage():
            state.shortage.end()
        case Increment():
            state.counters.add(effect.count)
        case FinishAcknowledgement():
            _finish_acknowledgement(state, effect)
        case SendNotification():
            notification_delivery.send_notification(state, effect.record)
        case SendPending():
            notification_delivery.send_pending(state, effect.notifier_id)
        case CatchUp():
            notification_delivery.catch_up(state, effect.subscriber)
        case SubscribeCreator():
            if effect.queue.exists:
                recipient_id = effect.queue.record.recipient_id
                state.tell(state.recipients.subscribe_new(effect.subscriber, recipient_id))
        case EndQueueSubscriptions():
            _end_queue_subscriptions(state, effect)
        case EndNotifierSubscription():
            _end_notifier_subscription(state, effect.notifier, None)
        case TellBlocked():
            delivery.tell_blocked(state, effect.queue)
        case _:
            assert_never(effect)


def _publish(state: RouterState, effect: PublishMessage) -> None:
    queue, head = effect.queue, effect.head
    state.shortage.end()
    state.queues.message_stored(queue)
    if head.is_quota_notice:
        state.counters.add(Count.SENDS_OVER_QUOTA)
    else:
        state.counters.add(Count.MESSAGES_SENT)
        state.recent_bodies.put(head.sequence, effect.body)
    delivery.deliver_waiting(state, queue)


def _finish_acknowledgement(state: RouterState, effect: FinishAcknowledgement) -> None:
    effect.subscription.acknowledging = False
    deleted = effect.deleted
    if deleted is not None:
        state.recent_bodies.forget((deleted,))
        if not deleted.is_quota_notice:
            state.counters.add(Count.MESSAGES_RECEIVED)


def _end_queue_subscriptions(state: RouterState, effect: EndQueueSubscriptions) -> None:
    record = effect.queue.record
    state.recent_bodies.forget(effect.queue.messages)
    state.tell(state.recipients.delete(effect.recipient, record.recipient_id, record.service_id))
    if record.notifier is not None:
        _end_notifier_subscription(state, record.notifier, effect.notifier)


def _end_notifier_subscription(
    state: RouterState, record: NotifierRecord, requester: Subscriber | None
) -> None:
    state.tell(state.notifiers.delete(requester, record.notifier_id, record.service_id))
    state.counters.add(Count.NOTIFIERS_DELETED)


# --- answers ------------------------------------------------------------------------------------


def _answer(state: RouterState, effect: AnswerEffect) -> Reply:
    match effect:
        case DeliverNext():
            return delivery.deliver_next(effect)
        case Subscribe():
            return delivery.subscribe(state, effect)
        case GetMessage():
            return delivery.get_message(state, effect)
        case ReadLink():
            return _read_link(effect)
        case SubscribeNotifier():
            return notification_delivery.subscribe_notifier(state, effect)
        case SubscribeService():
            return delivery.subscribe_service(state, effect)
        case SubscribeNotifierService():
            return notification_delivery.subscribe_notifier_service(state, effect)
        case DescribeQueue():
            subscription = effect.subscriber.subscribed.get(effect.queue.record.recipient_id)
            return Reply(INFO(queue_info(effect.queue, subscription)))
        case _:
            assert_never(effect)


def _read_link(effect: ReadLink) -> Reply:
    queue = effect.queue
    link = queue.record.link
    if not queue.exists or link is None or link.link_id != effect.link_id:
        return Reply(ERR(Code.AUTH))
    return Reply(DeferredLink(queue, effect.link_id))
