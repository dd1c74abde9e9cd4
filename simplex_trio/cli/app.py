"""``simplex-trio``: what is installed under that name, and what happens when a command fails."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

__all__ = ["main"]

_EXTRA = ("cyclopts", "rich", "segno")
_INTERRUPTED = 128 + signal.SIGINT


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; the entry point that is installed as ``simplex-trio``."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    with _ends_at_once(), _loading(is_program=arguments is None):
        try:
            from simplex_trio.cli.commands import find_command
            from simplex_trio.cli.failures import ExitCode
            from simplex_trio.cli.reporting import explained
        except ModuleNotFoundError as exc:
            if exc.name not in _EXTRA:
                raise
            sys.exit(
                f"simplex-trio: {exc.name} is missing, which the command line needs; "
                'install it with: pip install "simplex-trio[cli]"'
            )
        with explained(as_json=_wants_json(given)):
            command = find_command(given)
    with explained(as_json=_wants_json(given)):
        result = command()
    sys.exit(ExitCode.OK if result is None else result)


@contextmanager
def _ends_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process without a word while modules are being loaded.

    A `KeyboardInterrupt` in the middle of an import has a long traceback, and nothing is to be
    cleaned up yet.
    """
    is_main = threading.current_thread() is threading.main_thread()
    # It may be ignored on purpose, as by nohup.
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def _loading(*, is_program: bool) -> Iterator[None]:
    """Keep the garbage collector away from modules, which are not freed.

    Loading takes an eighth longer with it.  The collector is that of the process, so this is for
    one that does nothing else.
    """
    if not is_program or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _end(_number: int, _frame: object) -> NoReturn:
    os._exit(_INTERRUPTED)


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether the arguments ask for JSON, as far as that can be said of arguments with mistakes."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options
