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
from simplex_trio.router.core.requests import Request
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.core.transaction import ReleaseAcknowledgement
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.smp.commands import ACK, SUBS
from simplex_trio.wire.smp.messages import ERR
from simplex_trio.wire.versions import SMPVersion

__all__ = ["acknowledge", "get", "subscribe", "subscribe_service"]


def subscribe(state: RouterState, request: Request, queue: Queue) -> Outcome:
    """SUB: the queue becomes associated with the client's service, or with none if it is none."""
    client, transaction = request.client, request.transaction
    service_before = queue.record.service_id
    moves = service_before != client.service_id
    if moves:
        if not state.keep_service(transaction, client.service, request.day, request.instant):
            return ERR(Code.SERVICE)
        record = evolve(queue.record, service_id=client.service_id)
        state.queues.replace(transaction, queue, record)
    return Decision(Subscribe(client.recipient, queue, service_before), needs_store=moves)


def subscribe_service(_state: RouterState, request: Request) -> Outcome:
    """SUBS: at its first time in a session also the first message of each queue, and ALLS."""
    command = request.command
    assert isinstance(command, SUBS)
    has_end_marker = request.version >= SMPVersion.SERVICE_SUBSCRIPTIONS
    recipient, service_id = request.client.recipient, request.entity_id
    return Decision(SubscribeService(recipient, service_id, command, has_end_marker))


def get(_state: RouterState, request: Request, queue: Queue) -> Outcome:
    """GET: the first message, without subscribing."""
    return Decision(GetMessage(request.client.recipient, queue))


def acknowledge(state: RouterState, request: Request, queue: Queue) -> Outcome:
    """ACK: the message is deleted, and on a subscription the next one is the answer.

    An empty id acknowledges the delivered message without deleting it, as in the reference.
    """
    command, subscriber = request.command, request.client.recipient
    assert isinstance(command, ACK)
    subscription = subscriber.subscribed.get(request.entity_id)
    if subscription is None or subscription.delivered is None or subscription.acknowledging:
        return ERR(Code.NO_MSG)
    if command.message_id not in (subscription.delivered, b""):
        return ERR(Code.NO_MSG)
    subscription.acknowledging = True
    answer = DeliverNext(subscriber, queue, subscription)
    first = queue.first
    if first is None or first.message_id != command.message_id:
        return Decision(answer, (FinishAcknowledgement(subscription),))
    state.queues.drop_first(request.transaction, queue)
    request.transaction.undo.append(ReleaseAcknowledgement(subscription))
    return Decision(answer, (FinishAcknowledgement(subscription, first),), needs_store=True)
