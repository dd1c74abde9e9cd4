"""`ask`: a question to the person at the terminal."""

from __future__ import annotations

import sys

import trio

from simplex_trio.cli.output import ERR, one_line

__all__ = ["ask", "can_ask"]


def can_ask() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty()


async def ask(question: str) -> str:
    """The answer, in small letters; empty at the end of the input.  Ctrl-C is heard meanwhile."""
    ERR.print(one_line(question), end=" ", markup=False, soft_wrap=True)
    # A terminal can be read once a whole line was typed, so reading that does not block; a thread
    # that waits for it could not be ended.
    await trio.lowlevel.wait_readable(sys.stdin)
    return sys.stdin.readline().strip().lower()
