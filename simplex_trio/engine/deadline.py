"""`connect_deadline`: the time-out for connecting, and its error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from simplex_trio.engine.timeouts import Patience, Timeouts
from simplex_trio.errors import ConnectTimeout

__all__ = ["connect_deadline"]


@contextmanager
def connect_deadline(timeouts: Timeouts, patience: Patience) -> Iterator[None]:
    """Cancel the block after the time-out for connecting, and raise `ConnectTimeout`."""
    with trio.move_on_after(timeouts.seconds(patience)) as scope:
        yield
    if scope.cancelled_caught:
        raise ConnectTimeout("connecting took too long")
