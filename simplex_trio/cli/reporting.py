"""How failures of commands are reported: one plain sentence, and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from simplex_trio.cli.failures import ExitCode, Interrupted
from simplex_trio.cli.output import complain, print_json
from simplex_trio.errors import SimplexError

__all__ = ["explained", "named"]

_INTERRUPTED = 128 + signal.SIGINT
_NO_READER = 128 + 13  # SIGPIPE, which Python turns into an exception


@contextmanager
def named(place: str) -> Iterator[None]:
    """Say of errors in the block which router they are about, which errors do not tell themselves.

    They may end up in logs; what a command prints is for the one who has named the router.
    """
    try:
        yield
    except (SimplexError, BaseExceptionGroup) as exc:
        exc.add_note(place)
        raise


@contextmanager
def explained(*, as_json: bool = False) -> Iterator[None]:
    """Turn expected errors into a sentence on standard error and an exit code; bugs stay bugs.

    With ``as_json`` programs find the same on standard output.
    """
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except Interrupted as exc:
        sys.exit(128 + exc.signal)
    except (SimplexError, OSError, BaseExceptionGroup) as exc:
        errors = list(_leaves(exc))
        notes = [*getattr(exc, "__notes__", ()), *getattr(errors[0], "__notes__", ())]
        if not all(isinstance(each, SimplexError | OSError) for each in errors):
            raise
        if any(isinstance(each, BrokenPipeError) for each in errors):
            _leave_quietly()
        from simplex_trio.cli.explanations import explain

        sentence, code = explain(errors[0], notes[0] if notes else None)
        complain(sentence)
        if as_json and code is not ExitCode.UNFINISHED:  # which is no error, and reported before
            try:
                print_json({"error": sentence, "exit_code": code})
            except OSError:
                _discard_output()  # its reader has gone, or its disk is full
        sys.exit(code)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _leave_quietly() -> NoReturn:
    """Exit because the reader of our output has gone, as after ``| head``."""
    _discard_output()
    sys.exit(_NO_READER)


def _discard_output() -> None:
    # Python would complain once more when it flushes at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
