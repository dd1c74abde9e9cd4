"""Commands of senders: SEND, SKEY, and LKEY and LGET through a link. Pure."""

from __future__ import annotations

from attrs import evolve

from simplex_trio.crypto.box import NONCE_SIZE, BoxKey
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.decisions import (
    Decision,
    Effect,
    Outcome,
    PublishMessage,
    ReadLink,
    SendNotification,
    SendPending,
)
from simplex_trio.router.core.model import Queue
from simplex_trio.router.core.requests import Context
from simplex_trio.router.core.shortage import STORE_REFUSED
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.store.records import MessageHead, NotificationRecord, NotifierRecord
from simplex_trio.wire.errors.values import Blocked, Code
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.smp.bodies import NotificationMeta
from simplex_trio.wire.smp.commands import LKEY, SEND, SKEY, Command
from simplex_trio.wire.smp.messages import ERR, OK
from simplex_trio.wire.smp.sizes import max_message_length

__all__ = ["get_link", "secure_as_sender", "secure_through_link", "send"]

_OK = OK()
_OVER_QUOTA = ERR(Code.QUOTA)


# --- SEND ---------------------------------------------------------------------------------------


def send(
    state: RouterState, context: Context, received: ReceivedCommand[Command], queue: Queue
) -> Outcome:
    """SEND: the message is kept until the recipient acknowledges it, if there is room."""
    command, counters = received.command, state.counters
    assert isinstance(command, SEND)
    if len(command.body) > max_message_length(context.version):
        counters.add(Count.SENDS_TOO_LARGE)
        return ERR(Code.LARGE_MSG)
    status = queue.record.status
    if isinstance(status, Blocked):
        return ERR(status)
    if status is not None:
        counters.add(Count.SENDS_UNAUTHORIZED)
        return ERR(Code.AUTH)
    state.expire_messages(context.transaction, queue, context.now)
    if queue.record.link is not None and queue.is_secured_for_messaging:
        # The invitation has been taken up, so its link has no further use.
        record = evolve(queue.record, link=None)
        state.queues.replace(context.transaction, queue, record)
    if state.shortage.refuses(context.instant):
        return STORE_REFUSED
    if queue.is_closed:
        counters.add(Count.SENDS_OVER_QUOTA)
        return _OVER_QUOTA
    if len(queue.messages) >= state.policy.quota:
        return _close(state, context, queue)
    return _accept(state, context, queue, command)


def _close(state: RouterState, context: Context, queue: Queue) -> Decision:
    """Put the quota notice where the refused message would be."""
    head = MessageHead(state.new_sequence(), state.new_id(), context.now, is_quota_notice=True)
    state.queues.add_message(context.transaction, queue, head, b"")
    return Decision(_OVER_QUOTA, (PublishMessage(queue, head, b""),), needs_store=True)


def _accept(state: RouterState, context: Context, queue: Queue, command: SEND) -> Decision:
    notified, body = command.flags.notification, command.body
    head = MessageHead(state.new_sequence(), state.new_id(), context.now, notification=notified)
    state.queues.add_message(context.transaction, queue, head, body)
    effects: tuple[Effect, ...] = (PublishMessage(queue, head, body),)
    notifier = queue.record.notifier if notified else None
    if notifier is not None:
        effects = (*effects, _notify(state, context, notifier, head))
    return Decision(_OK, effects, needs_store=True)


def _notify(
    state: RouterState, context: Context, notifier: NotifierRecord, head: MessageHead
) -> Effect:
    """Notify of a message when it is stored.

    If the notifier cannot be reached now, the notification is stored together with the message.
    """
    nonce = state.random(NONCE_SIZE)
    meta = NotificationMeta(head.message_id, head.received_at)
    sealed = meta.seal(BoxKey(notifier.dh_secret), nonce)
    notifier_id = notifier.notifier_id
    record = NotificationRecord(state.new_sequence(), notifier_id, head.received_at, nonce, sealed)
    if state.reachable_notifier(notifier_id) is not None:
        return SendNotification(record)
    state.notifications.add(context.transaction, record)
    return SendPending(notifier_id)


# --- SKEY, LKEY and LGET ------------------------------------------------------------------------


def secure_as_sender(
    state: RouterState, context: Context, received: ReceivedCommand[Command], queue: Queue
) -> Outcome:
    """SKEY: only for messaging queues, which authorization has checked."""
    command = received.command
    assert isinstance(command, SKEY)
    state.secure(context.transaction, queue, command.sender_key)
    return Decision(_OK, needs_store=True)


def secure_through_link(
    state: RouterState, context: Context, received: ReceivedCommand[Command], queue: Queue
) -> Outcome:
    """LKEY: as SKEY, and the data of the link is the answer."""
    command = received.command
    assert isinstance(command, LKEY)
    state.secure(context.transaction, queue, command.sender_key)
    return Decision(ReadLink(queue, received.transmission.entity_id), needs_store=True)


def get_link(
    _state: RouterState, _context: Context, received: ReceivedCommand[Command], queue: Queue
) -> Outcome:
    """LGET: only for contact queues, which authorization has checked."""
    return Decision(ReadLink(queue, received.transmission.entity_id))
