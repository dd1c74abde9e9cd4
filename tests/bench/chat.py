"""Rows about a bot and the people who talk with it.

The bot is in this process, with its store on the disk.  Its people are the connections of one agent
in another process, which says what apps say.  As a program it is these people, or measures how long
a bot with many contacts takes to start, in a process that has done nothing else.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

import trio

from simplex_trio.chat.bot import Bot
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.messages.bodies import encode_info, pack
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.events import XInfo, XMsgNew
from simplex_trio.chat.messages.message import ChatMessage, message_id
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.opening import open_bot
from simplex_trio.chat.people import IncomingMessage
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.events import ConnectionReady, PeerMessage
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.wire.addresses import ServerAddress
from tests.bench.children import ask_child
from tests.bench.figures import Figures, Point
from tests.bench.memory import grown, resident_of
from tests.bench.rows import Conditions, Rows, Subject

__all__ = ["ROWS"]

ROWS = Rows("chat", "a bot and its contacts", Subject.ROUTER)

_CONTACTS = (1, 1000)
_AT_ONCE = 20
_PATIENCE = 600


def _echo() -> Handlers:
    handlers = Handlers()

    @handlers.on_message()
    async def answer(message: IncomingMessage) -> None:
        await message.answer(f"re {message.text}")

    return handlers


@asynccontextmanager
async def _bot(path: Path, address: ServerAddress) -> AsyncIterator[Bot]:
    async with open_bot(path, profile="Echo", handlers=_echo(), servers=[address]) as bot:
        yield bot


@asynccontextmanager
async def _talk(conditions: Conditions, contacts: int) -> AsyncIterator[trio.Process]:
    """A bot, and so many people who wait to be told how many messages each is to send."""
    address = conditions.addresses[Subject.ROUTER].address
    with tempfile.TemporaryDirectory() as folder:
        async with _bot(Path(folder, "bot.db"), address) as bot:
            process = await trio.lowlevel.open_process(
                [sys.executable, "-m", "tests.bench.chat", "people", str(contacts)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            try:
                assert process.stdin is not None
                links = await _invite(bot, contacts)
                await process.stdin.send_all("\n".join([str(address), *links, ""]).encode())
                await _line(process)
                yield process
            finally:
                process.kill()
                with trio.CancelScope(shield=True):
                    await process.wait()


async def _line(process: trio.Process) -> str:
    assert process.stdout is not None
    line = b""
    with trio.fail_after(_PATIENCE):
        while not line.endswith(b"\n"):
            data = await process.stdout.receive_some()
            assert data, "the people have gone away"
            line += data
    return line.decode()


async def _told(process: trio.Process, order: str) -> str:
    """What the people say once they have done what they were told."""
    assert process.stdin is not None
    await process.stdin.send_all(f"{order}\n".encode())
    return await _line(process)


@ROWS.row()
async def chat_messages(conditions: Conditions) -> Figures:
    """Messages answered per second by a bot with 1 and with 1,000 contacts."""
    points: list[Point] = []
    for contacts in dict.fromkeys(conditions.times(each) for each in _CONTACTS):
        each = max(1, conditions.times(1000) // contacts)
        async with _talk(conditions, contacts) as people:
            await _told(people, "1")
            start = perf_counter()
            await _told(people, str(each))
            points.append(Point(contacts, contacts * each / (perf_counter() - start)))
    return Figures(points=tuple(points), rate=points[-1].rate)


@ROWS.row(baseline="duplex-alternating-kem")
async def chat_reply(conditions: Conditions) -> Figures:
    """From a message sent by a contact to the bot's reply read, one after the other."""
    async with _talk(conditions, 1) as people:
        await _told(people, "each 5")
        return Figures.of_each(json.loads(await _told(people, f"each {conditions.times(100)}")))


@ROWS.row()
async def chat_start(conditions: Conditions) -> Figures:
    """Starting a bot with 1,000 contacts until all are subscribed to: contacts per second, KiB."""
    address = str(conditions.addresses[Subject.ROUTER].address)
    answer = await ask_child("tests.bench.chat", "start", str(conditions.times(1000)), text=address)
    return Figures.from_json(json.loads(answer))


# --- the people ---------------------------------------------------------------------------------


def _said(text: str) -> bytes:
    (body,) = pack([ChatMessage(XMsgNew(Text(text)), message_id(os.urandom(12)))], pq=True)
    return body


