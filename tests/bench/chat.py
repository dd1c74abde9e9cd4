"""Rows about a bot and the people who talk with it.

The bot is in this process, with its store on the disk, unless a chat program is to be the bot.  Its
people are the connections of one agent in another process, which says what apps say.  As a program
it is these people, or measures how long a bot with many contacts takes to start, in a process that
has done nothing else.
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
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Protocol

import trio
from attrs import evolve

from simplex_trio.chat.messages.bodies import Received, decode_body, encode_info, pack
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.events import XInfo, XMsgNew
from simplex_trio.chat.messages.message import ChatMessage, message_id
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.events import ConnectionReady, PeerMessage
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.wire.addresses import ServerAddress
from tests.bench.bots import RunningBot, open_bot_process, open_echo_bot, open_running_bot
from tests.bench.children import ask_child
from tests.bench.figures import Figures, Point
from tests.bench.memory import grown, resident_of
from tests.bench.rows import Conditions, Rows, Subject
from tests.bench.stopwatch import processor_seconds

__all__ = ["ROWS"]

ROWS = Rows("chat", "a bot and its contacts", Subject.ROUTER)

_CONTACTS = (1, 1000)
_AT_ONCE = 20
_RESTARTS = 3
_PATIENCE = 600


@asynccontextmanager
async def _talk(
    conditions: Conditions, contacts: int
) -> AsyncIterator[tuple[RunningBot, trio.Process]]:
    """A bot, and so many people who wait to be told how many messages each is to send."""
    address = conditions.addresses[Subject.ROUTER].address
    with tempfile.TemporaryDirectory() as folder:
        async with (
            open_running_bot(Path(folder), address, conditions.chat_program) as bot,
            _people_of(bot, address, contacts) as people,
        ):
            yield bot, people


@asynccontextmanager
async def _people_of(
    bot: _Inviting, address: ServerAddress, contacts: int
) -> AsyncIterator[trio.Process]:
    """So many people who are contacts of a bot."""
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


async def _tell(process: trio.Process, order: str) -> None:
    assert process.stdin is not None
    await process.stdin.send_all(f"{order}\n".encode())


async def _told(process: trio.Process, order: str) -> str:
    """What the people say once they have done what they were told."""
    await _tell(process, order)
    return await _line(process)


@ROWS.row()
async def chat_messages(conditions: Conditions) -> Figures:
    """Messages answered per second by a bot with 1 and with 1,000 contacts."""
    points: list[Point] = []
    figures = Figures()
    for contacts in dict.fromkeys(conditions.times(each) for each in _CONTACTS):
        each = max(1, conditions.times(1000) // contacts)
        async with _talk(conditions, contacts) as (bot, people):
            await _told(people, "1")
            watch = conditions.stopwatch(bot.pid)
            await _told(people, str(each))
            figures = watch.of_all(contacts * each)
            assert figures.rate is not None
            points.append(Point(contacts, figures.rate))
    return evolve(figures, points=tuple(points))


@ROWS.row(baseline="duplex-alternating-kem")
async def chat_reply(conditions: Conditions) -> Figures:
    """From a message sent by a contact to the bot's reply read, one after the other."""
    async with _talk(conditions, 1) as (bot, people):
        await _told(people, "each 5")
        watch = conditions.stopwatch(bot.pid)
        return watch.of_each(json.loads(await _told(people, f"each {conditions.times(100)}")))


@ROWS.row()
async def chat_start(conditions: Conditions) -> Figures:
    """Starting a bot with 1,000 contacts until all are subscribed to: contacts per second, KiB."""
    if conditions.chat_program is not None:
        raise OSError("the program does not say when it is subscribed")
    address = str(conditions.addresses[Subject.ROUTER].address)
    answer = await ask_child("tests.bench.chat", "start", str(conditions.times(1000)), text=address)
    return Figures.from_json(json.loads(answer))


@ROWS.row()
async def chat_restart(conditions: Conditions) -> Figures:
    """From starting a process with a bot of 1,000 contacts to an answer; KiB once all had one."""
    address = conditions.addresses[Subject.ROUTER].address
    contacts, program = conditions.times(1000), conditions.chat_program
    seconds: list[float] = []
    used: list[float] = []
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        async with open_running_bot(folder, address, program) as bot:
            people = await stack.enter_async_context(_people_of(bot, address, contacts))
            await _told(people, "1")
        resident: int | None = None
        for _ in range(conditions.times(_RESTARTS)):
            await _tell(people, "one")
            start = perf_counter()
            async with open_bot_process(folder, address, program) as pid:
                await _line(people)
                seconds.append(perf_counter() - start)
                used.append(processor_seconds(pid) or 0)
                await _told(people, "1")
                resident = resident_of(pid)
    return evolve(
        Figures.of_each(seconds),
        cpu_us=median(used) * 1e6 or None,
        resident_kib=None if resident is None else resident / 1024,
    )


# --- the people ---------------------------------------------------------------------------------


def _said(text: str) -> bytes:
    (body,) = pack([ChatMessage(XMsgNew(Text(text)), message_id(os.urandom(12)))], pq=True)
    return body


class _Inviting(Protocol):
    @property
    def invite(self) -> Callable[[], Awaitable[str]]: ...


def _is_answer(body: bytes) -> bool:
    return any(
        isinstance(each, Received)
        and isinstance(each.message, ChatMessage)
        and isinstance(each.message.event, XMsgNew)
        for each in decode_body(body)
    )


async def _invite(bot: _Inviting, count: int) -> list[str]:
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
                if not _is_answer(event.body):
                    continue
                left[event.connection_id] -= 1
                # An answer that comes late, or to nothing that was said here, counts for nothing.
                if all(missing <= 0 for missing in left.values()):
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
                if line == "one\n":
                    await _send(people, ends[:1], 1)
                    print("done", flush=True)
                    continue
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
        open_echo_bot(path, address) as bot,
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
    async with open_echo_bot(path, address) as bot:
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
