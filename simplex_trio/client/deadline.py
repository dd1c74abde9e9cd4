"""`connect_deadline`: the time that connecting may take, and the error when it has passed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from simplex_trio.client.timeouts import Patience, Timeouts
from simplex_trio.errors import ConnectTimeout

__all__ = ["connect_deadline"]


@contextmanager
def connect_deadline(timeouts: Timeouts, patience: Patience) -> Iterator[None]:
    """Cancel the block when the time for connecting is over, and raise `ConnectTimeout`."""
    with trio.move_on_after(timeouts.seconds(patience)) as scope:
        yield
    if scope.cancelled_caught:
        raise ConnectTimeout("the connection was not there in time")
