"""What owners do with queues, other than receiving: keys, links, notifiers and the end. Pure."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime

from attrs import evolve

from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.deletion import delete_notifier, delete_queue, notifier_gone
from simplex_trio.router.core.model import Queue, Subscription
from simplex_trio.router.core.replies import Reply
from simplex_trio.router.core.sending import secure_queue
from simplex_trio.router.core.shortage import STORE_REFUSED
from simplex_trio.router.core.state import Answered, Decision, Request, RouterState
from simplex_trio.router.core.verification import MAX_OWNERS, is_secured_for_messaging
from simplex_trio.router.store.records import LinkRecord, MessageHead, Suspended
from simplex_trio.wire.errors.values import Cmd, Code, CommandErrorKind
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.smp.commands import KEY, LSET, RKEY
from simplex_trio.wire.smp.messages import ERR, INFO, OK
from simplex_trio.wire.smp.queue_info import (
    MessageInfo,
    MessageKind,
    QueueInfo,
    QueueSubscription,
    SubscriptionState,
)

__all__ = [
    "delete",
    "delete_link",
    "describe",
    "remove_notifier",
    "replace_keys",
    "secure",
    "set_link",
    "suspend",
]

_STORED = Decision(lambda: Reply(OK()), needs_store=True)


def secure(state: RouterState, request: Request, queue: Queue) -> Answered:
    """KEY: from now on only the owner of the key may send."""
    command = request.command
    assert isinstance(command, KEY)
    return _STORED if secure_queue(state, request, queue, command.sender_key) else ERR(Code.AUTH)


def replace_keys(state: RouterState, request: Request, queue: Queue) -> Answered:
    """RKEY: other keys for the owners of a contact queue."""
    command = request.command
    assert isinstance(command, RKEY)
    if queue.record.mode is not QueueMode.CONTACT:
        return ERR(Code.AUTH)
    if len(command.recipient_keys) > MAX_OWNERS:
        return ERR(Cmd(CommandErrorKind.PROHIBITED))
    record = evolve(queue.record, recipient_keys=command.recipient_keys)
    state.queues.replace(request.transaction, queue, record)
    return _STORED


def set_link(state: RouterState, request: Request, queue: Queue) -> Answered:
    """LSET: a link, or other data for the part that may change; never another id or fixed part."""
    command = request.command
    assert isinstance(command, LSET)
    record = queue.record
    if is_secured_for_messaging(record):
        return ERR(Code.AUTH)
    if state.shortage.refuses(request.instant):
        return STORE_REFUSED
    link = record.link
    if link is not None:
        if link.link_id != command.link_id or not link.keeps_fixed_part(command.data):
            return ERR(Code.AUTH)
    elif state.queues.for_link(command.link_id) is not None:
        return ERR(Code.AUTH)
    else:
        link = LinkRecord.of(command.link_id, command.data)
    state.queues.replace(request.transaction, queue, evolve(record, link=link), command.data)

    def finish() -> Reply:
        state.shortage.end()
        return Reply(OK())

    return Decision(finish, needs_store=True)


def delete_link(state: RouterState, request: Request, queue: Queue) -> Answered:
    """LDEL: no more link, if there was one."""
    if queue.record.link is None:
        return _STORED
    state.queues.replace(request.transaction, queue, evolve(queue.record, link=None))
    return _STORED


def remove_notifier(state: RouterState, request: Request, queue: Queue) -> Answered:
    """NDEL: no more notifier, if there was one."""
    notifier = queue.record.notifier
    if notifier is None:
        return _STORED
    delete_notifier(state, request.transaction, queue)

    def finish() -> Reply:
        notifier_gone(state, notifier)
        return Reply(OK())

    return Decision(finish, needs_store=True)


def suspend(state: RouterState, request: Request, queue: Queue) -> Answered:
    """OFF: no more messages; what is there can still be received."""
    if isinstance(queue.record.status, Suspended):
        return _STORED
    record = evolve(queue.record, status=Suspended(request.now))
    state.queues.replace(request.transaction, queue, record)
    state.counters.add(Count.QUEUES_SUSPENDED)
    return _STORED


def delete(state: RouterState, request: Request, queue: Queue) -> Answered:
    """DEL: the queue with its messages."""
    end_subscriptions = delete_queue(state, request.transaction, queue, request.client)

    def finish() -> Reply:
        end_subscriptions()
        state.counters.add(Count.QUEUES_DELETED)
        return Reply(OK())

    return Decision(finish, needs_store=True)


# --- QUE ----------------------------------------------------------------------------------------


def describe(state: RouterState, request: Request, queue: Queue) -> Answered:
    """QUE: the queue as it is now, with the subscription of the connection that asks."""
    return Decision(lambda: Reply(INFO(_info(request, queue))))


def _info(request: Request, queue: Queue) -> QueueInfo:
    subscription = request.client.recipient.subscribed.get(request.entity_id)
    first = queue.first
    return QueueInfo(
        secured=queue.record.sender_key is not None,
        has_notifier=queue.record.notifier is not None,
        size=len(queue.messages) - queue.unstored,
        subscription=None if subscription is None else _subscription_info(subscription),
        first_message=None if first is None else _message_info(first),
    )


def _subscription_info(subscription: Subscription) -> QueueSubscription:
    state = SubscriptionState.PROHIBITED if subscription.by_get else SubscriptionState.NONE
    delivered = subscription.delivered
    return QueueSubscription(state, None if delivered is None else b64encode(delivered).decode())


def _message_info(head: MessageHead) -> MessageInfo:
    time = datetime.fromtimestamp(head.received_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    kind = MessageKind.QUOTA if head.is_quota_notice else MessageKind.MESSAGE
    return MessageInfo(b64encode(head.message_id).decode(), time, kind)
