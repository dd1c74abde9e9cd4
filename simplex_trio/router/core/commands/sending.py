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
from simplex_trio.router.core.requests import Request
from simplex_trio.router.core.shortage import STORE_REFUSED
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.store.records import MessageHead, NotificationRecord, NotifierRecord
from simplex_trio.wire.errors.values import Blocked, Code
from simplex_trio.wire.smp.bodies import NotificationMeta
from simplex_trio.wire.smp.commands import LKEY, SEND, SKEY
from simplex_trio.wire.smp.messages import ERR, OK
from simplex_trio.wire.smp.sizes import max_message_length

__all__ = ["get_link", "secure_as_sender", "secure_through_link", "send"]

_OK = OK()
_OVER_QUOTA = ERR(Code.QUOTA)


# --- SEND ---------------------------------------------------------------------------------------


def send(state: RouterState, request: Request, queue: Queue) -> Outcome:
    """SEND: the message is kept until the recipient acknowledges it, if there is room."""
    command, counters = request.command, state.counters
    assert isinstance(command, SEND)
    if len(command.body) > max_message_length(request.version):
        counters.add(Count.SENDS_TOO_LARGE)
        return ERR(Code.LARGE_MSG)
    status = queue.record.status
    if isinstance(status, Blocked):
        return ERR(status)
    if status is not None:
        counters.add(Count.SENDS_UNAUTHORIZED)
        return ERR(Code.AUTH)
    state.expire_messages(request.transaction, queue, request.now)
    if queue.record.link is not None and queue.is_secured_for_messaging:
        # The invitation has been taken up, so its link has no further use.
        record = evolve(queue.record, link=None)
        state.queues.replace(request.transaction, queue, record)
    if state.shortage.refuses(request.instant):
        return STORE_REFUSED
    if queue.is_closed:
        counters.add(Count.SENDS_OVER_QUOTA)
        return _OVER_QUOTA
    if len(queue.messages) >= state.policy.quota:
        return _close(state, request, queue)
    return _accept(state, request, queue, command)


def _close(state: RouterState, request: Request, queue: Queue) -> Decision:
    """Put the quota notice where the refused message would be."""
    head = MessageHead(state.new_sequence(), state.new_id(), request.now, is_quota_notice=True)
    state.queues.add_message(request.transaction, queue, head, b"")
    return Decision(_OVER_QUOTA, (PublishMessage(queue, head, b""),), needs_store=True)


def _accept(state: RouterState, request: Request, queue: Queue, command: SEND) -> Decision:
    notified, body = command.flags.notification, command.body
    head = MessageHead(state.new_sequence(), state.new_id(), request.now, notification=notified)
    state.queues.add_message(request.transaction, queue, head, body)
    effects: tuple[Effect, ...] = (PublishMessage(queue, head, body),)
    notifier = queue.record.notifier if notified else None
    if notifier is not None:
        effects = (*effects, _notify(state, request, notifier, head))
    return Decision(_OK, effects, needs_store=True)


def _notify(
    state: RouterState, request: Request, notifier: NotifierRecord, head: MessageHead
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
    state.notifications.add(request.transaction, record)
    return SendPending(notifier_id)


# --- SKEY, LKEY and LGET ------------------------------------------------------------------------


def secure_as_sender(state: RouterState, request: Request, queue: Queue) -> Outcome:
    """SKEY: only for messaging queues, which authorization has checked."""
    command = request.command
    assert isinstance(command, SKEY)
    state.secure(request.transaction, queue, command.sender_key)
    return Decision(_OK, needs_store=True)


def secure_through_link(state: RouterState, request: Request, queue: Queue) -> Outcome:
    """LKEY: as SKEY, and the data of the link is the answer."""
    command = request.command
    assert isinstance(command, LKEY)
    state.secure(request.transaction, queue, command.sender_key)
    return Decision(ReadLink(queue, request.entity_id), needs_store=True)


def get_link(_state: RouterState, request: Request, queue: Queue) -> Outcome:
    """LGET: only for contact queues, which authorization has checked."""
    return Decision(ReadLink(queue, request.entity_id))
