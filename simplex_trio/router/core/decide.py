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
from simplex_trio.router.core.requests import Request
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

Handler = Callable[[RouterState, Request, Queue], Outcome]
Condition = Callable[[RouterState, Request, Queue], bool]


def _always(_state: RouterState, _request: Request, _queue: Queue) -> bool:
    return True


def _has_no_sender(_state: RouterState, _request: Request, queue: Queue) -> bool:
    return queue.record.sender_key is None


def _adds_service(state: RouterState, request: Request, queue: Queue) -> bool:
    return _grows_by_service(state, request, queue.record.service_id)


def _adds_notifier_service(state: RouterState, request: Request, queue: Queue) -> bool:
    notifier = queue.record.notifier
    return notifier is not None and _grows_by_service(state, request, notifier.service_id)


def _grows_by_service(state: RouterState, request: Request, before: bytes | None) -> bool:
    """Whether a subscription adds the id of a service to a queue, or a service to the store."""
    service = request.client.service
    return service is not None and (before is None or not state.services.has(service))


def _remote(_state: RouterState, request: Request) -> Outcome:
    return RemoteCommand(request.received)


def _resolve(state: RouterState, request: Request) -> Outcome:
    return RemoteCommand(request.received) if state.resolves_names else _NO_RESOLVER


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

_OTHERS: Final[dict[type[Command], Callable[[RouterState, Request], Outcome]]] = {
    commands.NEW: creation.create_queue,
    commands.SUBS: receiving.subscribe_service,
    commands.NSUBS: notifying.subscribe_notifier_service,
    commands.RSLV: _resolve,
    commands.PRXY: _remote,
    commands.PFWD: _remote,
    commands.PING: lambda _state, _request: _PONG,
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


def decide(state: RouterState, request: Request) -> Decision | RemoteCommand | Refusal:
    """Check a client's command, and decide about it as far as that needs no waiting."""
    client, command = request.client, request.command
    queue = find_queue(state, command, request.entity_id)
    error = refusal(client.verifier, client.service, request.received, queue)
    if error is not None:
        state.counters.add(Count.COMMANDS_REFUSED)
        if isinstance(command, SEND) and error is Code.AUTH:
            state.counters.add(Count.SENDS_UNAUTHORIZED)
        return Refusal(error)
    if isinstance(command, RFWD):
        outcome = _decide_forwarded(state, request, command)
    else:
        outcome = _decide_authorized(state, request, queue)
    return Decision(outcome) if isinstance(outcome, Message) else outcome


def _decide_authorized(state: RouterState, request: Request, queue: Queue | None) -> Outcome:
    kind = type(request.command)
    if queue is None:
        return _OTHERS[kind](state, request)
    status = queue.record.status
    if isinstance(status, Blocked) and kind not in _ALLOWED_WHEN_BLOCKED:
        return ERR(status)
    if kind is not commands.NSUB:
        state.touch(request.transaction, queue, request.day)
    handler, takes_room = _ABOUT_QUEUE[kind], _TAKES_ROOM.get(kind)
    if takes_room is None or not takes_room(state, request, queue):
        return handler(state, request, queue)
    if state.shortage.refuses(request.instant):
        return STORE_REFUSED
    outcome = handler(state, request, queue)
    if not isinstance(outcome, Decision):
        return outcome
    return evolve(outcome, effects=(EndShortage(), *outcome.effects))


def _decide_forwarded(state: RouterState, request: Request, command: RFWD) -> Outcome:
    """Check and decide about the command that a proxy passes on."""
    correlation_id = request.transmission.correlation_id
    opened = open_forwarded_command(request.client, correlation_id, command.sealed)
    if not isinstance(opened, Forwarded):
        return ERR(opened)
    state.counters.add(Count.PROXIED_RECEIVED)
    envelope = opened.envelope
    outcome = _decide_inner(state, request, opened.inner, envelope.session.version)
    if isinstance(outcome, Message):
        return envelope.seal(outcome)
    return evolve(outcome, envelope=envelope)


def _decide_inner(
    state: RouterState,
    request: Request,
    inner: ReceivedCommand[Command] | RouterErrorValue,
    version: int,
) -> Outcome:
    if not isinstance(inner, ReceivedCommand):
        return ERR(inner)
    queue = find_queue(state, inner.command, inner.transmission.entity_id)
    error = refusal(request.client.proxied, None, inner, queue)
    if error is not None:
        state.counters.add(Count.COMMANDS_REFUSED)
        return ERR(error)
    return _decide_authorized(state, evolve(request, received=inner, version=version), queue)
