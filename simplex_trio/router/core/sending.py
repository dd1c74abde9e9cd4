"""What senders do: SEND, SKEY, and LKEY and LGET through a link. Pure."""

from __future__ import annotations

from attrs import evolve

from simplex_trio.crypto.keys import AuthPublicKey
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.delivery import deliver_waiting
from simplex_trio.router.core.expiry import expire_messages
from simplex_trio.router.core.model import Queue
from simplex_trio.router.core.notifying import announce
from simplex_trio.router.core.replies import LinkDue, Reply
from simplex_trio.router.core.shortage import STORE_REFUSED
from simplex_trio.router.core.state import Answered, Decision, Request, RouterState
from simplex_trio.router.core.verification import is_secured_for_messaging, same_key
from simplex_trio.router.store.records import MessageHead
from simplex_trio.wire.errors.values import Blocked, Code
from simplex_trio.wire.smp.commands import LKEY, SEND, SKEY
from simplex_trio.wire.smp.messages import ERR, OK
from simplex_trio.wire.smp.sizes import max_message_length

__all__ = ["get_link", "secure_as_sender", "secure_queue", "secure_through_link", "send"]


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
    expire_messages(state, request.transaction, queue, request.now)
    if queue.record.link is not None and is_secured_for_messaging(queue.record):
        # The invitation has been taken up, so nobody needs its link any more.
        record = evolve(queue.record, link=None)
        state.queues.replace(request.transaction, queue, record)
    if state.shortage.refuses(request.instant):
        return STORE_REFUSED
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
        state.shortage.end()
        state.queues.message_stored(queue)
        deliver_waiting(state, queue)
        state.counters.add(Count.SENDS_OVER_QUOTA)
        return Reply(ERR(Code.QUOTA))

    return Decision(finish, needs_store=True)


def _accept(state: RouterState, request: Request, queue: Queue, command: SEND) -> Decision:
    notified = command.flags.notification
    head = MessageHead(state.new_sequence(), state.new_id(), request.now, notification=notified)
    state.queues.add_message(request.transaction, queue, head, command.body)
    notifier = queue.record.notifier if notified else None
    tell_notifier = None
    if notifier is not None:
        tell_notifier = announce(state, request.transaction, notifier, head)

    def finish() -> Reply:
        state.shortage.end()
        state.queues.message_stored(queue)
        state.recent_bodies.put(head.sequence, command.body)
        deliver_waiting(state, queue)
        if tell_notifier is not None:
            tell_notifier()
        state.counters.add(Count.MESSAGES_SENT)
        return Reply(OK())

    return Decision(finish, needs_store=True)


# --- SKEY, LKEY and LGET ------------------------------------------------------------------------


def secure_queue(state: RouterState, request: Request, queue: Queue, key: AuthPublicKey) -> bool:
    """Let the owner of ``key`` be the only sender; False if another one is already.

    The store has to do with it unless the queue was secured with the same key before.
    """
    record = queue.record
    if record.sender_key is not None:
        return same_key(record.sender_key, key)
    state.queues.replace(request.transaction, queue, evolve(record, sender_key=key))
    state.counters.add(Count.QUEUES_SECURED)
    return True


def secure_as_sender(state: RouterState, request: Request, queue: Queue) -> Answered:
    """SKEY: only for messaging queues, which authorization has seen to."""
    command = request.command
    assert isinstance(command, SKEY)
    secure_queue(state, request, queue, command.sender_key)
    return Decision(lambda: Reply(OK()), needs_store=True)


def secure_through_link(state: RouterState, request: Request, queue: Queue) -> Answered:
    """LKEY: as SKEY, and the data of the link is the answer."""
    command = request.command
    assert isinstance(command, LKEY)
    secure_queue(state, request, queue, command.sender_key)
    return Decision(lambda: _link(request, queue), needs_store=True)


def get_link(state: RouterState, request: Request, queue: Queue) -> Answered:
    """LGET: only for contact queues, which authorization has seen to."""
    return Decision(lambda: _link(request, queue))


def _link(request: Request, queue: Queue) -> Reply:
    link = queue.record.link
    if not queue.exists or link is None or link.link_id != request.entity_id:
        return Reply(ERR(Code.AUTH))
    return Reply(LinkDue(queue, link.link_id))
