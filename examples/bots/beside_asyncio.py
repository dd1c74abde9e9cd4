"""A bot in a program for asyncio, such as one with a web framework.

::

    python examples/bots/beside_asyncio.py bot.db --router smp://…@smp.example.com

The bot runs Trio in a thread of its own, and each side calls the other's functions.  Here asyncio
counts the messages, and says each minute how many there were.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, TypeVar

import trio
from command_line import parser

from simplex_trio.chat import Bot, Handlers, IncomingMessage, open_bot

T = TypeVar("T")


class BotThread:
    """A bot in a thread, as asyncio sees it; `open_bot_thread` opens one."""

    def __init__(self, bot: Bot, token: trio.lowlevel.TrioToken) -> None:
        self.bot = bot
        self._token = token

    async def call(self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        """What an async function of Trio returns, called beside the bot; for asyncio.

        It occupies a thread of asyncio's pool meanwhile.  Cancelling gives up waiting for it; it
        goes on all the same.
        """
        return await asyncio.to_thread(
            trio.from_thread.run, function, *args, trio_token=self._token
        )


@asynccontextmanager
async def open_bot_thread(
    opening: Callable[[], AbstractAsyncContextManager[Bot]],
) -> AsyncIterator[BotThread]:
    """Run Trio with a bot in a thread, for as long as a block of asyncio.

    ``opening`` opens the bot, in the thread.  What it raises comes out here; so does at the end
    what has ended the bot meanwhile.
    """
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[BotThread] = loop.create_future()
    ended: asyncio.Future[None] = loop.create_future()
    begun: concurrent.futures.Future[tuple[trio.lowlevel.TrioToken, trio.CancelScope]] = (
        concurrent.futures.Future()
    )

    def settle(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
        if not future.done():
            future.set_exception(error) if error else future.set_result(value)

    async def live() -> None:
        token = trio.lowlevel.current_trio_token()
        with trio.CancelScope() as scope:
            begun.set_result((token, scope))
            async with opening() as bot:
                loop.call_soon_threadsafe(settle, opened, BotThread(bot, token), None)
                await trio.sleep_forever()

    def run() -> None:
        error: BaseException | None = None
        try:
            trio.run(live)
        except BaseException as exc:
            error = exc
        with suppress(RuntimeError):  # the loop is closed if the program has ended already
            loop.call_soon_threadsafe(settle, opened, None, error)
            loop.call_soon_threadsafe(settle, ended, None, error)

    threading.Thread(target=run, name="bot").start()
    token, scope = begun.result()
    try:
        yield await asyncio.shield(opened)
    finally:
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(scope.cancel)
        await asyncio.shield(ended)


async def call_asyncio(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine of asyncio returns; for Trio.

    Cancelling cancels the coroutine, and does not wait for it.
    """
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        return await trio.to_thread.run_sync(future.result, abandon_on_cancel=True)
    finally:
        future.cancel()


class Counter:
    """Something that belongs to asyncio."""

    def __init__(self) -> None:
        self.count = 0

    async def add(self) -> int:
        """Count one more."""
        await asyncio.sleep(0)
        self.count += 1
        return self.count


def counting(counter: Counter, loop: asyncio.AbstractEventLoop) -> Handlers:
    """Handlers, which run in Trio and call asyncio."""
    handlers = Handlers()

    @handlers.on_message()
    async def count(message: IncomingMessage) -> None:
        number = await call_asyncio(loop, counter.add())
        await message.reply(f"That was message {number}.")

    return handlers


async def announce(bot: Bot, text: str) -> None:
    """Send a text to all contacts; for Trio."""
    for contact in await bot.contacts():
        await contact.send(text)


async def main(arguments: Namespace) -> None:
    """Run the program until it is interrupted; for asyncio."""
    counter = Counter()
    handlers = counting(counter, asyncio.get_running_loop())

    def opening() -> AbstractAsyncContextManager[Bot]:
        return open_bot(
            arguments.file, profile="Counter", handlers=handlers, servers=arguments.router
        )

    async with open_bot_thread(opening) as thread:
        print(thread.bot.address, flush=True)
        while True:
            await asyncio.sleep(60)
            await thread.call(announce, thread.bot, f"{counter.count} messages so far")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(parser(__doc__).parse_args()))