async def _invite(bot: Bot, count: int) -> list[str]:
    """Links for so many people; through an address each of them would need an agent of its own."""
    limit, links = trio.CapacityLimiter(_AT_ONCE), list[str]()

    async def invite() -> None:
        async with limit:
            links.append(await bot.invite())

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(invite)
    return links


async def _connect(people: DuplexAgent, links: list[str]) -> list[str]:
    limit = trio.CapacityLimiter(_AT_ONCE)

    async def join(number: int, link: str) -> None:
        async with limit:
            info = encode_info(ChatMessage(XInfo(Profile(f"Person {number}"))), pq=True)
            await people.join(link, info)

    ready: list[str] = []
    async with trio.open_nursery() as nursery:
        for number, link in enumerate(links):
            nursery.start_soon(join, number, link)
        async for event in people.events:
            if isinstance(event, PeerMessage):
                await people.acknowledge(event)
            elif isinstance(event, ConnectionReady):
                ready.append(event.connection_id)
                if len(ready) == len(links):
                    break
    return ready


async def _send(people: DuplexAgent, ends: list[str], each: int) -> None:
    """Send messages from all, and read as many answers."""

    async def send(connection_id: str) -> None:
        for number in range(each):
            await people.send(connection_id, _said(str(number)))

    async with trio.open_nursery() as nursery:
        for connection_id in ends:
            nursery.start_soon(send, connection_id)
        left = Counter(dict.fromkeys(ends, each))
        async for event in people.events:
            if isinstance(event, PeerMessage):
                await people.acknowledge(event, receipt=True)
                left[event.connection_id] -= 1
                if not any(left.values()):
                    break


async def _people(count: int) -> None:
    lines = trio.wrap_file(sys.stdin)
    address = ServerAddress.parse((await lines.readline()).strip())
    links = [(await lines.readline()).strip() for _ in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        async with open_duplex_agent(Path(folder, "people.db"), servers=[address]) as people:
            ends = await _connect(people, links)
            print("connected", flush=True)
            async for line in lines:
                if not line.startswith("each"):
                    await _send(people, ends, int(line))
                    print("done", flush=True)
                    continue
                seconds: list[float] = []
                for _ in range(int(line.split()[1])):
                    start = perf_counter()
                    await _send(people, ends, 1)
                    seconds.append(perf_counter() - start)
                print(json.dumps(seconds), flush=True)


# --- starting -----------------------------------------------------------------------------------


async def _make(path: Path, address: ServerAddress, count: int) -> None:
    """A bot that has so many contacts, and has answered a message of each."""
    async with (
        _bot(path, address) as bot,
        open_duplex_agent(path.with_name("people.db"), servers=[address]) as people,
    ):
        ends = await _connect(people, await _invite(bot, count))
        await _send(people, ends, 1)
        await bot.agent.drain()


async def _start(path: Path, address: ServerAddress, count: int) -> Mapping[str, object]:
    gc.collect()
    before = resident_of()
    start = perf_counter()
    cpu = os.times()
    async with _bot(path, address) as bot:
        opened = perf_counter() - start
        while bot.agent.statistics().subscribed < count:  # noqa: ASYNC110 - nothing tells of it
            await trio.sleep(0.005)
        seconds = perf_counter() - start
        used = os.times()
        gc.collect()
        after = resident_of()
        memory = grown(before, after, count)
        figures = Figures(count / seconds, resident_kib=memory.resident_kib).to_json()
        return figures | {
            "opened_ms": opened * 1000,
            "cpu_ms": (used.user + used.system - cpu.user - cpu.system) * 1000,
            "process_kib": None if after is None else after / 1024,
        }


async def _as_child(
    module: str,
    serve: Callable[[int], Awaitable[None]],
    make: Callable[[Path, ServerAddress, int], Awaitable[None]],
) -> None:
    """Be people, or make a bot in one process and start it in another one."""
    what, count, *made = sys.argv[1:]
    if what != "start":
        await serve(int(count))
        return
    text = sys.stdin.read().strip()
    address = ServerAddress.parse(text)
    if made:
        print(json.dumps(await _start(Path(made[0]), address, int(count))))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bot.db")
        await make(path, address, int(count))
        print(await ask_child(module, "start", count, str(path), text=text))


if __name__ == "__main__":
    trio.run(_as_child, "tests.bench.chat", _people, _make)
