"""Staggered attempts: the next one starts when the previous one fails or takes too long.

This is "happy eyeballs", which is about the addresses of one host name, for the hosts of an
address.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import trio

from simplex_trio.errors import ConnectError
from simplex_trio.nursery import open_inner_nursery

__all__ = ["open_first"]

StreamT = TypeVar("StreamT", bound=trio.abc.AsyncResource)


async def open_first(
    attempts: Sequence[Callable[[], Awaitable[StreamT]]], *, delay: float
) -> StreamT:
    """Return what the first successful attempt opens; cancel the others, or close what they open.

    An attempt starts when the one before it has failed, or has taken ``delay`` seconds.  If all
    fail with a `ConnectError`, then the first one's kind of error is raised, caused by all of them.
    Cancelling it cancels the attempts and leaves nothing open.
    """
    opened: list[StreamT] = []
    failures: list[ConnectError] = []

    async def attempt(open_one: Callable[[], Awaitable[StreamT]], failed: trio.Event) -> None:
        try:
            stream = await open_one()
        except ConnectError as exc:
            failures.append(exc)
            failed.set()
        else:
            opened.append(stream)
            nursery.cancel_scope.cancel()

    try:
        async with open_inner_nursery() as nursery:
            for open_one in attempts:
                failed = trio.Event()
                nursery.start_soon(attempt, open_one, failed)
                with trio.move_on_after(delay):
                    await failed.wait()
        if opened:
            return opened.pop(0)
    finally:
        for stream in opened:
            await trio.aclose_forcefully(stream)
    if len(failures) == 1:
        raise failures[0]
    raise type(failures[0])("none of the hosts could be reached") from ExceptionGroup(
        "the hosts of one address", failures
    )
