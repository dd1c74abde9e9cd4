"""Runs the async part of a command so that Ctrl-C cancels it instead of interrupting it."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from simplex_trio.cli.failures import Interrupted
from simplex_trio.errors import SimplexError
from simplex_trio.nursery import open_inner_nursery

__all__ = ["run", "run_service"]

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(function: Callable[[], Awaitable[T]], *, takes_hang_ups: bool = False) -> T:
    """Run ``function`` in a Trio loop of its own, and return what it returns.

    SIGINT and SIGTERM cancel it, and when it has ended raise `Interrupted`.  So does SIGHUP, which
    comes when a terminal is closed, unless the function takes it itself, or nohup has had it
    ignored.  A second signal is not waited for: it has its usual effect.  Call it in the main
    thread.
    """
    return trio.run(_run, function, [*_SIGNALS] if takes_hang_ups else _with_hang_up())


def _with_hang_up() -> list[signal.Signals]:
    number = getattr(signal, "SIGHUP", None)  # not on Windows
    if number is None or signal.getsignal(number) is not signal.SIG_DFL:
        return [*_SIGNALS]
    return [*_SIGNALS, number]


def run_service(
    function: Callable[[], Awaitable[object]], *, takes_hang_ups: bool = False
) -> str | None:
    """Run something until a signal ends it, which is a success; returns the name of the signal."""
    try:
        run(function, takes_hang_ups=takes_hang_ups)
    except Interrupted as exc:
        return exc.signal.name
    return None


async def _run(function: Callable[[], Awaitable[T]], numbers: list[signal.Signals]) -> T:
    result: list[T] = []
    caught: list[int] = []

    async def watch(task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(*numbers) as signals:
            task_status.started()
            async for number in signals:
                caught.append(number)
                break
        nursery.cancel_scope.cancel()

    try:
        async with open_inner_nursery() as nursery:
            await nursery.start(watch)
            result.append(await function())
            nursery.cancel_scope.cancel()
    except SimplexError as exc:
        # All parts are cancelled at once: one may see the connection to another end first.
        if caught:
            raise Interrupted(caught[0]) from exc
        raise
    if not result:
        raise Interrupted(caught[0])
    return result[0]
