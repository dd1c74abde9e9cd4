"""From an authorized command to what becomes of it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import evolve

from simplex_trio.router.core import creation, notifying, owning, receiving, sending
from simplex_trio.router.core.model import Queue
from simplex_trio.router.core.replies import Reply
from simplex_trio.router.core.shortage import STORE_REFUSED
from simplex_trio.router.core.state import Answered, Decision, Errand, Request, RouterState
from simplex_trio.wire.errors.values import Blocked, Name, NameErrorKind
from simplex_trio.wire.smp import commands
from simplex_trio.wire.smp.messages import ERR, PONG

__all__ = ["decide_authorized"]


Handler = Callable[[RouterState, Request, Queue], Answered]


Condition = Callable[[RouterState, Request, Queue], bool]


def _always(_state: RouterState, _request: Request, _queue: Queue) -> bool:
    return True


def _growing(decide: Handler, when: Condition = _always) -> Handler:
    """Wrap a handler so that it refuses commands that make the store grow while it has no room.

    NEW, LSET and SEND check that themselves, since other reasons to refuse them come first.
    """

    def decide_if_there_is_room(state: RouterState, request: Request, queue: Queue) -> Answered:
        if not when(state, request, queue):
            return decide(state, request, queue)
        if state.shortage.refuses(request.instant):
            return STORE_REFUSED
        decided = decide(state, request, queue)
        if not isinstance(decided, Decision):
            return decided

        def finish() -> Reply:
            state.shortage.end()
            return decided.finish()

        return evolve(decided, finish=finish)

    return decide_if_there_is_room


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


def _errand(_state: RouterState, request: Request) -> Answered:
    return Errand(request.received)


def _resolve(state: RouterState, request: Request) -> Answered:
    return Errand(request.received) if state.resolves_names else _NO_RESOLVER


_NO_RESOLVER = ERR(Name(NameErrorKind.NO_RESOLVER))

_ABOUT_QUEUE: Final[dict[type[commands.Command], Handler]] = {
    commands.SUB: _growing(receiving.subscribe, when=_adds_service),
    commands.GET: receiving.get,
    commands.ACK: receiving.acknowledge,
    commands.KEY: _growing(owning.secure, when=_has_no_sender),
    commands.RKEY: _growing(owning.replace_keys),
    commands.LSET: owning.set_link,
    commands.LDEL: owning.delete_link,
    commands.NKEY: _growing(creation.add_notifier),
    commands.NDEL: owning.remove_notifier,
    commands.OFF: owning.suspend,
    commands.DEL: owning.delete,
    commands.QUE: owning.describe,
    commands.SKEY: _growing(sending.secure_as_sender, when=_has_no_sender),
    commands.SEND: sending.send,
    commands.LKEY: _growing(sending.secure_through_link, when=_has_no_sender),
    commands.LGET: sending.get_link,
    commands.NSUB: _growing(notifying.subscribe_notifier, when=_adds_notifier_service),
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
