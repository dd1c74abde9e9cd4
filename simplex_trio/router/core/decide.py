"""`decide`: what a router makes of a command. Pure."""

from __future__ import annotations

from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.dispatch import decide_authorized
from simplex_trio.router.core.forwarding import decide_forwarded
from simplex_trio.router.core.state import Answered, Refusal, Request, RouterState
from simplex_trio.router.core.verification import find_queue, refusal
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.smp.commands import RFWD, SEND

__all__ = ["decide"]


def decide(state: RouterState, request: Request) -> Answered | Refusal:
    """Check a client's command, and do it as far as that can be done without waiting."""
    client, command = request.client, request.command
    queue = find_queue(state, command, request.entity_id)
    error = refusal(client.verifier, client.service, request.received, queue)
    if error is not None:
        state.counters.add(Count.COMMANDS_REFUSED)
        if isinstance(command, SEND) and error is Code.AUTH:
            state.counters.add(Count.SENDS_UNAUTHORIZED)
        return Refusal(error)
    if isinstance(command, RFWD):
        return decide_forwarded(state, request)
    return decide_authorized(state, request, queue)
