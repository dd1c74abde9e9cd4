"""What commands print: words for people, or JSON for programs.

Much of it has come from the network, or from files that others have made: names, messages, hosts,
error texts of routers.  A terminal obeys control characters, so everything printed here has them
escaped; callers need not take care of it.
"""

from __future__ import annotations

import base64
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

__all__ = [
    "ERR",
    "OUT",
    "aside",
    "at_time",
    "complain",
    "date_of",
    "harmless",
    "one_line",
    "print_json",
    "qr_code",
    "say",
    "show_qr_code",
    "text_or_base64",
    "waiting",
]

_POSSIBLE_TIMES = range(2**33)
"""Seconds since 1970 that a calendar has days for, in every time zone: up to the year 2242."""

OUT = Console(highlight=False)
"""Standard output; colours and live views only where it is a terminal."""

ERR = Console(stderr=True, highlight=False)
"""Standard error, for what is not the result: progress, and what goes wrong on the way."""


def say(text: str = "", *, style: str | None = None, prose: bool = False) -> None:
    """Lines of the result, in which nothing is taken for markup, nor by a terminal for orders.

    Addresses and paths are not broken, so that they can be copied; ``prose`` is, between words, if
    it does not fit on a terminal.
    """
    breaks = prose and OUT.is_terminal
    OUT.print(harmless(text), style=style, markup=False, soft_wrap=not breaks)


def aside(text: str) -> None:
    """A line about what happens on the way, which is not the result."""
    ERR.print(one_line(text), style="dim", markup=False, soft_wrap=not ERR.is_terminal)


def complain(sentence: str) -> None:
    """The one sentence about what went wrong."""
    ERR.print(f"simplex-trio: {one_line(sentence)}", markup=False, soft_wrap=not ERR.is_terminal)


def print_json(value: Any) -> None:
    """One JSON value on a line of its own, at once."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def one_line(text: str) -> str:
    """Text from elsewhere as one harmless line: what would move the cursor is spelt out."""
    return "".join(each if each.isprintable() else _spelt(each) for each in text)


def harmless(text: str) -> str:
    """As `one_line`, for text that may have several."""
    return "\n".join(map(one_line, text.split("\n")))


def date_of(seconds: int) -> datetime | None:
    """A time that a router has stated, in seconds since 1970; `None` if it is impossible."""
    return datetime.fromtimestamp(seconds, UTC) if seconds in _POSSIBLE_TIMES else None


def at_time(date: datetime | None) -> str:
    """A time for people, by the clock of this machine."""
    return "at some time" if date is None else date.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def text_or_base64(body: bytes) -> dict[str, str]:
    """Bytes from elsewhere as a field for JSON: ``text``, or ``base64`` if they are none."""
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


def _spelt(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


@contextmanager
def waiting(for_what: str) -> Iterator[None]:
    """Show that something takes its time, on a terminal, for as long as the block lasts."""
    if not ERR.is_terminal:
        yield
        return
    with ERR.status(for_what):
        yield


def qr_code(text: str) -> str:
    """A QR code of ``text`` as lines of half blocks; quiet zone included."""
    import segno

    out = io.StringIO()
    segno.make_qr(text, error="l").terminal(out, compact=True)
    return out.getvalue()


def show_qr_code(text: str) -> None:
    """Print a QR code of ``text``: light blocks on a dark ground, whatever the terminal's colours.

    Where there are no colours it is right on a dark ground, and inverted on a light one, which the
    apps can read too.
    """
    code = qr_code(text).rstrip("\n")
    if OUT.is_terminal and OUT.color_system is not None and not OUT.no_color:
        OUT.print(code, style="#ffffff on #000000", markup=False, soft_wrap=True)
    else:
        say(code)
