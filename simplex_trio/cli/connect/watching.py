"""``simplex-trio connect watch``: print what happens, and acknowledge the messages among it."""

from __future__ import annotations

import math
from contextlib import suppress
from functools import partial
from typing import Annotated

import trio
from cyclopts import Parameter

from simplex_trio.cli.connect.store import (
    KeyFile,
    Open,
    Place,
    StoreName,
    open_connections,
    place,
)
from simplex_trio.cli.connect.wording import fields, sentence
from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.options import AsJson, Count, Flag, Seconds
from simplex_trio.cli.output import aside, print_json, say, waiting
from simplex_trio.cli.running import run
from simplex_trio.duplex.errors import DuplexError
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionDeleted,
    ConnectionEvent,
    DeliveryWarning,
    DuplexEvent,
    PeerInfo,
    PeerMessage,
    RequestReceived,
    RouterDown,
    RouterUp,
)
from simplex_trio.duplex.file_events import FileEvent, FileProgress

__all__ = ["watch"]

_LEAVING = 5.0
"""Seconds for which acknowledgements and receipts are waited for at the end."""


def watch(
    *ids: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,
            help="Only these connections, by their ids or their beginnings; all unless given.",
        ),
    ],
    receipts: Flag = False,
    count: Count = None,
    seconds: Seconds = None,
    accept_loss: Flag = False,
    store: StoreName = None,
    key_file: KeyFile = None,
    json: AsJson = False,
) -> int:
    """Print messages and everything else that happens, until Ctrl-C; send what waits meanwhile.

    Messages that are printed are acknowledged, and do not come again; one that is printed while the
    program is killed may come once more, with the same id. Peers that wait to be accepted are shown
    again by each `watch`.

    Parameters
    ----------
    receipts
        Tell peers that their messages were received.
    count
        Stop after so many messages.
    seconds
        Stop after this time; that fails if fewer messages came than asked for.
    accept_loss
        Start even if the store lacks its last commits, which are given up.
    """
    watching = partial(
        _watch,
        place(store, key_file),
        ids,
        receipts=receipts,
        count=math.inf if count is None else count,
        seconds=math.inf if seconds is None else seconds,
        accept_loss=accept_loss,
        json=json,
    )
    enough = run(watching)
    return ExitCode.OK if count is None or enough else ExitCode.FAILED


async def _watch(
    where: Place,
    ids: tuple[str, ...],
    *,
    receipts: bool,
    count: float,
    seconds: float,
    accept_loss: bool,
    json: bool,
) -> bool:
    """Whether as many messages came as were waited for."""
    async with open_connections(where, accept_loss=accept_loss) as opened:
        if not await opened.agent.connections():
            raise CommandFailed(
                "There are no connections yet; make one with: simplex-trio connect create",
                ExitCode.USAGE,
            )
        wanted = {await opened.find(each) for each in ids}
        printed = 0
        with trio.move_on_after(seconds):
            while printed < count:
                event = await opened.agent.events.receive()
                printed += await _deal_with(opened, event, wanted, receipts=receipts, json=json)
        with trio.move_on_after(_LEAVING), waiting("telling routers"):
            await opened.agent.drain(wanted or None)
    return printed >= count


async def _deal_with(
    opened: Open, event: DuplexEvent, wanted: set[str], *, receipts: bool, json: bool
) -> int:
    """Print an event and be done with it; how many messages that was."""
    events = opened.agent.events
    if isinstance(event, RouterUp | RouterDown | FileProgress):
        _tell(opened, event, json=json)
        return 0
    if isinstance(event, FileEvent):
        # What is told of files goes to the command that has begun with them.
        events.keep()
        return 0
    if wanted and event.connection_id not in wanted:
        events.keep()
        return 0
    if isinstance(event, ConfirmationReceived) and not await opened.still_waits(event):
        return 0
    _tell(opened, event, json=json)
    match event:
        case PeerMessage():
            with suppress(DuplexError):  # the connection was deleted meanwhile
                await opened.agent.acknowledge(event, receipt=receipts)
            return 1
        case ConfirmationReceived() | RequestReceived():
            events.keep()  # until the peer has an answer
            return 0
        case PeerInfo():
            opened.memory.name(event.connection_id, event.info)
        case ConnectionDeleted():
            opened.memory.forget(event.connection_id)
    events.take()
    return 0


def _tell(opened: Open, event: DuplexEvent, *, json: bool) -> None:
    if json:
        print_json(fields(event))
        return
    on_the_way = isinstance(event, RouterUp | RouterDown | FileProgress | DeliveryWarning)
    name = ""
    if isinstance(event, ConnectionEvent):
        name = opened.memory.names.get(event.connection_id, "")
    (aside if on_the_way else say)(sentence(event, name))
