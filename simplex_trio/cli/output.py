"""What commands print: words for people, or JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

__all__ = ["OUT", "print_json", "waiting"]

OUT = Console(highlight=False, soft_wrap=True)
"""Standard output; colours and live views only where it is a terminal."""

_ERR = Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """One JSON value on a line of its own, at once."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


@contextmanager
def waiting(for_what: str) -> Iterator[None]:
    """Show that something takes its time, on a terminal, for as long as the block lasts."""
    if not _ERR.is_terminal:
        yield
        return
    with _ERR.status(for_what):
        yield
