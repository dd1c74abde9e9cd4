"""The bots among the examples, as commands, and a chat program that people use.

SIMPLEX_TRIO_CHAT is the path of the program, SIMPLEX_TRIO_ROUTER the router.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

import simplex_trio
from tests.interop.chat_program import ChatProgram, open_chat_program
from tests.interop.conftest import named
from tests.interop.driver import PATIENCE

FOLDER = Path(__file__).parents[2] / "examples" / "bots"


@asynccontextmanager
async def open_example(
    name: str, router: str, folder: Path, *options: str, **secrets: str
) -> AsyncIterator[tuple[str, trio.Process]]:
    """A bot that runs as a command: its address and its process."""
    run = partial(
        trio.run_process,
        [
            *(sys.executable, "-W", "error", str(FOLDER / f"{name}.py")),
            *(str(folder / "bot.db"), "--router", router, *options),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        check=False,
        env={
            **os.environ,
            **secrets,
            "PYTHONPATH": str(Path(simplex_trio.__file__).parents[1]),
            "PYTHONUTF8": "1",
        },
    )
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(run)
        assert process.stdout is not None
        address = b""
        with trio.fail_after(PATIENCE):
            while not address.endswith(b"\n"):
                address += await process.stdout.receive_some()
        yield address.decode().strip(), process
        process.terminate()


async def connect(program: ChatProgram, address: str) -> int:
    """Connect with a bot; returns the id of the contact."""
    await program.command(f"/c {address}")
    contact_id: int = (await program.event("contactConnected"))["contact"]["contactId"]
    return contact_id


async def ask(program: ChatProgram, contact: int, text: str, answer: str) -> None:
    await program.send(contact, text)
    await program.item(answer)


async def test_echo(router: str, tmp_path: Path) -> None:
    async with (
        open_example("echo", router, tmp_path) as (address, _),
        open_chat_program(named("SIMPLEX_TRIO_CHAT"), router, tmp_path / "program") as alice,
    ):
        await ask(alice, await connect(alice, address), "hello", "hello")


async def test_weather(router: str, tmp_path: Path) -> None:
    async with (
        open_example("weather", router, tmp_path) as (address, _),
        open_chat_program(named("SIMPLEX_TRIO_CHAT"), router, tmp_path / "program") as alice,
    ):
        contact = await connect(alice, address)
        await ask(alice, contact, "/weather Oslo", "It rains in Oslo.")
        await ask(alice, contact, "/trip", "Where do you go?")
        await ask(alice, contact, "Bergen", "For how many days?")
        await ask(alice, contact, "2", "It rains in Bergen.  Take 2 umbrellas.")


async def test_alerts(router: str, tmp_path: Path) -> None:
    async with (
        open_example("alerts", router, tmp_path) as (address, process),
        open_chat_program(named("SIMPLEX_TRIO_CHAT"), router, tmp_path / "program") as alice,
    ):
        contact = await connect(alice, address)
        await ask(alice, contact, "/start", "You get alerts now, until you write /stop.")
        assert process.stdin is not None
        await process.stdin.send_all(b"the disk is full\n")
        await alice.item("⚠ the disk is full")


async def test_support(router: str, tmp_path: Path) -> None:
    name = named("SIMPLEX_TRIO_CHAT")
    async with (
        open_example("support", router, tmp_path, SUPPORT_PASSWORD="secret") as (address, _),
        open_chat_program(name, router, tmp_path / "alice") as alice,
        open_chat_program(name, router, tmp_path / "bob", name="Bob") as bob,
    ):
        customer, staff = await connect(alice, address), await connect(bob, address)
        await ask(bob, staff, "/staff secret", "Quote a message to answer it.")
        await alice.send(customer, "my router is on fire")
        question = await bob.item("#1 Alice: my router is on fire")
        await bob.send(staff, "use water", quote=question["meta"]["itemId"])
        await alice.item("use water")
        await bob.event("chatItemReaction")


async def test_assistant(router: str, tmp_path: Path) -> None:
    async with (
        open_example("assistant", router, tmp_path) as (address, _),
        open_chat_program(named("SIMPLEX_TRIO_CHAT"), router, tmp_path / "program") as alice,
    ):
        await alice.send(await connect(alice, address), "hello")
        first = await alice.item("…")
        assert first["meta"]["itemLive"] is True
        texts: list[str] = []
        while not texts or not texts[-1].endswith("hello"):
            item = (await alice.event("chatItemUpdated"))["chatItem"]["chatItem"]
            assert item["meta"]["itemId"] == first["meta"]["itemId"]
            texts.append(item["content"]["msgContent"]["text"])
        assert len(texts) > 1
        assert texts[-1] == "You have said 1 things, the last of which was: hello"


async def test_web_hook(router: str, tmp_path: Path) -> None:
    heard, posted = trio.open_memory_channel[bytes](1)

    async def listen(stream: trio.SocketStream) -> None:
        async with stream:
            received = b""
            while not received.endswith(b"}"):
                received += await stream.receive_some()
            await heard.send(received.partition(b"\r\n\r\n")[2])
            await stream.send_all(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with trio.open_nursery() as nursery:
        (server,) = await nursery.start(partial(trio.serve_tcp, listen, 0, host="127.0.0.1"))
        url = f"http://127.0.0.1:{server.socket.getsockname()[1]}/in"
        with trio.socket.socket() as probe:
            await probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = ("--port", str(port), "--post-to", url)
        async with (
            open_example("web_hook", router, tmp_path, *options, WEB_HOOK_TOKEN="token") as hook,
            open_chat_program(named("SIMPLEX_TRIO_CHAT"), router, tmp_path / "program") as alice,
        ):
            contact = await connect(alice, hook[0])
            await ask(alice, contact, "/start token", "You take part, until you write /stop.")
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                await stream.send_all(
                    b"POST / HTTP/1.1\r\nAuthorization: Bearer token\r\nContent-Length: 2\r\n\r\nhi"
                )
                await alice.item("hi")
            await alice.send(contact, "to the web")
            with trio.fail_after(PATIENCE):
                body = await posted.receive()
            assert body == b'{"contact": 1, "name": "Alice", "text": "to the web"}'
        nursery.cancel_scope.cancel()


async def test_beside_asyncio(router: str, tmp_path: Path) -> None:
    async with (
        open_example("beside_asyncio", router, tmp_path) as (address, _),
        open_chat_program(named("SIMPLEX_TRIO_CHAT"), router, tmp_path / "program") as alice,
    ):
        contact = await connect(alice, address)
        await ask(alice, contact, "hello", "That was message 1.")
        await ask(alice, contact, "hello", "That was message 2.")


async def test_support_of_a_business(router: str, tmp_path: Path) -> None:
    name = named("SIMPLEX_TRIO_CHAT")
    async with (
        open_example("support", router, tmp_path, "--business", "1") as (printed, _),
        open_chat_program(name, router, tmp_path / "carol", name="Carol") as carol,
        open_chat_program(name, router, tmp_path / "bob", name="Bob") as bob,
    ):
        address, for_staff = [line.rpartition(" ")[2] for line in printed.splitlines()]
        await connect(carol, for_staff)
        await bob.command(f"/c {address}")
        await bob.event("userJoinedGroup")
        await bob.item("Hello! What can we do for you?")
        await bob.command("#Support my router is on fire")
        await carol.event("receivedGroupInvitation")
        await carol.command("/j #Bob")
        await carol.event("userJoinedGroup")
        await carol.item("my router is on fire")
        await carol.command("#Bob Use water")
        await bob.item("Use water")
