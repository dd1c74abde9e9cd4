"""From an authorized command to what becomes of it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from simplex_trio.router.core import creation, notifying, owning, receiving, sending
from simplex_trio.router.core.queues import Queue
from simplex_trio.router.core.state import Answered, Errand, Request, RouterState
from simplex_trio.wire.errors.values import Blocked, Name, NameErrorKind
from simplex_trio.wire.smp import commands
from simplex_trio.wire.smp.messages import ERR, PONG

__all__ = ["decide_authorized"]


def _errand(_state: RouterState, request: Request) -> Answered:
    return Errand(request.received)


def _resolve(state: RouterState, request: Request) -> Answered:
    return Errand(request.received) if state.resolves_names else _NO_RESOLVER


_NO_RESOLVER = ERR(Name(NameErrorKind.NO_RESOLVER))

_ABOUT_QUEUE: Final[
    dict[type[commands.Command], Callable[[RouterState, Request, Queue], Answered]]
] = {
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

_OTHERS: Final[dict[type[commands.Command], Callable[[RouterState, Request], Answered]]] = {
    commands.NEW: creation.create_queue,
    commands.SUBS: receiving.subscribe_service,
    commands.NSUBS: notifying.subscribe_notifier_service,
    commands.RSLV: _resolve,
    commands.PRXY: _errand,
    commands.PFWD: _errand,
    commands.PING: lambda _state, _request: PONG(),
}

# SEND itself says that a queue is blocked; the others do no harm.
_ALLOWED_WHEN_BLOCKED = frozenset({commands.SEND, commands.OFF, commands.DEL, commands.NSUB})


def decide_authorized(state: RouterState, request: Request, queue: Queue | None) -> Answered:
    """Do what a client asks for who may."""
    kind = type(request.command)
    if queue is None:
        return _OTHERS[kind](state, request)
    status = queue.record.status
    if isinstance(status, Blocked) and kind not in _ALLOWED_WHEN_BLOCKED:
        return ERR(status)
    if kind is not commands.NSUB:
        state.touch(request, queue)
    return _ABOUT_QUEUE[kind](state, request, queue)
