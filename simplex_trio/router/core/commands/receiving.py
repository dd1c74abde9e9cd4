"""How recipients get messages: SUB, GET, ACK, and SUBS for all queues of a service. Pure."""

from __future__ import annotations

from attrs import evolve

from simplex_trio.router.core.decisions import (
    Decision,
    DeliverNext,
    FinishAcknowledgement,
    GetMessage,
    Outcome,
    Subscribe,
    SubscribeService,
)
from simplex_trio.router.core.model import Queue
from simplex_trio.router.core.requests import Context
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.core.transaction import ReleaseAcknowledgement
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.smp.commands import ACK, SUBS, Command
from simplex_trio.wire.smp.messages import ERR
from simplex_trio.wire.versions import SMPVersion

__all__ = ["acknowledge", "get", "subscribe", "subscribe_service"]


def subscribe(
    state: RouterState, context: Context, _received: ReceivedCommand[Command], queue: Queue
) -> Outcome:
    """SUB: the queue becomes associated with the client's service, or with none if it is none."""
    client, transaction = context.client, context.transaction
    service_before = queue.record.service_id
    moves = service_before != client.service_id
    if moves:
        if not state.keep_service(transaction, client.service, context.day, context.instant):
            return ERR(Code.SERVICE)
        record = evolve(queue.record, service_id=client.service_id)
        state.queues.replace(transaction, queue, record)
    return Decision(Subscribe(client.recipient, queue, service_before), needs_store=moves)


def subscribe_service(
    _state: RouterState, context: Context, received: ReceivedCommand[Command]
) -> Outcome:
    """SUBS: at its first time in a session also the first message of each queue, and ALLS."""
    command = received.command
    assert isinstance(command, SUBS)
    has_end_marker = context.version >= SMPVersion.SERVICE_SUBSCRIPTIONS
    recipient, service_id = context.client.recipient, received.transmission.entity_id
    return Decision(SubscribeService(recipient, service_id, command, has_end_marker))


def get(
    _state: RouterState, context: Context, _received: ReceivedCommand[Command], queue: Queue
) -> Outcome:
    """GET: the first message, without subscribing."""
    return Decision(GetMessage(context.client.recipient, queue))


def acknowledge(
    state: RouterState, context: Context, received: ReceivedCommand[Command], queue: Queue
) -> Outcome:
    """ACK: the message is deleted, and on a subscription the next one is the answer.

    An empty id acknowledges the delivered message without deleting it, as in the reference.
    """
    command, subscriber = received.command, context.client.recipient
    assert isinstance(command, ACK)
    subscription = subscriber.subscribed.get(received.transmission.entity_id)
    if subscription is None or subscription.delivered is None or subscription.acknowledging:
        return ERR(Code.NO_MSG)
    if command.message_id not in (subscription.delivered, b""):
        return ERR(Code.NO_MSG)
    subscription.acknowledging = True
    answer = DeliverNext(subscriber, queue, subscription)
    first = queue.first
    if first is None or first.message_id != command.message_id:
        return Decision(answer, (FinishAcknowledgement(subscription),))
    state.queues.drop_first(context.transaction, queue)
    context.transaction.undo.append(ReleaseAcknowledgement(subscription))
    return Decision(answer, (FinishAcknowledgement(subscription, first),), needs_store=True)
