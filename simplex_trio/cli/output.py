"""What commands print: words for people, or JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

__all__ = ["ERR", "OUT", "aside", "one_line", "print_json", "say", "waiting"]

OUT = Console(highlight=False)
"""Standard output; colours and live views only where it is a terminal."""

ERR = Console(stderr=True, highlight=False)
"""Standard error, for what is not the result: progress, and what goes wrong on the way."""


def say(text: str = "", *, style: str | None = None) -> None:
    """A line of the result, as it is: no line is broken, and nothing in it is taken for markup."""
    OUT.print(text, style=style, markup=False, soft_wrap=True)


def aside(text: str) -> None:
    """A line about what happens on the way, which is not the result."""
    ERR.print(text, style="dim", markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON value on a line of its own, at once."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def one_line(text: str) -> str:
    """Text from elsewhere as one harmless line: what would move the cursor is spelt out."""
    return "".join(each if each.isprintable() else _spelt(each) for each in text)


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
