"""How failures of commands are reported: one plain sentence, and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from simplex_trio.cli.failures import Interrupted
from simplex_trio.cli.output import complain
from simplex_trio.errors import SimplexError

__all__ = ["explained"]

_INTERRUPTED = 128 + 2
_NO_READER = 128 + 13  # SIGPIPE, which Python turns into an exception


@contextmanager
def explained() -> Iterator[None]:
    """Turn expected errors into a sentence on standard error and an exit code; bugs stay bugs."""
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except Interrupted as exc:
        sys.exit(128 + exc.signal)
    except (SimplexError, OSError, BaseExceptionGroup) as exc:
        errors = list(_leaves(exc))
        if not all(isinstance(each, SimplexError | OSError) for each in errors):
            raise
        if any(isinstance(each, BrokenPipeError) for each in errors):
            _leave_quietly()
        from simplex_trio.cli.explanations import explain

        sentence, code = explain(errors[0])
        complain(sentence)
        sys.exit(code)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _leave_quietly() -> NoReturn:
    """Exit because the reader of our output has gone, as after ``| head``."""
    # Python would complain once more when it flushes at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(_NO_READER)
