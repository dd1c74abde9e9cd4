"""Runs the program of docs/how-to/store-queues.md, and kills it at one of its lines.

``python -m tests.docs.killed_program``: each line of the input says, as JSON, which function is to
be called with which router and folder, and at which line it is to be killed, if at all.  It runs in
a process of its own, forked from this one, which has imported everything already.  The answer is
whether it was killed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any

import trio

from simplex_trio.storage import files
from simplex_trio.wire.addresses import ServerAddress

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "store-queues.md"


def load() -> dict[str, Any]:
    """The functions of the program, of which the last statement, which calls them, is left out."""
    code = PAGE.read_text().partition("```python\n")[2].partition("```")[0]
    definitions, statement, _ = code.partition("\nwith TemporaryDirectory()")
    assert statement
    program: dict[str, Any] = {"__name__": "program"}
    exec(compile(definitions, str(PAGE), "exec"), program)
    return program


class Killer:
    """Kills the process before its n-th line, of the program or of what writes its file."""

    def __init__(self, at: int) -> None:
        self._left = at
        self._files = (str(PAGE), files.__file__)

    def trace(self, frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename not in self._files:
            return None
        if event == "line":
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.trace

    def in_threads(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, with its lines counted in whichever thread it runs."""

        @wraps(function)
        def traced(*args: Any) -> Any:
            sys.settrace(self.trace)
            try:
                return function(*args)
            finally:
                sys.settrace(None)

        return traced


def perform(program: dict[str, Any], task: dict[str, Any]) -> None:
    """Call a function of the program."""
    if task["kill"] is not None:
        killer = Killer(task["kill"])
        for name in ("replace_file", "keep"):
            program[name] = killer.in_threads(program[name])
        sys.settrace(killer.trace)
    arguments = (ServerAddress.parse(task["router"]), Path(task["folder"]), *task["more"])
    trio.run(program[task["call"]], *arguments)
    sys.settrace(None)


def main() -> None:
    program = load()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os.dup2(2, 1)  # what the program prints
            perform(program, json.loads(line))
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps({0: False, -signal.SIGKILL: True}[status]), flush=True)


if __name__ == "__main__":
    main()
