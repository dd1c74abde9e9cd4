"""``simplex-trio agent watch``: a live table of what an agent has, server by server."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Annotated, Any

import trio
from cyclopts import Parameter
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from simplex_trio.agent.agent import SMPClientAgent, open_smp_agent
from simplex_trio.agent.events import RouterEvent
from simplex_trio.cli.board import Board
from simplex_trio.cli.options import AsJson, Flag, Seconds, StateFile, at_least
from simplex_trio.cli.output import OUT, one_line, print_json, say
from simplex_trio.cli.queue_watch import acknowledge, chosen
from simplex_trio.cli.running import run
from simplex_trio.cli.state import SavedQueue, State, default_path
from simplex_trio.client.smp.queues import MessageReceived, QuotaReached
from simplex_trio.nursery import open_inner_nursery

__all__ = ["agent_watch", "picture"]

Lines = Sequence[dict[str, Any]]

_SHORTEST = 0.1
"""Seconds between two looks, so that looking is not all that it does."""


def agent_watch(
    *names: str,
    drain: Flag = False,
    every: Annotated[float, Parameter(validator=at_least(_SHORTEST))] = 1.0,
    seconds: Seconds = None,
    state: StateFile = None,
    json: AsJson = False,
) -> None:
    """Subscribe to the queues in the state file, and show how that goes, until Ctrl-C.

    Other programs lose their subscriptions to them. Messages are counted and not acknowledged.

    Parameters
    ----------
    names
        Queues in the state file; all of them unless given.
    drain
        Acknowledge messages, which deletes them, so that the next ones come.
    every
        Seconds between two looks.
    seconds
        Stop after this time.
    """
    queues = chosen(State.load(state or default_path()), names)
    live = OUT.is_terminal and not json
    show_each = _show_json if json else _show_lines
    with _showing_live(OUT) if live else nullcontext(show_each) as show:
        run(partial(_watch, queues, show, drain=drain, every=every, seconds=seconds))


# --- watching -----------------------------------------------------------------------------------


async def _watch(
    queues: Sequence[SavedQueue],
    show: Callable[[Lines], None],
    *,
    drain: bool,
    every: float,
    seconds: float | None,
) -> None:
    board = Board.over(saved.router for saved in queues)
    known = {(saved.router, saved.queue.recipient_id): saved for saved in queues}
    async with open_smp_agent() as agent, open_inner_nursery() as nursery:
        for saved in queues:
            agent.subscribe(saved.router, [saved.queue])
        nursery.start_soon(_look_regularly, agent, board, show, every)
        with trio.move_on_after(math.inf if seconds is None else seconds):
            async for event in agent.events:
                board.note(event, trio.current_time())
                match event:
                    case RouterEvent(event=MessageReceived() | QuotaReached() as message) if drain:
                        saved_queue = known.get((event.server, message.recipient_id))
                        if saved_queue is not None:
                            nursery.start_soon(acknowledge, agent, saved_queue, message.message_id)
        _look(agent, board, show)
        nursery.cancel_scope.cancel()


async def _look_regularly(
    agent: SMPClientAgent, board: Board, show: Callable[[Lines], None], every: float
) -> None:
    while True:
        _look(agent, board, show)
        await trio.sleep(every)


def _look(agent: SMPClientAgent, board: Board, show: Callable[[Lines], None]) -> None:
    for server, line in board.servers.items():
        subscriptions = agent.subscriptions(server)
        line.pending, line.active = len(subscriptions.pending), len(subscriptions.active)
    show(board.lines(trio.current_time()))


# --- showing ------------------------------------------------------------------------------------


@contextmanager
def _showing_live(console: Console) -> Iterator[Callable[[Lines], None]]:
    with Live(Text("connecting"), console=console, auto_refresh=False) as live:
        yield lambda lines: live.update(picture(lines), refresh=True)


def picture(lines: Lines) -> RenderableType:
    """The lines as a table for a terminal, and below it what is wrong."""
    found = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", expand=True)
    found.add_column("Server", overflow="ellipsis", no_wrap=True, ratio=1)
    found.add_column("Connection", no_wrap=True)
    for header in ("Pending", "Active", "Reconnects", "Messages", "per s"):
        found.add_column(header, justify="right", no_wrap=True)
    for line in lines:
        connected = line["state"] == "connected"
        found.add_row(
            Text(one_line(line["server"])),
            Text(line["state"], style="green" if connected else "bold red"),
            Text(str(line["pending"]), style="yellow" if line["pending"] else "dim"),
            Text(str(line["active"]), style="green" if line["active"] else "dim"),
            str(line["reconnects"]),
            str(line["messages"]),
            f"{line['messages_per_second']:.1f}",
        )
    notes = [Text(one_line(f"{line['server']}: {note}")) for line in lines for note in _notes(line)]
    return Group(found, *notes)


def _notes(line: dict[str, Any]) -> list[str]:
    notes = []
    if line["trouble"]:
        notes.append(line["trouble"])
    if line["refused"]:
        notes.append(f"{line['refused']} refused, or taken over by another program")
    return notes


def _show_lines(lines: Lines) -> None:
    for line in lines:
        notes = "".join(f" ({note})" for note in _notes(line))
        say(
            f"{line['server']}: {line['state']}, {line['pending']} pending, "
            f"{line['active']} active, {line['reconnects']} reconnects, "
            f"{line['messages']} messages, {line['messages_per_second']:.1f} per second{notes}"
        )


def _show_json(lines: Lines) -> None:
    print_json({"servers": list(lines)})
