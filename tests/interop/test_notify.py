"""Alerts from the command line, and a chat program that people use, over a router that both use.

SIMPLEX_TRIO_CHAT is the path of the program, SIMPLEX_TRIO_ROUTER the router.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio
from attrs import define

from simplex_trio.chat import DeliveryState, notify, open_notifier
from tests.interop.chat_program import ChatProgram, open_chat_program
from tests.interop.conftest import named
from tests.interop.driver import PATIENCE
from tests.xftp.files import same

GREETING = "You are connected. Alerts come here."

SOON = ("--seconds", str(PATIENCE))


@define(eq=False)
class Both:
    """The command, on one store, and the program."""

    router: str
    folder: Path

    @asynccontextmanager
    async def program(self, **options: Any) -> AsyncIterator[ChatProgram]:
        name, folder = named("SIMPLEX_TRIO_CHAT"), self.folder / "program"
        async with open_chat_program(name, self.router, folder, **options) as program:
            yield program

    def _command(self, *arguments: str) -> list[str]:
        code = "from simplex_trio.cli.app import main; main()"
        store = ["--store", str(self.folder / "alerts.db")]
        return [sys.executable, "-c", code, "notify", *arguments, *store]

    async def notify(self, *arguments: str, typed: str = "") -> tuple[int, str]:
        """Run the command; returns its exit code and what it printed."""
        with trio.fail_after(2 * PATIENCE):
            result = await trio.run_process(
                self._command(*arguments),
                stdin=typed.encode(),
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                env={**os.environ, "HOME": str(self.folder)},
            )
        return result.returncode, result.stdout.decode()

    async def pair(self, program: ChatProgram, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Pair the program; returns its id of the contact, and what the command said."""
        command = self._command("--pair", *arguments, "--router", self.router, "--json")
        with trio.fail_after(2 * PATIENCE):
            async with trio.open_nursery() as nursery:
                start = partial(
                    trio.run_process,
                    command,
                    stdout=subprocess.PIPE,
                    env={**os.environ, "HOME": str(self.folder)},
                )
                process: trio.Process = await nursery.start(start)
                assert process.stdout is not None
                said = b""
                while b"\n" not in said:
                    said += await process.stdout.receive_some()
                link = json.loads(said)["link"]
                planned = await program.command(f"/_connect plan 1 {link}")
                data = planned["connectionPlan"]["invitationLinkPlan"]["contactSLinkData_"]
                assert data["profile"]["peerType"] == "bot"
                await program.command(f"/c {link}")
                contact = (await program.event("contactConnected"))["contact"]
                rest = b""
                async for each in process.stdout:
                    rest += each
        await program.item(GREETING)
        told: dict[str, Any] = json.loads(rest)
        return contact["contactId"], told


async def test_a_phone_is_paired_and_gets_alerts(router: str, tmp_path: Path) -> None:
    both = Both(router, tmp_path)
    async with both.program() as program:
        contact, told = await both.pair(program, "kitchen", "--as", "web1")
        assert told == {"paired": "kitchen", "contact": 1, "profile": "Alice"}
        assert (await both.notify("kitchen", "one", *SOON))[0] == 0
        await program.item("one")
        code, said = await both.notify(
            "kitchen", "--until", "delivered", "--json", *SOON, typed="two\nlines\n"
        )
        assert (code, json.loads(said)["state"]) == (0, "delivered")
        await program.item("two\nlines")
        many = "x" * 100_000
        assert (await both.notify("kitchen", *SOON, typed=many))[0] == 0
        note = "[Too long for one message: this is the beginning.]"
        await program.event("newChatItems", lambda event: note in json.dumps(event))

        # What the person answers holds nothing up.
        item = await program.send(contact, "thanks")
        code, _ = await both.notify("kitchen", "three", "--until", "delivered", *SOON)
        assert code == 0
        await program.status(item, "sndRcvd")


async def test_alerts_wait_for_a_phone_that_is_off(router: str, tmp_path: Path) -> None:
    both = Both(router, tmp_path)
    async with both.program() as program:
        await both.pair(program)
    code, said = await both.notify(
        "alice", "while you were away", "--until", "delivered", "--seconds", "3", "--json"
    )
    assert (code, json.loads(said)["state"]) == (5, "sent")
    async with both.program() as program:
        await program.item("while you were away")
        told = await notify(
            "alice",
            "and again",
            path=tmp_path / "alerts.db",
            until=DeliveryState.DELIVERED,
            timeout=PATIENCE,
            servers=[router],
        )
        assert told.state is DeliveryState.DELIVERED
        await program.item("and again")


async def test_contacts_are_removed_by_either_side(router: str, tmp_path: Path) -> None:
    both = Both(router, tmp_path)
    async with both.program() as program:
        contact, _ = await both.pair(program, "kitchen")
        await program.command(f"/_delete @{contact} full notify=on")
        assert (await both.notify("kitchen", "late", *SOON))[0] in (4, 6)
        assert (await both.notify("kitchen", "later", *SOON))[0] in (4, 6)

        await both.pair(program, "office")
        assert (await both.notify("--remove", "office"))[0] == 0
        await program.event("contactDeletedByContact")
        assert (await both.notify("office", "late"))[0] == 6


async def test_many_alerts_from_one_program(router: str, tmp_path: Path) -> None:
    both = Both(router, tmp_path)
    async with both.program() as program:
        await both.pair(program)
        async with open_notifier(tmp_path / "alerts.db", servers=[router]) as notifier:
            sent = [
                await notifier.send("Alice", f"alert {number}", until=DeliveryState.STORED)
                for number in range(20)
            ]
            for each in sent:
                with trio.fail_after(PATIENCE):
                    assert await each.message.wait() is DeliveryState.DELIVERED
        for number in range(20):
            await program.item(f"alert {number}")


async def test_jobs_of_the_same_minute_lose_nothing(router: str, tmp_path: Path) -> None:
    both = Both(router, tmp_path)
    codes: list[int] = []

    async def job(number: int) -> None:
        code, _ = await both.notify("Alice", f"job {number}")
        codes.append(code)

    async with both.program() as program:
        await both.pair(program)
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(job, number)
        assert set(codes) <= {0, 5}  # one that makes way for the next one has stored it
        assert (await both.notify("--flush"))[0] == 0
        for number in range(5):
            await program.item(f"job {number}")


async def test_files_and_pictures_come_with_alerts(router: str, tmp_path: Path) -> None:
    xftp = named("SIMPLEX_TRIO_XFTP")
    both = Both(router, tmp_path)
    path = tmp_path / "backup.log"
    await trio.Path(path).write_bytes(os.urandom(300_000))
    async with both.program(xftp=xftp) as program:
        await both.pair(program)
        arguments = ("--file", str(path), "--file-router", xftp, "--until", "delivered", *SOON)
        assert (await both.notify("Alice", "the log", *arguments))[0] == 0
        item = await program.item("the log")
        assert (item["file"]["fileName"], item["file"]["fileSize"]) == ("backup.log", 300_000)
        await program.receive(item, tmp_path / "received.log")
        assert same(tmp_path / "received.log", path)
