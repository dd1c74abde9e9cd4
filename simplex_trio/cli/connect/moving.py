"""``simplex-trio connect rotate``: the queue of a connection moves to another router."""

from __future__ import annotations

from functools import partial
from typing import TypeGuard

import trio

from simplex_trio.cli.addresses import place_of
from simplex_trio.cli.connect.store import (
    PATIENCE,
    ConnectionId,
    KeyFile,
    Open,
    Place,
    Routers,
    StoreName,
    open_connections,
    place,
)
from simplex_trio.cli.failures import CommandFailed
from simplex_trio.cli.options import AsJson, Flag, Patience
from simplex_trio.cli.output import print_json, say, waiting
from simplex_trio.cli.running import run
from simplex_trio.duplex.errors import CannotRotate
from simplex_trio.duplex.events import DuplexEvent, RotationPhase, RotationProgress, RotationSide
from simplex_trio.duplex.status import ConnectionStatus

__all__ = ["rotate"]


def rotate(
    connection: ConnectionId,
    /,
    *,
    router: Routers = (),
    abort: Flag = False,
    seconds: Patience = PATIENCE,
    store: StoreName = None,
    key_file: KeyFile = None,
    json: AsJson = False,
) -> None:
    """Move the queue of a connection to another router; no message is lost or comes twice.

    The peer's program has to run for that, not necessarily at the same time: what is left is done
    by the next commands of both sides, such as `watch`.

    Parameters
    ----------
    router
        The routers to use from now on, also for new connections.
    abort
        Stay with the old router, if the peer was not told yet that it may use the new one.
    seconds
        Wait at most this long for the peer and the routers.
    """
    move = partial(_move, place(store, key_file), connection, router, abort=abort, seconds=seconds)
    phase, status = run(move)
    places = list(map(place_of, status.receives_from))
    if json:
        print_json({"phase": None if phase is None else phase.value, "receives_at": places})
    elif phase is RotationPhase.COMPLETED:
        say(f"Moved: it receives at {', '.join(places)}.")
    elif phase is RotationPhase.ABORTED:
        say("It stays where it is.")
    else:
        say("It has begun, and goes on when the peer answers; see: simplex-trio connect watch")


async def _move(
    where: Place, beginning: str, routers: tuple[str, ...], *, abort: bool, seconds: float
) -> tuple[RotationPhase | None, ConnectionStatus]:
    async with open_connections(where, routers, makes_queues=not abort) as opened:
        agent = opened.agent
        connection_id = await opened.find(beginning)
        phase = None
        try:
            if abort:
                await agent.abort_rotation(connection_id)
                phase = RotationPhase.ABORTED
            else:
                await agent.rotate(connection_id)
        except CannotRotate as exc:
            raise CommandFailed(f"It cannot be done: {exc}.") from exc
        if not abort:
            with trio.move_on_after(seconds), waiting("moving the queue"):
                phase = await _until_moved(opened, connection_id)
        return phase, await agent.status(connection_id)


async def _until_moved(opened: Open, connection_id: str) -> RotationPhase:
    """Wait until the move has ended; other events are left for `watch`."""
    events = opened.agent.events
    while True:
        event = await events.receive()
        if not _is_about(event, connection_id):
            events.keep()
            continue
        events.take()
        if event.phase is RotationPhase.FAILED:
            raise CommandFailed("It has failed: a router does not know the new queue.")
        if event.phase is RotationPhase.COMPLETED:
            return event.phase


def _is_about(event: DuplexEvent, connection_id: str) -> TypeGuard[RotationProgress]:
    return (
        isinstance(event, RotationProgress)
        and event.side is RotationSide.RECEIVING
        and event.connection_id == connection_id
    )
