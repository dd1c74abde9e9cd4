"""How owners manage queues: keys, links, notifiers, suspension, deletion and QUE. Pure."""

from __future__ import annotations

from attrs import evolve

from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.decisions import (
    Decision,
    DescribeQueue,
    EndNotifierSubscription,
    EndQueueSubscriptions,
    EndShortage,
    Increment,
    Outcome,
)
from simplex_trio.router.core.model import MAX_OWNERS, Queue
from simplex_trio.router.core.requests import Context
from simplex_trio.router.core.shortage import STORE_REFUSED
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.store.records import LinkRecord, Suspended
from simplex_trio.wire.errors.values import Cmd, Code, CommandErrorKind
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.smp.commands import KEY, LSET, RKEY, Command
from simplex_trio.wire.smp.messages import ERR, OK

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

_STORED = Decision(OK(), needs_store=True)


def secure(
    state: RouterState, context: Context, received: ReceivedCommand[Command], queue: Queue
) -> Outcome:
    """KEY: from now on only the owner of the key may send."""
    command = received.command
    assert isinstance(command, KEY)
    secured = state.secure(context.transaction, queue, command.sender_key)
    return _STORED if secured else ERR(Code.AUTH)


def replace_keys(
    state: RouterState, context: Context, received: ReceivedCommand[Command], queue: Queue
) -> Outcome:
    """RKEY: other keys for the owners of a contact queue."""
    command = received.command
    assert isinstance(command, RKEY)
    if queue.record.mode is not QueueMode.CONTACT:
        return ERR(Code.AUTH)
    if len(command.recipient_keys) > MAX_OWNERS:
        return ERR(Cmd(CommandErrorKind.PROHIBITED))
    record = evolve(queue.record, recipient_keys=command.recipient_keys)
    state.queues.replace(context.transaction, queue, record)
    return _STORED


def set_link(
    state: RouterState, context: Context, received: ReceivedCommand[Command], queue: Queue
) -> Outcome:
    """LSET: a link, or other data for the part that may change; never another id or fixed part."""
    command = received.command
    assert isinstance(command, LSET)
    if queue.is_secured_for_messaging:
        return ERR(Code.AUTH)
    if state.shortage.refuses(context.instant):
        return STORE_REFUSED
    link = queue.record.link
    if link is not None:
        if link.link_id != command.link_id or not link.keeps_fixed_part(command.data):
            return ERR(Code.AUTH)
    elif state.queues.for_link(command.link_id) is not None:
        return ERR(Code.AUTH)
    else:
        link = LinkRecord.of(command.link_id, command.data)
    record = evolve(queue.record, link=link)
    state.queues.replace(context.transaction, queue, record, command.data)
    return Decision(OK(), (EndShortage(),), needs_store=True)


def delete_link(
    state: RouterState, context: Context, _received: ReceivedCommand[Command], queue: Queue
) -> Outcome:
    """LDEL: no more link, if there was one."""
    if queue.record.link is not None:
        state.queues.replace(context.transaction, queue, evolve(queue.record, link=None))
    return _STORED


def remove_notifier(
    state: RouterState, context: Context, _received: ReceivedCommand[Command], queue: Queue
) -> Outcome:
    """NDEL: no more notifier, if there was one."""
    notifier = queue.record.notifier
    if notifier is None:
        return _STORED
    state.delete_notifier(context.transaction, queue)
    return Decision(OK(), (EndNotifierSubscription(notifier),), needs_store=True)


def suspend(
    state: RouterState, context: Context, received: ReceivedCommand[Command], queue: Queue
) -> Outcome:
    """OFF: no more messages; those that are there can still be received."""
    if not isinstance(queue.record.status, Suspended):
        record = evolve(queue.record, status=Suspended(context.now))
        state.queues.replace(context.transaction, queue, record)
        state.counters.add(Count.QUEUES_SUSPENDED)
    return _STORED


def delete(
    state: RouterState, context: Context, _received: ReceivedCommand[Command], queue: Queue
) -> Outcome:
    """DEL: the queue with its messages."""
    client = context.client
    state.delete_queue(context.transaction, queue)
    end = EndQueueSubscriptions(queue, client.recipient, client.notifier)
    return Decision(OK(), (end, Increment(Count.QUEUES_DELETED)), needs_store=True)


def describe(
    _state: RouterState, context: Context, _received: ReceivedCommand[Command], queue: Queue
) -> Outcome:
    """QUE: the queue as it is when the answer goes out, with the subscription of this client."""
    return Decision(DescribeQueue(context.client.recipient, queue))
