"""What all of these bots are started with: a file, and a router."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio


def parser(description: str | None) -> argparse.ArgumentParser:
    """The command line of a bot, to which an example may add something."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("file", help="where the bot keeps its address and its contacts")
    made.add_argument(
        "--router",
        action="append",
        required=True,
        metavar="smp://...",
        help="a router for the bot's queues, which people's apps can reach; may be repeated",
    )
    return made


def run(
    main: Callable[[argparse.Namespace], Awaitable[None]], arguments: argparse.Namespace
) -> None:
    """Run a bot until Ctrl+C or SIGTERM ends it in order; it may also be killed at any moment."""
    with suppress(KeyboardInterrupt):
        trio.run(_run, main, arguments)


async def _run(
    main: Callable[[argparse.Namespace], Awaitable[None]], arguments: argparse.Namespace
) -> None:
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def end() -> None:
                async for _ in signals:
                    nursery.cancel_scope.cancel()

            nursery.start_soon(end)
            await main(arguments)
            nursery.cancel_scope.cancel()
