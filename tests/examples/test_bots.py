"""The bots among the examples: each with people in virtual time, and one as a command."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

import simplex_trio
from simplex_trio import open_router
from simplex_trio.chat import (
    Bot,
    Contact,
    Handlers,
    IncomingMessage,
    MessageEdited,
    Text,
    escape,
    open_bot,
)
from simplex_trio.chat.testing import Person, open_world
from simplex_trio.duplex import DuplexConfig

FOLDER = Path(__file__).parents[2] / "examples" / "bots"
BOTS = [
    *("alerts", "announcer", "assistant", "beside_asyncio", "captcha", "echo", "moderator"),
    *("support", "weather", "web_hook"),
]
SHARED = ["command_line", "contact_lists"]

DEADLINE = 60
"""Seconds after which something hangs that takes about one."""

QUICK = DuplexConfig(pq=False)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(FOLDER)
    yield
    for name in (*BOTS, *SHARED):
        sys.modules.pop(name, None)


def example(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_every_bot_is_tested() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == sorted([*BOTS, *SHARED])


@pytest.mark.parametrize("name", BOTS)
def test_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = example(name)
    with pytest.raises(SystemExit, match="0"):
        example("command_line").parser(module.__doc__).parse_args(["--help"])
    printed = capsys.readouterr().out
    assert f"python examples/bots/{name}.py" in printed
    assert "--router smp://..." in printed


# --- in virtual time ----------------------------------------------------------------------------


async def test_echo(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        bot = await world.bot(example("echo").handlers)
        alice = await world.person()
        await alice.connect(bot.address)
        await alice.send("hello")
        answer = await alice.next_message()
        assert answer.text == "hello"
        assert answer.quote is not None


async def test_weather(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        bot = await world.bot(example("weather").handlers)
        alice = await world.person()
        await alice.connect(bot.address)
        for text, answer in (
            ("/weather New York", "It rains in New York."),
            ("/weather *Oslo*", f"It rains in {escape('*Oslo*')}."),
            ("/weather", "In which town?"),
            ("Rome", "It rains in Rome."),
            ("/convert 100", "100 °C are 212 °F."),
            ("/convert 212 F", "212 °F are 100 °C."),
            ("/convert warm", "Usage: /convert <degrees> [unit]"),
            ("/trip", "Where do you go?"),
            ("Bergen", "For how many days?"),
            ("some", "For how many days?  I need a number."),
            ("2", "It rains in Bergen.  Take 2 umbrellas."),
            ("hello", "I only know the weather: see /help"),
        ):
            await alice.send(text)
            assert (await alice.next_message()).text == answer
        await alice.send("/weather")
        assert (await alice.next_message()).text == "In which town?"
        assert (await alice.next_message(within=700)).text.startswith("Ask me again")


async def test_alerts(autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    async with open_world() as world:
        alerts = example("alerts").Alerts()
        put, lines = trio.open_memory_channel[str](0)
        bot = await world.bot(alerts.handlers, main=lambda bot: alerts.run(bot, lines))
        alice, bob = await world.person("Alice"), await world.person("Bob")
        for person in (alice, bob):
            await person.connect(bot.address)
            await person.send("/start")
            assert "until you write /stop" in (await person.next_message()).text
        await put.send("the disk is full\n")
        for person in (alice, bob):
            assert (await person.next_message()).text == "⚠ the disk is full"
        await bob.send("/stop")
        assert "no more" in (await bob.next_message()).text
        await put.send("\n")
        await put.send("and still is\n")
        assert (await alice.next_message()).text == "⚠ and still is"
        await bob.expect_nothing()
        world.stop_routers()
        await put.send("the network is down\n")
        await world.advance(100)
        await world.start_routers()
        assert (await alice.next_message()).text == "⚠ the network is down"
        await alice.contact.delete()
        await world.advance(10)
        await put.send("nobody is there\n")
        await world.advance(10)
    assert capsys.readouterr().out == "sent to 2\nsent to 1\nsent to 0\nsent to 0\n"


async def test_support(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        desk = example("support").Desk("the password")
        bot = await world.bot(desk.handlers, main=desk.run)
        alice, bob, carol = [await world.person(name) for name in ("Alice", "Bob", "Carol")]
        for person in (alice, bob, carol):
            await person.connect(bot.address)
        await alice.send("help!")
        assert (await alice.next_message()).text == "Nobody is here.  Please try again tomorrow."
        await carol.send("/staff a guess")
        assert (await carol.next_message()).text == "That is not the password."
        await carol.send("/staff the password")
        assert (await carol.next_message()).text == "Quote a message to answer it."
        await alice.send("my router is on fire")
        await bob.send("where are you?")
        asked = {each.text: each for each in [await carol.next_message() for _ in range(2)]}
        assert sorted(asked) == ["#1 Alice: my router is on fire", "#2 Bob: where are you?"]
        await asked["#1 Alice: my router is on fire"].reply("Use water")
        assert (await alice.next_message()).text == "Use water"
        assert (await carol.next_reaction()).emoji == "✅"
        await carol.send("to whom?")
        assert (await carol.next_message()).text == "Quote the message that you want to answer."
        await bot.restart()
        await bob.contact.delete()
        await world.advance(10)
        await asked["#2 Bob: where are you?"].reply("In Oslo")
        assert (await carol.next_message()).text == "This customer has left."
        await bob.expect_nothing()


async def words(said: Sequence[str]) -> AsyncGenerator[str, None]:
    for word in (*said, "and", "so", "on"):
        await trio.sleep(1)
        yield f"{word} "


async def endless(said: Sequence[str]) -> AsyncGenerator[str, None]:
    await trio.sleep_forever()
    yield ""


async def test_assistant(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        module = example("assistant")
        bot = await world.bot(module.Assistant(words).handlers)
        alice = await world.person()
        await alice.connect(bot.address)
        await alice.send("one")
        first = await alice.next_message()
        assert (first.text, first.is_live) == ("…", True)
        edits: list[MessageEdited] = []
        while not edits or edits[-1].is_live:
            edits.append(await alice.next_edit())
        assert len(edits) > 1
        assert all("one and so on".startswith(each.content.text.strip()) for each in edits)
        assert edits[-1].content == Text("one and so on")
        assert {each.message_id for each in edits} == {first.id}
        await alice.send("two")
        while (edit := await alice.next_edit()).is_live:
            pass
        assert edit.content == Text("one one and so on two and so on")
        await alice.send("/forget")
        await alice.next_message()
        assert (await alice.next_message()).text == "I have forgotten what we said."
        await bot.stop()
        slow = await world.bot(module.Assistant(endless).handlers)
        await alice.connect(slow.address)
        await alice.send("anything")
        assert (await alice.next_edit(within=200)).content == Text("I have no answer.")
        pieces = [piece async for piece in module.stand_in(["hello"])]
        assert "".join(pieces) == "You have said 1 things, the last of which was: hello "


# --- the bridge ---------------------------------------------------------------------------------


async def request(hook: Any, bot: Bot, *pieces: bytes) -> tuple[str, str]:
    """The status and the body that the bridge answers to a request."""
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hook.serve, bot, theirs)
        for piece in pieces:
            await ours.send_all(piece)
        answer = b""
        while data := await ours.receive_some():
            answer += data
    head, _, body = answer.decode().partition("\r\n\r\n")
    return head.split("\r\n")[0].removeprefix("HTTP/1.1 "), body


async def test_web_hook(autojump_clock: MockClock) -> None:
    posted: list[dict[str, Any]] = []
    is_up = True

    async def post(body: bytes) -> None:
        await trio.lowlevel.checkpoint()
        if not is_up:
            raise OSError("down")
        posted.append(json.loads(body))

    async with open_world() as world:
        hook = example("web_hook").WebHook("the token", post)
        bot = await world.bot(hook.handlers)
        alice = await world.person()
        await alice.connect(bot.address)
        for text, said in (
            ("hello", "Write /start and the token to take part."),
            ("/start a guess", "That is not the token."),
            ("/start the token", "You take part, until you write /stop."),
        ):
            await alice.send(text)
            assert (await alice.next_message()).text == said
        head = b"POST / HTTP/1.1\r\nAuthorization: Bearer the token\r\nContent-Length: %d\r\n\r\n"
        assert await request(hook, bot.bot, head % 5 + b"hel", b"lo") == (
            "200 OK",
            "stored for 1\n",
        )
        assert (await alice.next_message()).text == "hello"
        for pieces, status in {
            (b"POST / HTTP/1.1\r\n\r\n",): "401 Unauthorized",
            (head.replace(b"POST", b"GET") % 0,): "405 Method Not Allowed",
            (head.replace(b"%d", b"x"),): "411 Length Required",
            (head % 10_000,): "413 Content Too Large",
            (head.replace(b"%d", b"9" * 100),): "413 Content Too Large",
            (head % 1 + b"\xff",): "400 Bad Request",
            (b"x" * 8192, b"x"): "431 Request Header Fields Too Large",
            (head % 5,): "408 Request Timeout",
        }.items():
            assert await request(hook, bot.bot, *pieces) == (status, "")
        await alice.send("ping")
        assert (await alice.next_reaction()).emoji == "✅"
        assert posted == [{"contact": 1, "name": "Alice", "text": "ping"}]
        is_up = False
        await alice.send("pong")
        assert "could not be passed on" in (await alice.next_message()).text
        await alice.send("/stop")
        assert (await alice.next_message()).text == "You take part no more."
        assert await request(hook, bot.bot, head % 5 + b"hello") == ("200 OK", "stored for 0\n")


async def test_web_hook_on_sockets() -> None:
    heard: list[bytes] = []

    async def listen(stream: trio.SocketStream) -> None:
        async with stream:
            heard.append(bytes(await stream.receive_some()))
            answer = b"200 OK" if len(heard) == 1 else b"500 Oh"
            await stream.send_all(b"HTTP/1.1 " + answer + b"\r\nContent-Length: 0\r\n\r\n")

    module = example("web_hook")
    with trio.fail_after(DEADLINE):
        async with open_world() as world, trio.open_nursery() as nursery:
            server = await nursery.start(trio.serve_tcp, listen, 0)
            port = server[0].socket.getsockname()[1]
            ours: list[int] = []

            async def post(body: bytes) -> None:
                await module.post_to(f"http://127.0.0.1:{port}/in", body)

            hook = module.WebHook("token", post)

            async def run(bot: Bot) -> None:
                async with trio.open_nursery() as inner:
                    ours.append(await inner.start(hook.run, bot, 0))

            bot = await world.bot(hook.handlers, main=run)
            alice = await world.person()
            await alice.connect(bot.address)
            await alice.send("/start token")
            await alice.next_message()
            stream = await trio.open_tcp_stream("127.0.0.1", ours[0])
            async with stream:
                await stream.send_all(
                    b"POST / HTTP/1.1\r\nauthorization: Bearer token\r\ncontent-length: 2\r\n\r\nhi"
                )
                assert (await alice.next_message()).text == "hi"
            await alice.send("to the web")
            await alice.next_reaction()
            assert heard[0].startswith(b"POST /in HTTP/1.1\r\n")
            await alice.send("again")
            assert "could not be passed on" in (await alice.next_message()).text
            nursery.cancel_scope.cancel()


# --- beside asyncio -----------------------------------------------------------------------------


def test_a_bot_beside_asyncio() -> None:
    module = example("beside_asyncio")
    people: list[Person] = []

    async def hear() -> str:
        (alice,) = people
        await alice.send("hello")
        return (await alice.next_message()).text

    async def next_text() -> str:
        return (await people[0].next_message()).text

    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise LookupError("no such thing")

    async def main() -> None:
        counter = module.Counter()
        handlers = module.counting(counter, asyncio.get_running_loop())

        @asynccontextmanager
        async def opening() -> AsyncIterator[Bot]:  # with a person, for this test
            async with open_world() as world:
                program = await world.bot(handlers)
                people.append(await world.person())
                await people[0].connect(program.address)
                yield program.bot

        async with module.open_bot_thread(opening) as thread:
            assert await thread.call(hear) == "That was message 1."
            assert counter.count == 1
            await thread.call(module.announce, thread.bot, "an announcement")
            assert await thread.call(next_text) == "an announcement"
            with pytest.raises(LookupError, match="no such thing"):
                await thread.call(fail)
        with pytest.raises(trio.RunFinishedError):
            await thread.call(hear)

        async def refused() -> None:
            async with module.open_bot_thread(lambda: open_bot(None, profile="no. way")):
                raise AssertionError("it was opened")

        with pytest.raises(simplex_trio.EncodeError):
            await refused()

        @asynccontextmanager
        async def endless() -> AsyncIterator[Bot]:
            try:
                await trio.sleep_forever()
                yield people[0].program.bot
            finally:
                given_up.append(True)

        async def cancelled() -> None:
            async with module.open_bot_thread(endless):
                raise AssertionError("it was opened")

        given_up: list[bool] = []
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(cancelled(), 0.01)
        assert given_up == [True]

        @asynccontextmanager
        async def short() -> AsyncIterator[Bot]:
            async with open_world() as world, trio.open_nursery() as nursery:
                program = await world.bot(handlers)
                nursery.start_soon(fail)
                yield program.bot

        async def interrupted() -> None:
            async with module.open_bot_thread(short) as thread:
                with suppress(trio.RunFinishedError):
                    while True:
                        await thread.call(trio.lowlevel.checkpoint)

        with pytest.RaisesGroup(LookupError):
            await interrupted()

    asyncio.run(asyncio.wait_for(main(), DEADLINE))


# --- as commands --------------------------------------------------------------------------------


async def test_echo_as_a_command(tmp_path: Path) -> None:
    package = Path(simplex_trio.__file__).parents[1]
    handlers = Handlers()
    put, heard = trio.open_memory_channel[str](10)
    connected = trio.Event()

    @handlers.on_message()
    async def hear(message: IncomingMessage) -> None:
        await put.send(message.text)

    @handlers.on_connected
    async def note(contact: Contact) -> None:
        connected.set()

    with trio.fail_after(DEADLINE):
        async with (
            open_router() as router,
            open_bot(
                None,
                profile="Alice",
                handlers=handlers,
                servers=[router.address],
                address=False,
                config=QUICK,
            ) as alice,
            trio.open_nursery() as nursery,
        ):
            process: trio.Process = await nursery.start(
                partial(
                    trio.run_process,
                    [
                        *(sys.executable, "-W", "error", str(FOLDER / "echo.py")),
                        *(str(tmp_path / "echo.db"), "--router", str(router.address)),
                    ],
                    stdout=subprocess.PIPE,
                    check=False,
                    env={**os.environ, "PYTHONPATH": str(package), "PYTHONUTF8": "1"},
                )
            )
            assert process.stdout is not None
            address = b""
            while not address.endswith(b"\n"):
                address += await process.stdout.receive_some()
            contact = await alice.connect(address.decode().strip())
            await connected.wait()
            await contact.send("hello")
            assert await heard.receive() == "I repeat what you say."
            assert await heard.receive() == "hello"
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
