"""A program with an agent that sends or receives a file, to be killed at any time.

It prints a line for everything that happens, so that its test can choose where to kill it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import trio
from attrs import evolve

from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.file_events import FileFailed, FileReceived, FileSent
from simplex_trio.duplex.file_status import FileState
from simplex_trio.duplex.opening import open_duplex_agent

from .agents import CONFIG


def replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text)
    unfinished.replace(path)


def begin_with(role: str, path: Path) -> tuple[str, bool]:
    """The description to receive; and whether what is sent is to be redirected to."""
    if role == "send":
        return "", path.stat().st_size > 1_000_000
    return json.loads(path.read_text())[0], False


async def run(agent: DuplexAgent, role: str, path: Path, outcome: Path) -> None:
    description, redirect = begin_with(role, path)
    is_told = await agent._store.events_after(0, 1)
    is_over = await trio.Path(outcome).exists() and not is_told
    if not (await agent.files() or is_told or is_over):
        if role == "send":
            await agent.send_file(path, recipients=2, redirect=redirect)
        else:
            await agent.receive_file(description, outcome.parent / "received", approve=True)
    print("begun", flush=True)
    while not is_over:
        event = await agent.events.receive()
        print(type(event).__name__, flush=True)
        match event:
            case FileSent():
                replace(outcome, json.dumps(event.recipients))
                is_over = True
            case FileReceived():
                replace(outcome, json.dumps(event.path))
                is_over = True
            case FileFailed():
                raise AssertionError(event)
        agent.events.take()
    await agent.drain()
    states = {each.state for each in await agent.files()}
    assert states <= {FileState.SENT}, states


async def main(role: str, folder: Path, router: str, path: Path, outcome: Path) -> None:
    config = evolve(CONFIG, files=evolve(CONFIG.files, parallel=2))
    store = folder / f"{role}.db"
    async with open_duplex_agent(store, config=config, xftp_servers=[router]) as agent:
        await run(agent, role, path, outcome)


if __name__ == "__main__":
    _role, _folder, _router, _path, _outcome = sys.argv[1:]
    trio.run(main, _role, Path(_folder), _router, Path(_path), Path(_outcome))
