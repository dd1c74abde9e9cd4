"""`decide`: from a command to what becomes of it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import evolve

from simplex_trio.router.core.commands import creation, notifying, owning, receiving, sending
from simplex_trio.router.core.commands.forwarding import Forwarded, open_forwarded_command
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.decisions import (
    Decision,
    EndShortage,
    Outcome,
    Refusal,
    RemoteCommand,
)
from simplex_trio.router.core.model import Queue
from simplex_trio.router.core.requests import Context
from simplex_trio.router.core.shortage import STORE_REFUSED
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.core.verification import find_queue, refusal
from simplex_trio.wire.errors.values import Blocked, Code, Name, NameErrorKind, RouterErrorValue
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.smp import commands
from simplex_trio.wire.smp.commands import RFWD, SEND, Command
from simplex_trio.wire.smp.messages import ERR, PONG, Message

__all__ = ["decide"]


# --- which handler decides ----------------------------------------------------------------------

Handler = Callable[[RouterState, Context, ReceivedCommand[Command], Queue], Outcome]
Condition = Callable[[RouterState, Context, Queue], bool]


def _always(_state: RouterState, _context: Context, _queue: Queue) -> bool:
    return True


def _has_no_sender(_state: RouterState, _context: Context, queue: Queue) -> bool:
    return queue.record.sender_key is None


def _adds_service(state: RouterState, context: Context, queue: Queue) -> bool:
    return _grows_by_service(state, context, queue.record.service_id)


def _adds_notifier_service(state: RouterState, context: Context, queue: Queue) -> bool:
    notifier = queue.record.notifier
    return notifier is not None and _grows_by_service(state, context, notifier.service_id)


def _grows_by_service(state: RouterState, context: Context, before: bytes | None) -> bool:
    """Whether a subscription adds the id of a service to a queue, or a service to the store."""
    service = context.client.service
    return service is not None and (before is None or not state.services.has(service))


def _remote(_state: RouterState, _context: Context, received: ReceivedCommand[Command]) -> Outcome:
    return RemoteCommand(received)


def _resolve(state: RouterState, _context: Context, received: ReceivedCommand[Command]) -> Outcome:
    return RemoteCommand(received) if state.resolves_names else _NO_RESOLVER


_PONG = Decision(PONG())
_NO_RESOLVER = ERR(Name(NameErrorKind.NO_RESOLVER))

_ABOUT_QUEUE: Final[dict[type[Command], Handler]] = {
    commands.SUB: receiving.subscribe,
    commands.GET: receiving.get,
    commands.ACK: receiving.acknowledge,
    commands.KEY: owning.secure,
    commands.RKEY: owning.replace_keys,
    commands.LSET: owning.set_link,
    commands.LDEL: owning.delete_link,
    commands.NKEY: creation.add_notifier,
    commands.NDEL: owning.remove_notifier,
    commands.OFF: owning.suspend,
    commands.DEL: owning.delete,
    commands.QUE: owning.describe,
    commands.SKEY: sending.secure_as_sender,
    commands.SEND: sending.send,
    commands.LKEY: sending.secure_through_link,
    commands.LGET: sending.get_link,
    commands.NSUB: notifying.subscribe_notifier,
}

_OTHERS: Final[
    dict[type[Command], Callable[[RouterState, Context, ReceivedCommand[Command]], Outcome]]
] = {
    commands.NEW: creation.create_queue,
    commands.SUBS: receiving.subscribe_service,
    commands.NSUBS: notifying.subscribe_notifier_service,
    commands.RSLV: _resolve,
    commands.PRXY: _remote,
    commands.PFWD: _remote,
    commands.PING: lambda _state, _context, _received: _PONG,
}

_TAKES_ROOM: Final[dict[type[Command], Condition]] = {
    commands.SUB: _adds_service,
    commands.KEY: _has_no_sender,
    commands.RKEY: _always,
    commands.NKEY: _always,
    commands.SKEY: _has_no_sender,
    commands.LKEY: _has_no_sender,
    commands.NSUB: _adds_notifier_service,
}
"""When commands make the store grow.  NEW, LSET and SEND are not here: they check for room
themselves, since other reasons to refuse them come first."""

# SEND itself says that a queue is blocked; the others do no harm.
_ALLOWED_WHEN_BLOCKED = frozenset({commands.SEND, commands.OFF, commands.DEL, commands.NSUB})


# --- deciding -----------------------------------------------------------------------------------


def decide(
    state: RouterState, context: Context, received: ReceivedCommand[Command]
) -> Decision | RemoteCommand | Refusal:
    """Check a client's command, and decide about it as far as that needs no waiting."""
    client, command = context.client, received.command
    queue = find_queue(state, command, received.transmission.entity_id)
    error = refusal(client.verifier, client.service, received, queue)
    if error is not None:
        state.counters.add(Count.COMMANDS_REFUSED)
        if isinstance(command, SEND) and error is Code.AUTH:
            state.counters.add(Count.SENDS_UNAUTHORIZED)
        return Refusal(error)
    if isinstance(command, RFWD):
        outcome = _decide_forwarded(state, context, received, command)
    else:
        outcome = _decide_authorized(state, context, received, queue)
    return Decision(outcome) if isinstance(outcome, Message) else outcome


def _decide_authorized(
    state: RouterState, context: Context, received: ReceivedCommand[Command], queue: Queue | None
) -> Outcome:
    kind = type(received.command)
    if queue is None:
        return _OTHERS[kind](state, context, received)
    status = queue.record.status
    if isinstance(status, Blocked) and kind not in _ALLOWED_WHEN_BLOCKED:
        return ERR(status)
    if kind is not commands.NSUB:
        state.touch(context.transaction, queue, context.day)
    handler, takes_room = _ABOUT_QUEUE[kind], _TAKES_ROOM.get(kind)
    if takes_room is None or not takes_room(state, context, queue):
        return handler(state, context, received, queue)
    if state.shortage.refuses(context.instant):
        return STORE_REFUSED
    outcome = handler(state, context, received, queue)
    if not isinstance(outcome, Decision):
        return outcome
    return evolve(outcome, effects=(EndShortage(), *outcome.effects))


def _decide_forwarded(
    state: RouterState, context: Context, received: ReceivedCommand[Command], command: RFWD
) -> Outcome:
    """Check and decide about the command that a proxy passes on."""
    correlation_id = received.transmission.correlation_id
    opened = open_forwarded_command(context.client, correlation_id, command.sealed)
    if not isinstance(opened, Forwarded):
        return ERR(opened)
    state.counters.add(Count.PROXIED_RECEIVED)
    envelope = opened.envelope
    inner_context = evolve(context, version=envelope.session.version)
    outcome = _decide_inner(state, inner_context, opened.inner)
    if isinstance(outcome, Message):
        return envelope.seal(outcome)
    return evolve(outcome, envelope=envelope)


def _decide_inner(
    state: RouterState, context: Context, inner: ReceivedCommand[Command] | RouterErrorValue
) -> Outcome:
    if not isinstance(inner, ReceivedCommand):
        return ERR(inner)
    queue = find_queue(state, inner.command, inner.transmission.entity_id)
    error = refusal(context.client.proxied, None, inner, queue)
    if error is not None:
        state.counters.add(Count.COMMANDS_REFUSED)
        return ERR(error)
    return _decide_authorized(state, context, inner, queue)
