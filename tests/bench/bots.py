"""Bots that answer each message, for rows to talk with: this package's, and a chat program's.

A chat program is driven as its published SDKs do it: it runs in a process of its own, and what the
bot does is done through the WebSocket that it serves.  As a program this module is a bot of this
package: its arguments are a file and the address of a router.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import frozen

from simplex_trio.chat.bot import Bot
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.opening import open_bot
from simplex_trio.chat.people import IncomingMessage
from simplex_trio.wire.addresses import ServerAddress
from tests.bench.children import input_ended
from tests.interop.chat_program import ChatProgram, open_chat_program

__all__ = ["RunningBot", "open_bot_process", "open_echo_bot", "open_running_bot"]


@frozen
class RunningBot:
    """A bot that answers, and the process that it is in."""

    invite: Callable[[], Awaitable[str]]
    pid: int


@asynccontextmanager
async def open_echo_bot(path: Path, address: ServerAddress) -> AsyncIterator[Bot]:
    """A bot of this package, in this process."""
    handlers = Handlers()

    @handlers.on_message()
    async def answer(message: IncomingMessage) -> None:
        await message.answer(f"re {message.text}")

    async with open_bot(path, profile="Echo", handlers=handlers, servers=[address]) as bot:
        yield bot


@asynccontextmanager
async def open_running_bot(
    folder: Path, address: ServerAddress, program: Path | None
) -> AsyncIterator[RunningBot]:
    """A bot with its files in ``folder``: the program's, or else this package's in this process."""
    if program is None:
        async with open_echo_bot(folder / "bot.db", address) as bot:
            yield RunningBot(bot.invite, os.getpid())
        return
    opened = open_chat_program(str(program), str(address), folder, name="Echo")
    async with opened as chat, trio.open_nursery() as nursery:
        nursery.start_soon(_answer_all, chat)

        async def invite() -> str:
            answer = await chat.command("/_connect 1 incognito=off")
            link: str = answer["connLinkInvitation"]["connFullLink"]
            return link

        yield RunningBot(invite, chat.pid)
        nursery.cancel_scope.cancel()


async def _answer_all(chat: ChatProgram) -> None:
    async with trio.open_nursery() as nursery:
        async for event in chat.all_events():
            if event["type"] == "newChatItems":
                for each in event["chatItems"]:
                    if each["chatItem"]["content"]["type"] == "rcvMsgContent":
                        nursery.start_soon(_answer, chat, each)


async def _answer(chat: ChatProgram, received: dict[str, Any]) -> None:
    contact = received["chatInfo"]["contact"]["contactId"]
    text = received["chatItem"]["content"]["msgContent"]["text"]
    message = {"msgContent": {"type": "text", "text": f"re {text}"}, "mentions": {}}
    await chat.command(f"/_send @{contact} json {json.dumps([message])}")


def open_bot_process(
    folder: Path, address: ServerAddress, program: Path | None
) -> AbstractAsyncContextManager[int]:
    """Start a bot again, in a process that has done nothing else; the process id."""
    return _own_process(folder, address) if program is None else _program(folder, address, program)


@asynccontextmanager
async def _own_process(folder: Path, address: ServerAddress) -> AsyncIterator[int]:
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "tests.bench.bots", str(folder / "bot.db"), str(address)],
        stdin=subprocess.PIPE,
    )
    try:
        yield process.pid
    finally:
        with trio.CancelScope(shield=True):
            assert process.stdin is not None
            await process.stdin.aclose()
            await process.wait()


@asynccontextmanager
async def _program(folder: Path, address: ServerAddress, program: Path) -> AsyncIterator[int]:
    async with open_running_bot(folder, address, program) as bot:
        yield bot.pid


async def _serve(path: str, address: str) -> None:
    async with open_echo_bot(Path(path), ServerAddress.parse(address)):
        await input_ended()


if __name__ == "__main__":
    trio.run(_serve, sys.argv[1], sys.argv[2])
