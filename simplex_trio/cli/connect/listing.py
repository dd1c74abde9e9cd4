"""``simplex-trio connect list``, ``status`` and ``delete``."""

from __future__ import annotations

from functools import partial
from typing import Any

import trio

from simplex_trio.cli.addresses import place_of
from simplex_trio.cli.connect.store import (
    PATIENCE,
    ConnectionId,
    KeyFile,
    Open,
    Place,
    StoreName,
    open_connections,
    place,
    read_connections,
)
from simplex_trio.cli.connect.wording import STATES
from simplex_trio.cli.options import AsJson, Flag, Patience
from simplex_trio.cli.output import print_json, say, show_qr_code, waiting
from simplex_trio.cli.running import run
from simplex_trio.duplex.events import ConnectionDeleted, RotationSide
from simplex_trio.duplex.machine.connection import Synchrony
from simplex_trio.duplex.status import ConnectionStatus

__all__ = ["delete", "list_connections", "status"]


# --- list ---------------------------------------------------------------------------------------


def list_connections(
    *, store: StoreName = None, key_file: KeyFile = None, json: AsJson = False
) -> None:
    """List connections, invitations and contact addresses, without asking any router."""
    where = place(store, key_file)
    found = run(partial(_list, where)) if where.path.exists() else []
    if json:
        print_json([_summary(status, name) for status, name in found])
        return
    if not found:
        say("There are none yet; make one with: simplex-trio connect create")
    for status, name in found:
        say(_line(status, name))


async def _list(where: Place) -> list[tuple[ConnectionStatus, str]]:
    async with read_connections(where) as opened:
        agent, names = opened.agent, opened.memory.names
        ids = await agent.connections()
        return [(await agent.status(each), names.get(each, "")) for each in ids]


def _summary(status: ConnectionStatus, name: str) -> dict[str, Any]:
    return {
        "connection": status.connection_id,
        "name": name or None,
        "state": status.state.value,
        "can_send": status.can_send,
        "queued": status.queued,
    }


def _line(status: ConnectionStatus, name: str) -> str:
    parts = [status.connection_id, STATES[status.state]]
    if name:
        parts.insert(1, f"'{name}'")
    if status.queued:
        parts.append(_waiting(status.queued))
    return "  ".join(parts)


def _waiting(queued: int) -> str:
    return "1 message is not sent yet" if queued == 1 else f"{queued} messages are not sent yet"


_KEYS = {
    Synchrony.ALLOWED: "A message could not be decrypted.  If more cannot: connect resync ID.",
    Synchrony.REQUIRED: "Messages cannot be decrypted any more; see: connect resync ID.",
    Synchrony.STARTED: "It waits for the peer's new keys, and sends no messages meanwhile.",
    Synchrony.AGREED: "It has new keys, and waits until the peer has them too.",
    Synchrony.ANSWERING: "It has new keys, and tells the peer.",
}

# --- status -------------------------------------------------------------------------------------


def status(
    connection: ConnectionId,
    /,
    *,
    qr: Flag = False,
    store: StoreName = None,
    key_file: KeyFile = None,
    json: AsJson = False,
) -> None:
    """Say how a connection is doing, without asking any router, and print its link if it has one.

    Both sides have the same security code, unless messages are intercepted: compare it with the
    peer in another way, by voice for example.

    Parameters
    ----------
    qr
        Show the link as a QR code, too.
    """
    found, name = run(partial(_status, place(store, key_file), connection))
    if json:
        print_json(_facts(found, name))
        return
    say(f"Connection {found.connection_id}")
    if name:
        say(f"The peer says it is '{name}'.")
    say(f"State: {STATES[found.state]}")
    if found.is_suspended:
        say("It accepts no more messages.")
    if found.queued:
        say(f"{_waiting(found.queued)}.")
    for words, servers in (("Receives at", found.receives_from), ("Sends to", found.sends_to)):
        if servers:
            say(f"{words}: {', '.join(map(place_of, servers))}")
    for rotation in found.rotations:
        whose = "Its queue" if rotation.side is RotationSide.RECEIVING else "The peer's queue"
        where = "" if rotation.to_server is None else f" to {place_of(rotation.to_server)}"
        say(f"{whose} is being moved from {place_of(rotation.from_server)}{where}.")
    if found.security_code is not None:
        if found.synchrony is not Synchrony.OK:
            say(_KEYS[found.synchrony])
        say(f"Post-quantum encryption: {'on' if found.pq else 'off'}")
        say("Security code, to compare with the peer's:")
        say(f"  {found.security_code}", style="bold")
    link = found.short_link or found.link
    if link is not None:
        say("Its link:")
        say(link, style="bold")
        if qr:
            show_qr_code(link)


async def _status(where: Place, beginning: str) -> tuple[ConnectionStatus, str]:
    async with read_connections(where) as opened:
        connection_id = await opened.find(beginning)
        return await opened.agent.status(connection_id), opened.memory.names.get(connection_id, "")


def _facts(status: ConnectionStatus, name: str) -> dict[str, Any]:
    return _summary(status, name) | {
        "suspended": status.is_suspended,
        "receives_at": list(map(place_of, status.receives_from)),
        "sends_to": list(map(place_of, status.sends_to)),
        "rotations": [
            {
                "side": each.side.value,
                "phase": None if each.phase is None else each.phase.value,
                "from": place_of(each.from_server),
                "to": None if each.to_server is None else place_of(each.to_server),
            }
            for each in status.rotations
        ],
        "agent_version": status.agent_version,
        "pq": status.pq,
        "security_code": status.security_code,
        "synchrony": status.synchrony.name.lower(),
        "link": status.link,
        "short_link": status.short_link,
    }


# --- delete -------------------------------------------------------------------------------------


def delete(
    connection: ConnectionId,
    /,
    *,
    after_delivery: Flag = False,
    seconds: Patience = PATIENCE,
    store: StoreName = None,
    key_file: KeyFile = None,
    json: AsJson = False,
) -> None:
    """Delete a connection, an invitation or a contact address, with its queues on routers.

    The peer is not told: what it sends then is refused.

    Parameters
    ----------
    after_delivery
        First deliver the messages that are not sent yet, for two days at most.
    seconds
        Wait at most this long for routers; the next command goes on with the rest.
    """
    deleted = run(
        partial(
            _delete,
            place(store, key_file),
            connection,
            after_delivery=after_delivery,
            seconds=seconds,
        )
    )
    if json:
        print_json({"deleted": deleted})
    elif deleted:
        say("Deleted.")
    else:
        what = "messages are sent" if after_delivery else "their routers can be reached"
        say(f"It is marked, and its queues are deleted by a later command, when {what}.")


async def _delete(where: Place, beginning: str, *, after_delivery: bool, seconds: float) -> bool:
    """Whether it is gone already."""
    async with open_connections(where) as opened:
        connection_id = await opened.find(beginning)
        await opened.agent.delete(connection_id, after_delivery=after_delivery)
        with trio.move_on_after(seconds), waiting("deleting the queues"):
            await _until_deleted(opened, connection_id)
            return True
    return False


async def _until_deleted(opened: Open, connection_id: str) -> None:
    """Wait until a connection is gone; other events are left for `watch`."""
    events = opened.agent.events
    while True:
        event = await events.receive()
        if isinstance(event, ConnectionDeleted) and event.connection_id == connection_id:
            opened.memory.forget(connection_id)
            events.take()
            return
        events.keep()
