"""Calling the command line in this process, beside routers that run in another thread."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, closing, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import pytest
import trio
from attrs import frozen

from simplex_trio.cli.app import main

T = TypeVar("T")

ROOT = Path(__file__).parents[2]


@frozen
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What it printed, if that is one JSON value."""
        return json.loads(self.out)

    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> Result:
    """Run a command in this process, where it leaves nothing behind."""
    capsys.readouterr()
    with same_logging(), pytest.raises(SystemExit) as exited:
        main([str(each) for each in arguments])
    code = exited.value.code
    assert isinstance(code, int)
    captured = capsys.readouterr()
    return Result(code, captured.out, captured.err)


@contextmanager
def same_logging() -> Iterator[None]:
    """Undo what a service does to the log of the package, for the tests that come after it."""
    logger = logging.getLogger("simplex_trio")
    handlers, level, propagate = logger.handlers, logger.level, logger.propagate
    try:
        yield
    finally:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@contextmanager
def in_background(opened: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """Have something of Trio's open in a thread, as commands run loops of their own."""
    started: SimpleQueue[tuple[T, trio.Event, trio.lowlevel.TrioToken] | BaseException]
    started = SimpleQueue()

    async def serve() -> None:
        stop = trio.Event()
        async with opened() as value:
            started.put((value, stop, trio.lowlevel.current_trio_token()))
            await stop.wait()

    def work() -> None:
        try:
            trio.run(serve)
        except BaseException as exc:
            started.put(exc)

    thread = threading.Thread(target=work)
    thread.start()
    first = started.get()
    if isinstance(first, BaseException):
        raise first
    value, stop, token = first
    try:
        yield value
    finally:
        trio.from_thread.run_sync(stop.set, trio_token=token)
        thread.join()


class Program:
    """The command line as a process of its own."""

    def __init__(self, *arguments: object, folder: Path, **variables: str) -> None:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(folder)} | variables
        code = "from simplex_trio.cli.app import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def next_line(self) -> str:
        """Wait for the next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def next_log(self) -> Any:
        """Wait for the next line of its log, after those about its start."""
        assert self.process.stderr is not None
        while " is listening" in (line := self.process.stderr.readline()):
            pass
        return json.loads(line)

    def stop(self, number: signal.Signals = signal.SIGINT) -> Result:
        """Send a signal, and wait for the end."""
        self.process.send_signal(number)
        return self.result()

    def result(self) -> Result:
        """Wait for the end."""
        out, err = self.process.communicate(timeout=60)
        return Result(self.process.returncode, out, err)


def a_free_port() -> int:
    """A port of this machine that is free at the moment."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])
