"""`opened_when_free`: a store in a file that another process has open, as soon as it has ended."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import trio

from simplex_trio.errors import StoreLocked

__all__ = ["STANDBY_SECONDS", "opened_when_free"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

STANDBY_SECONDS: Final = 0.5
"""How often a router that stands by looks whether it may open the store."""


async def opened_when_free(opening: Callable[[], Awaitable[T]]) -> T:
    """What ``opening`` returns, called until it does not raise `StoreLocked`.

    The log says once what this waits for.
    """
    is_said = False
    while True:
        try:
            return await opening()
        except StoreLocked as exc:
            if not is_said:
                _log.info("standing by: %s", exc)
                is_said = True
        await trio.sleep(STANDBY_SECONDS)
