"""What comes from the network or from files of others is nothing that a terminal obeys."""

from __future__ import annotations

import io
import logging
import unicodedata
from collections.abc import Callable

import pytest
from rich.console import Console

from simplex_trio.agent.destination import Destination
from simplex_trio.agent.events import CannotConnect
from simplex_trio.cli import xftp_bars
from simplex_trio.cli.agent_watch import picture
from simplex_trio.cli.board import Board
from simplex_trio.cli.failures import CommandFailed
from simplex_trio.cli.logs import LogFormat, log_to_stderr
from simplex_trio.cli.output import aside, complain, harmless, one_line, print_json, say
from simplex_trio.cli.reporting import explained
from simplex_trio.errors import DecodeError, DialFailed
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.xftp.files.progress import Retrying
from tests.cli.support import same_logging

ORDERS = [
    "\x1b[2J",  # clear the screen
    "\x1b]0;title\x07",
    "\x1b]52;c;cm0gLXJmIC8=\x07",  # the clipboard
    "\x9b31m",  # the same as ESC and a bracket
    "\x90q\x9c",
    "\r",
    "\x08\x7f",
    "\u202e\u2066",  # directions of writing
    "\u200b\ufeff",
    "\u2028\u2029\x85\x0b\x0c",
    "\x00",
    "\ud800",  # half of a character, or a byte of a file name
    "\U000e0041",
]


def is_harmless(text: str) -> bool:
    return all(
        each == "\n" or unicodedata.category(each)[0] not in "CZ" or each == " " for each in text
    )


def fail(text: str) -> None:
    with pytest.raises(SystemExit), explained():
        raise CommandFailed(text)


def fail_to_read(text: str) -> None:
    with pytest.raises(SystemExit), explained():
        raise DecodeError(text)


def fail_to_open(text: str) -> None:
    with pytest.raises(SystemExit), explained():
        raise OSError(2, "no such file", text)


def log(text: str) -> None:
    with same_logging():
        log_to_stderr(LogFormat.TEXT, verbose=False)
        try:
            raise ValueError(text)
        except ValueError:
            logging.getLogger("simplex_trio.test").exception("%s", text)


def log_json(text: str) -> None:
    with same_logging():
        log_to_stderr(LogFormat.JSON, verbose=False)
        logging.getLogger("simplex_trio.test").error("%s", text)


def retry(text: str) -> None:
    with xftp_bars.showing_progress() as tell:
        tell(Retrying(1, DialFailed(text), 1))


WAYS: list[Callable[[str], object]] = [
    say, aside, complain, print_json, fail, fail_to_read, fail_to_open, log, log_json, retry,
]  # fmt: skip


@pytest.mark.parametrize("orders", ORDERS, ids=ascii)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_orders_are_spelt_out(
    capsys: pytest.CaptureFixture[str], way: Callable[[str], object], orders: str
) -> None:
    way(f"before{orders}after")
    captured = capsys.readouterr()
    printed = captured.out + captured.err
    assert "before" in printed
    assert "after" in printed
    assert is_harmless(printed)
    assert "beforeafter" not in printed


def test_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for orders in ORDERS:
        screen = io.StringIO()
        console = Console(file=screen, force_terminal=True, color_system=None, width=100)
        monkeypatch.setattr(xftp_bars, "ERR", console)
        retry(f"before{orders}after")
        (line,) = (each for each in screen.getvalue().splitlines() if "before" in each)
        assert f"before{one_line(orders)}after" in line


def test_a_table_of_servers() -> None:
    """Hosts in brackets are no markup, and what went wrong is no order."""
    server = ServerAddress.parse(f"smp://{'A' * 43}=@[fd00::1]:443")
    for orders in ORDERS:
        board = Board.over([server])
        board.note(CannotConnect(Destination(server), DialFailed(f"no{orders}host")), 0)
        out = io.StringIO()
        Console(file=out, width=100).print(picture(board.lines(0)))
        assert is_harmless(out.getvalue())
        assert out.getvalue().count("[fd00::1]:443") == 2
        assert one_line(orders) in out.getvalue()


def test_text_stays_as_it_is() -> None:
    for text in ("", "plain", "größer, 大きい, 🎉", "a\\b", "[bold]", "two\nlines\n"):
        assert harmless(text) == text
    assert one_line("two\nlines") == "two\\nlines"


def test_every_character_of_the_planes_that_have_some() -> None:
    for start in (0, 0xD700, 0xE0000):
        assert is_harmless(harmless("".join(map(chr, range(start, start + 0x3000)))))
