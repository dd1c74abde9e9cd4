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
from simplex_trio.router.core.requests import Context
from simplex_trio.router.core.state import RouterState
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.smp.commands import NSUBS, Command
from simplex_trio.wire.smp.messages import ERR

__all__ = ["subscribe_notifier", "subscribe_notifier_service"]


def subscribe_notifier(
    state: RouterState, context: Context, received: ReceivedCommand[Command], queue: Queue
) -> Outcome:
    """NSUB: the queue's notifier becomes associated with the client's service, or with none."""
    client, transaction = context.client, context.transaction
    notifier = queue.record.notifier
    assert notifier is not None, "the queue was found by its notifier"
    service_before = notifier.service_id
    moves = service_before != client.service_id
    if moves:
        if not state.keep_service(transaction, client.service, context.day, context.instant):
            return ERR(Code.SERVICE)
        moved = evolve(notifier, service_id=client.service_id)
        state.queues.replace(transaction, queue, evolve(queue.record, notifier=moved))
    answer = SubscribeNotifier(client.notifier, received.transmission.entity_id, service_before)
    return Decision(answer, needs_store=moves)


def subscribe_notifier_service(
    _state: RouterState, context: Context, received: ReceivedCommand[Command]
) -> Outcome:
    """NSUBS: subscribe a service to all notifications at once."""
    command = received.command
    assert isinstance(command, NSUBS)
    return Decision(
        SubscribeNotifierService(context.client.notifier, received.transmission.entity_id, command)
    )
