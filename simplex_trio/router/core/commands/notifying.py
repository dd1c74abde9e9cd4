"""How notifiers subscribe: NSUB, and NSUBS for all queues of a service. Pure."""

from __future__ import annotations

from attrs import evolve

from simplex_trio.router.core.decisions import (
    Decision,
    Outcome,
    SubscribeNotifier,
    SubscribeNotifierService,
)
from simplex_trio.router.core.model import Queue
from simplex_trio.router.core.requests import Request
from simplex_trio.router.core.state import RouterState
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.smp.commands import NSUBS
from simplex_trio.wire.smp.messages import ERR

__all__ = ["subscribe_notifier", "subscribe_notifier_service"]


def subscribe_notifier(state: RouterState, request: Request, queue: Queue) -> Outcome:
    """NSUB: the queue's notifier becomes associated with the client's service, or with none."""
    client, transaction = request.client, request.transaction
    notifier = queue.record.notifier
    assert notifier is not None, "the queue was found by its notifier"
    service_before = notifier.service_id
    moves = service_before != client.service_id
    if moves:
        if not state.keep_service(transaction, client.service, request.day, request.instant):
            return ERR(Code.SERVICE)
        moved = evolve(notifier, service_id=client.service_id)
        state.queues.replace(transaction, queue, evolve(queue.record, notifier=moved))
    answer = SubscribeNotifier(client.notifier, request.entity_id, service_before)
    return Decision(answer, needs_store=moves)


def subscribe_notifier_service(_state: RouterState, request: Request) -> Outcome:
    """NSUBS: subscribe a service to all notifications at once."""
    command = request.command
    assert isinstance(command, NSUBS)
    return Decision(SubscribeNotifierService(request.client.notifier, request.entity_id, command))
