"""The program of the page about stored queues, killed at each of its lines and started again."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from simplex_trio.client.smp.client import open_smp_client
from simplex_trio.client.smp.queues import ReceivingQueue
from simplex_trio.router.server import Router, open_router

LONG = int(os.environ.get("SIMPLEX_TRIO_CRASH_ROUNDS", "3")) >= 50
LINES = range(1, 200) if LONG else range(8, 27)
"""Which lines to kill it at: all of them, or those in which the queue is written, and the first
message received."""

PATIENCE = 60
"""Seconds after which it has lost a message, for which it would wait for ever."""

ROOT = Path(__file__).parents[2]


class Program:
    """The program, and where it runs."""

    def __init__(self, process: trio.Process, router: Router) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout
        self.router = router

    async def run(self, call: str, folder: Path, *more: object, kill: int | None = None) -> bool:
        """Call a function of the program; whether it was killed at that line."""
        task: dict[str, Any] = {
            "call": call,
            "router": str(self.router.address),
            "folder": str(folder),
            "more": more,
            "kill": kill,
        }
        answer = b""
        with trio.fail_after(PATIENCE):
            await self._stdin.send_all(json.dumps(task).encode() + b"\n")
            while not answer.endswith(b"\n"):
                data = await self._stdout.receive_some()
                assert data, "the program has failed"
                answer += data
        killed: bool = json.loads(answer)
        return killed


@asynccontextmanager
async def open_program() -> AsyncIterator[Program]:
    command = [sys.executable, "-m", "tests.docs.killed_program"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    async with open_router() as router, trio.open_nursery() as nursery:
        process = await nursery.start(partial(trio.run_process, command, cwd=ROOT, **pipes))
        program = Program(process, router)
        yield program
        await process.stdin.aclose()


def kept(folder: Path) -> list[str]:
    """The messages in the order of their coming; it may have been killed before it had a table."""
    with closing(sqlite3.connect(folder / "messages.db")) as database:
        if not database.execute("SELECT * FROM sqlite_master").fetchall():
            return []
        rows = database.execute("SELECT text FROM messages ORDER BY rowid").fetchall()
    return [text for (text,) in rows]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes")
async def test_a_program_with_stored_queues_loses_nothing_when_it_is_killed(tmp_path: Path) -> None:
    texts = ["one", "two", "three"]
    async with open_program() as program:
        for line in LINES:
            folder = tmp_path / f"{line}"
            await trio.Path(folder).mkdir()

            killed_making = await program.run("kept_queue", folder, kill=line)
            assert not await program.run("kept_queue", folder)
            queue = ReceivingQueue.from_bytes(await trio.Path(folder, "queue").read_bytes())

            async with open_smp_client(program.router.address) as sender:
                for text in texts:
                    await sender.send(queue.sender_id, text.encode())
                killed_receiving = await program.run("receive", folder, 3, kill=line)
                # One more, so that the program looks at what was not acknowledged before.
                await sender.send(queue.sender_id, b"last")
            before = kept(folder)
            assert before == texts[: len(before)]
            assert not await program.run("receive", folder, 4 - len(before))
            assert kept(folder) == [*texts, "last"]

            if not (killed_making or killed_receiving):
                return
    assert not LONG, "it has more lines than that"
