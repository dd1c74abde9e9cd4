"""`persistently`: retries for errors that are temporary."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from simplex_trio.errors import SimplexError, StoreError
from simplex_trio.xftp.files.config import TransferConfig
from simplex_trio.xftp.files.progress import Listener, Retrying

__all__ = ["persistently"]

T = TypeVar("T")


async def persistently(
    attempt: Callable[[], Awaitable[T]], packet: int, config: TransferConfig, tell: Listener
) -> T:
    """Call ``attempt`` until it succeeds, and return what it returns.

    Raises the error of the last attempt, an error that is not ``retryable``, or an error of the
    local disk; the latter two without another attempt.
    """
    started = trio.current_time()
    wait: float | None = None
    attempts = config.attempts
    while True:
        attempts -= 1
        try:
            return await attempt()
        except SimplexError as exc:
            if isinstance(exc, StoreError) or not (exc.retryable and attempts):
                raise
            error = exc
        wait = config.backoff.next_wait(wait, trio.current_time() - started)
        seconds = config.backoff.shortened(wait, config.chance.random())
        tell(Retrying(packet, error, seconds))
        await trio.sleep(seconds)
