"""How recipients get messages: SUB, GET and ACK; and SUBS, for all queues of a service. Pure."""

from __future__ import annotations

from attrs import evolve

from simplex_trio.crypto.hashes import ServiceSubs
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.delivery import hand_over
from simplex_trio.router.core.model import Queue, Subscription
from simplex_trio.router.core.replies import Event, Reply
from simplex_trio.router.core.state import Answered, Client, Decision, Request, RouterState
from simplex_trio.wire.errors.values import Cmd, Code, CommandErrorKind
from simplex_trio.wire.smp.commands import ACK, NSUBS, SUBS
from simplex_trio.wire.smp.messages import ALLS, ERR, OK, SOK, SOKS
from simplex_trio.wire.versions import SMPVersion

__all__ = ["acknowledge", "count_drift", "get", "subscribe", "subscribe_service"]

_PROHIBITED = ERR(Cmd(CommandErrorKind.PROHIBITED))


# --- SUB ----------------------------------------------------------------------------------------


def subscribe(state: RouterState, request: Request, queue: Queue) -> Answered:
    """SUB: the queue becomes associated with the client's service, or with none if it is none."""
    client = request.client
    service_before = queue.record.service_id
    moves = service_before != client.service_id
    if moves:
        if not state.keep_service(request):
            return ERR(Code.SERVICE)
        record = evolve(queue.record, service_id=client.service_id)
        state.queues.replace(request.transaction, queue, record)
    return Decision(
        lambda: _subscribed(state, client, request.entity_id, queue, service_before),
        needs_store=moves,
    )


def _subscribed(
    state: RouterState,
    client: Client,
    recipient_id: bytes,
    queue: Queue,
    service_before: bytes | None,
) -> Reply:
    if not queue.exists:
        return Reply(ERR(Code.AUTH))
    subscriber = client.recipient
    subscription = subscriber.subscribed.get(recipient_id)
    if subscription is not None and subscription.by_get:
        state.counters.add(Count.SUBSCRIPTIONS_REFUSED)
        return Reply(_PROHIBITED)
    if subscription is None:
        state.tell(state.recipients.subscribe(subscriber, recipient_id, service_before))
        state.counters.add(Count.SUBSCRIPTIONS_MADE)
        subscription = subscriber.subscribed.get(recipient_id)
    else:
        state.counters.add(Count.SUBSCRIPTIONS_REPEATED)
    answer = SOK(client.service_id)
    if subscription is None:  # through the service; only what is delivered is noted
        if queue.first is None:
            return Reply(answer)
        subscription = subscriber.subscribed[recipient_id] = Subscription()
    due = hand_over(queue, subscription)
    return Reply(answer, () if due is None else (Event(recipient_id, due),))


# --- SUBS ---------------------------------------------------------------------------------------


def subscribe_service(state: RouterState, request: Request) -> Answered:
    """SUBS: at its first time in a session also the first message of each queue, and ALLS."""
    return Decision(lambda: _service_subscribed(state, request))


def _service_subscribed(state: RouterState, request: Request) -> Reply:
    subscriber = request.client.recipient
    service_id = request.entity_id
    following: list[Event] = []
    if not subscriber.asked_for_all:
        stored = state.queues.service_queues.of(service_id)
        count_drift(state, request, stored)
        state.tell(state.recipients.subscribe_service(subscriber, service_id, stored))
        for recipient_id in sorted(state.queues.service_queues.ids(service_id)):
            queue = state.queues.for_recipient(recipient_id)
            if queue is None or queue.first is None or recipient_id in subscriber.subscribed:
                continue
            subscription = subscriber.subscribed[recipient_id] = Subscription()
            due = hand_over(queue, subscription)
            if due is not None:
                following.append(Event(recipient_id, due))
        if request.version >= SMPVersion.SERVICE_SUBSCRIPTIONS:
            following.append(Event(b"", ALLS()))
    subscribed = subscriber.service_queues
    return Reply(SOKS(subscribed.count, subscribed.ids_hash), tuple(following))


def count_drift(state: RouterState, request: Request, stored: ServiceSubs) -> None:
    """Count how what a service expects differs from what is so; it is never refused for that."""
    command = request.command
    assert isinstance(command, SUBS | NSUBS)
    if command.count == command.UNKNOWN_COUNT:
        count = Count.SERVICE_SUBSCRIPTIONS
    elif command.count < stored.count:
        count = Count.SERVICE_EXPECTED_FEWER
    elif command.count > stored.count:
        count = Count.SERVICE_EXPECTED_MORE
    elif command.ids_hash != stored.ids_hash:
        count = Count.SERVICE_EXPECTED_OTHERS
    else:
        count = Count.SERVICE_SUBSCRIPTIONS
    state.counters.add(count)


# --- GET and ACK --------------------------------------------------------------------------------


def get(state: RouterState, request: Request, queue: Queue) -> Answered:
    """GET: the first message, without subscribing."""
    return Decision(lambda: _got(state, request.client, request.entity_id, queue))


def _got(state: RouterState, client: Client, recipient_id: bytes, queue: Queue) -> Reply:
    subscribed = client.recipient.subscribed
    subscription = subscribed.get(recipient_id)
    if subscription is None:
        subscription = subscribed[recipient_id] = Subscription(by_get=True)
    elif not subscription.by_get:
        return Reply(_PROHIBITED)
    due = hand_over(queue, subscription)
    if due is None:
        return Reply(OK())
    state.counters.add(Count.MESSAGES_GOT)
    return Reply(due)


def acknowledge(state: RouterState, request: Request, queue: Queue) -> Answered:
    """ACK: the message is deleted, and on a subscription the next one is the answer.

    An empty id acknowledges whatever was delivered without deleting it, as in the reference.
    """
    command = request.command
    assert isinstance(command, ACK)
    subscription = request.client.recipient.subscribed.get(request.entity_id)
    if subscription is None or subscription.delivered is None or subscription.acknowledging:
        return ERR(Code.NO_MSG)
    if command.message_id not in (subscription.delivered, b""):
        return ERR(Code.NO_MSG)
    subscription.acknowledging = True
    first = queue.first
    deletes = first is not None and first.message_id == command.message_id
    if deletes:
        state.queues.drop_first(request.transaction, queue)

    def finish() -> Reply:
        subscription.acknowledging = False
        if deletes and first is not None:
            state.recent_bodies.forget((first,))
        if deletes and first is not None and not first.is_quota_notice:
            state.counters.add(Count.MESSAGES_RECEIVED)
        if subscription.by_get:
            subscription.delivered = None
            return Reply(OK())
        if request.client.recipient.subscribed.get(request.entity_id) is not subscription:
            return Reply(OK())  # somebody else has subscribed meanwhile
        due = hand_over(queue, subscription)
        return Reply(OK() if due is None else due)

    def abandon() -> None:
        subscription.acknowledging = False

    return Decision(finish, needs_store=deletes, abandon=abandon)
