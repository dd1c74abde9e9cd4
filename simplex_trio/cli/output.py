"""What commands print: words for people, or JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

__all__ = ["ERR", "OUT", "one_line", "print_json", "waiting"]

OUT = Console(highlight=False, soft_wrap=True)
"""Standard output; colours and live views only where it is a terminal."""

ERR = Console(stderr=True, highlight=False, soft_wrap=True)
"""Standard error, for what is not the result: progress, and what goes wrong on the way."""


def print_json(value: Any) -> None:
    """One JSON value on a line of its own, at once."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def one_line(text: str) -> str:
    """Text from elsewhere as one harmless line: what would move the cursor, or ring, is spelt out."""
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
