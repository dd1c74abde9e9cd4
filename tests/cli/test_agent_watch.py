"""``simplex-trio agent watch``: what the table says."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from simplex_trio import MessageReceived, RequestTimeout
from simplex_trio.agent.destination import Destination
from simplex_trio.agent.events import (
    AgentEvent,
    CannotConnect,
    Connected,
    Disconnected,
    RouterEvent,
    SubscriptionEnded,
    SubscriptionError,
)
from simplex_trio.cli.agent_watch import picture
from simplex_trio.cli.board import WINDOW, Board
from simplex_trio.errors import DialFailed
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.smp.flags import MessageFlags
from tests.cli.support import Program, Result

Cli = Callable[..., Result]

ONE = ServerAddress.parse(f"smp://{'A' * 43}=@one.example.com")
TWO = ServerAddress.parse(f"smp://{'A' * 43}=@two.example.com:443")
AT_ONE = Destination(ONE)
SESSION = b"session"

CONNECTED = Connected(AT_ONE, SESSION, None)
LOST = Disconnected(AT_ONE, SESSION, (), DialFailed("gone"))
AWAY = CannotConnect(AT_ONE, DialFailed("no host answers"))


def a_message() -> AgentEvent:
    message = MessageReceived(b"r" * 24, b"m" * 24, 0, MessageFlags(), b"")
    return RouterEvent(AT_ONE, SESSION, b"r" * 24, message)


def after(*events: AgentEvent) -> Board:
    board = Board.over([ONE, TWO, ONE])
    for event in events:
        board.note(event, 100)
    return board


def test_a_line_for_each_server() -> None:
    lines = after().lines(0)
    assert [line["server"] for line in lines] == ["one.example.com:5223", "two.example.com:443"]
    assert {line["state"] for line in lines} == {"connecting"}


@pytest.mark.parametrize(
    ("events", "state", "reconnects", "trouble"),
    [
        ([CONNECTED], "connected", 0, ""),
        ([AWAY], "trying again", 0, "no host answers"),
        ([CONNECTED, LOST], "trying again", 0, ""),
        ([CONNECTED, LOST, AWAY], "trying again", 0, "no host answers"),
        ([AWAY, CONNECTED], "connected", 0, ""),
        ([CONNECTED, LOST, CONNECTED, LOST, CONNECTED], "connected", 2, ""),
    ],
)
def test_connections(events: list[AgentEvent], state: str, reconnects: int, trouble: str) -> None:
    line, other = after(*events).lines(100)
    assert (line["state"], line["reconnects"], line["trouble"]) == (state, reconnects, trouble)
    assert other["state"] == "connecting"


def test_refusals() -> None:
    refused = SubscriptionError(
        AT_ONE, SESSION, ((b"a", RequestTimeout()), (b"b", RequestTimeout()))
    )
    line, _ = after(refused, SubscriptionEnded(AT_ONE, SESSION, b"c", False)).lines(100)
    assert line["refused"] == 3


def test_rates() -> None:
    board = after(*(a_message() for _ in range(20)))
    line, _ = board.lines(100)
    assert (line["messages"], line["messages_per_second"]) == (20, 20 / WINDOW)
    assert board.lines(100 + WINDOW + 1)[0]["messages_per_second"] == 0
    assert board.lines(100 + WINDOW + 1)[0]["messages"] == 20


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_the_screen(width: int) -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=width, highlight=False)
    console.print(picture(after(CONNECTED, LOST, AWAY).lines(100)))
    text = screen.getvalue()
    assert all(len(line) <= width for line in text.splitlines())
    assert "…" not in text
    assert "one.example.com:5223: no host answers" in text


def test_against_a_router(cli: Cli, router: str, state_file: Path, tmp_path: Path) -> None:
    cli("queue", "create", "a", router)
    cli("queue", "create", "b", router)
    cli("queue", "send", "a", "hello")
    arguments = ("agent", "watch", "--every", "0.1", "--json", "--state", state_file)
    with Program(*arguments, folder=tmp_path) as program:
        line: dict[str, Any] = {"messages": 0, "active": 0}
        while line["messages"] < 1 or line["active"] < 2:
            (line,) = json.loads(program.next_line())["servers"]
        assert program.stop().code == 130
    assert (line["state"], line["pending"], line["reconnects"]) == ("connected", 0, 0)
    assert cli("queue", "info", "a", "--json").json()["messages"] == 1
    with Program(*arguments, "--drain", folder=tmp_path) as program:
        while not json.loads(program.next_line())["servers"][0]["messages"]:
            pass
        while cli("queue", "info", "a", "--json").json()["messages"]:
            pass
        program.stop()
    cli("queue", "delete", "a")
    cli("queue", "delete", "b")


def test_for_a_while(cli: Cli, router: str) -> None:
    cli("queue", "create", "a", router)
    lines = cli("agent", "watch", "a", "--seconds", "0.1", "--every", "9").out.splitlines()
    assert len(lines) == 2
    assert all("pending" in line and "active" in line for line in lines)
    cli("queue", "delete", "a")


def test_no_queues(cli: Cli) -> None:
    assert cli("agent", "watch").code == 2
