"""What senders do: SEND, SKEY, and LKEY and LGET through a link. Pure."""

from __future__ import annotations

from attrs import evolve

from simplex_trio.crypto.box import NONCE_SIZE, BoxKey
from simplex_trio.crypto.keys import AuthPublicKey
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.delivery import deliver_waiting
from simplex_trio.router.core.notifying import notification_event, send_pending
from simplex_trio.router.core.queues import Queue
from simplex_trio.router.core.replies import LinkDue, Reply
from simplex_trio.router.core.state import Answered, Decision, Request, RouterState
from simplex_trio.router.core.verification import (
    is_contact_queue,
    is_secured_for_messaging,
    same_key,
)
from simplex_trio.router.store.records import MessageHead, NotificationRecord, NotifierRecord
from simplex_trio.wire.smp.bodies import NotificationMeta
from simplex_trio.wire.smp.commands import LKEY, SEND, SKEY
from simplex_trio.wire.smp.errors import Blocked, Code
from simplex_trio.wire.smp.messages import ERR, OK
from simplex_trio.wire.smp.queue_mode import QueueMode
from simplex_trio.wire.smp.sizes import max_message_length

__all__ = ["get_link", "secure", "secure_as_sender", "secure_through_link", "send"]


# --- SEND ---------------------------------------------------------------------------------------


def send(state: RouterState, request: Request, queue: Queue) -> Answered:
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
    if state.policy.message_ttl is not None:
        expire_messages(state, request, queue, request.now - state.policy.message_ttl)
    if queue.record.link is not None and is_secured_for_messaging(queue.record):
        # The invitation has been taken up, so nobody needs its link any more.
        record = evolve(queue.record, link=None)
        state.queues.replace(request.transaction, queue, record)
    if queue.is_closed:
        counters.add(Count.SENDS_OVER_QUOTA)
        return ERR(Code.QUOTA)
    if len(queue.messages) >= state.policy.quota:
        return _close(state, request, queue)
    return _accept(state, request, queue, command)


def _close(state: RouterState, request: Request, queue: Queue) -> Decision:
    """Put the quota notice where the refused message would be."""
    head = MessageHead(state.new_sequence(), state.new_id(), request.now, is_quota_notice=True)
    state.queues.add_message(request.transaction, queue, head, b"")

    def finish() -> Reply:
        state.queues.message_stored(queue)
        deliver_waiting(state, queue)
        state.counters.add(Count.SENDS_OVER_QUOTA)
        return Reply(ERR(Code.QUOTA))

    return Decision(finish, needs_store=True)


def _accept(state: RouterState, request: Request, queue: Queue, command: SEND) -> Decision:
    notified = command.flags.notification
    head = MessageHead(
        state.new_sequence(), state.new_id(), request.now, notification=notified
    )
    state.queues.add_message(request.transaction, queue, head, command.body)
    notifier = queue.record.notifier if notified else None
    notification = None if notifier is None else _notification(state, head, notifier)
    kept = notification is not None and not _can_notify(state, notifier)
    if kept and notification is not None:
        state.notifications.add(request.transaction, notification)

    def finish() -> Reply:
        state.queues.message_stored(queue)
        deliver_waiting(state, queue)
        if notifier is not None and notification is not None:
            _notify(state, notifier, notification, kept=kept)
        state.counters.add(Count.MESSAGES_SENT)
        return Reply(OK())

    return Decision(finish, needs_store=True)


def expire_messages(state: RouterState, request: Request, queue: Queue, before: int) -> None:
    """Drop the messages at the start of a queue that came before this time."""
    stored = len(queue.messages) - queue.unstored
    expired = 0
    while expired < stored:
        head = queue.messages[expired]
        if head.is_quota_notice or head.received_at >= before:
            break
        expired += 1
    if expired:
        state.queues.drop_first(request.transaction, queue, expired)
        state.counters.add(Count.MESSAGES_EXPIRED, expired)
