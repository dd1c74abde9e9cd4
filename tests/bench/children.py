"""Processes of their own for what is at the other end of a connection, or must start afresh.

A client that shares its interpreter with the router would be measured together with it.  A child is
a module of this package that is run as a program: it prints one line when it is ready, and ends
when its standard input does, so that none is left behind by a parent that was killed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from attrs import frozen

from simplex_trio.wire.addresses import ServerAddressWithAuth

__all__ = ["Child", "ask_child", "input_ended", "open_child"]


@frozen
class Child:
    """A process that serves at an address."""

    address: ServerAddressWithAuth
    pid: int


async def input_ended() -> None:
    """For a child: wait until the parent is gone or does not need it any more."""
    await trio.to_thread.run_sync(sys.stdin.buffer.read, abandon_on_cancel=True)


@asynccontextmanager
async def open_child(module: str) -> AsyncIterator[Child]:
    """Run a module that prints its address and serves there, for as long as the block lasts.

    Raises `ChildProcessError` if it ends without an address; what it had to say is on the terminal.
    """
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = await _first_line(process.stdout)
        if not line:
            raise ChildProcessError(f"{module} ended without an address")
        yield Child(ServerAddressWithAuth.parse(line.decode().strip()), process.pid)
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            await process.wait()
            await _close_pipes(process)


async def ask_child(module: str, *arguments: str, text: str) -> str:
    """Run a module to its end with ``text`` to read, and return what it printed.

    Raises `subprocess.CalledProcessError` if it fails.
    """
    done = await trio.run_process(
        [sys.executable, "-m", module, *arguments], stdin=text.encode(), capture_stdout=True
    )
    return done.stdout.decode()


async def _first_line(stream: trio.abc.ReceiveStream) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        data = await stream.receive_some()
        if not data:
            return b""
        line += data
    return line


async def _close_pipes(process: trio.Process) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            await pipe.aclose()
