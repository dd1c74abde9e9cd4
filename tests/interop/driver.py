"""Another program's agent, driven by lines of JSON on its standard input and output.

CONTRIBUTING.md lists the commands and the events that the scenarios use.
"""

from __future__ import annotations

import json
import subprocess
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio

# A real agent may wait for a retry, and starts with a migration of its database.
PATIENCE = 60


class Driver:
    """An agent in another process; its ids and bodies are in hexadecimal digits."""

    def __init__(self, process: trio.Process, router: str, database: str) -> None:
        self._process, self._router, self._database = process, router, database
        self._buffer = b""
        self._events: deque[dict[str, Any]] = deque()
        self._commands = 0
        self.allowed: set[str] = set()
        """Events that mean trouble elsewhere, and not here."""

    async def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        while b"\n" not in self._buffer:
            received = await self._process.stdout.receive_some()
            assert received, "the agent has ended"
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        value: dict[str, Any] = json.loads(line)
        return value

    async def command(self, name: str, **fields: object) -> Any:
        """Run a command, and return its result; events that come meanwhile are kept."""
        assert self._process.stdin is not None
        self._commands += 1
        line = json.dumps({"id": self._commands, "cmd": name, **fields})
        await self._process.stdin.send_all(line.encode() + b"\n")
        with trio.fail_after(PATIENCE):
            while (answer := await self._line())["type"] != "resp":
                self._events.append(answer)
        assert answer["id"] == self._commands
        assert answer["ok"], answer
        return answer["result"]

    async def start(self, **options: object) -> None:
        """Open the database, and go on with the connections in it."""
        place = {"db": self._database, "smp": [self._router]}
        await self.command("start", **place, fast=True, **options)

    async def event(self, name: str) -> dict[str, Any]:
        """The next event with this name, those with other names being left out."""
        with trio.fail_after(PATIENCE):
            while True:
                event = self._events.popleft() if self._events else await self._line()
                trouble = {"ERR", "MERR", "RSYNC"} - self.allowed
                assert event.get("event") not in trouble, event
                if event.get("event") == name:
                    return event


@asynccontextmanager
async def open_driver(
    program: str, router: str, database: str, **options: object
) -> AsyncIterator[Driver]:
    """An agent that makes its queues on ``router``."""
    async with trio.open_nursery() as nursery:
        run = partial(
            trio.run_process,
            [program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            check=False,
        )
        process: trio.Process = await nursery.start(run)
        driver = Driver(process, router, database)
        await driver.start(**options)
        yield driver
        await driver.command("stop")
        nursery.cancel_scope.cancel()
