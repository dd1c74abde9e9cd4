"""Rows about files: 100 MiB and 1 GiB through an XFTP router, how fast and with how much memory.

As a program, ``send PATH`` reads an address, and ``receive FOLDER`` a description; ``agent-send``
and ``agent-receive`` do the same through an agent, with a store on the disk.  It does that much in
a process of its own, and prints how long it took, the most memory that the process ever held, and,
if it sent, the description for a recipient.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import trio

from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.file_events import FileFailed, FileReceived, FileSent
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.wire.addresses import ServerAddressWithAuth
from simplex_trio.wire.xftp.description_text import decode_description, encode_description
from simplex_trio.xftp.files.receive import receive_file
from simplex_trio.xftp.files.send import send_file
from simplex_trio.xftp.router.server import open_xftp_router
from tests.bench.children import ask_child, input_ended
from tests.bench.figures import Figures
from tests.bench.rows import Conditions, Rows, Subject

__all__ = ["ROWS"]

ROWS = Rows("xftp", "files, in MiB per second", Subject.XFTP)

_MODULE = "tests.bench.xftp"
_MIB = 1024 * 1024


@ROWS.row()
async def file_send(conditions: Conditions) -> Figures:
    """Send a file of 100 MiB; KiB are the most that the sending process held."""
    return await _send(conditions, 100)


@ROWS.row()
async def file_receive(conditions: Conditions) -> Figures:
    """Receive a file of 100 MiB; KiB are the most that the receiving process held."""
    return await _receive(conditions, 100)


@ROWS.row(baseline="file-send")
async def file_send_large(conditions: Conditions) -> Figures:
    """Send a file of 1 GiB."""
    return await _send(conditions, 1024)


@ROWS.row(baseline="file-receive")
async def file_receive_large(conditions: Conditions) -> Figures:
    """Receive a file of 1 GiB."""
    return await _receive(conditions, 1024)


@ROWS.row(baseline="file-send")
async def file_send_agent(conditions: Conditions) -> Figures:
    """Send a file of 100 MiB through an agent, whose store is on the disk."""
    return await _send(conditions, 100, "agent-send")


@ROWS.row(baseline="file-receive")
async def file_receive_agent(conditions: Conditions) -> Figures:
    """Receive a file of 100 MiB through an agent, whose store is on the disk."""
    return await _receive(conditions, 100, "agent-receive")


async def _send(conditions: Conditions, mebibytes: int, how: str = "send") -> Figures:
    async with _sent(conditions, mebibytes, how) as (_, done):
        return _figures(done, conditions.times(mebibytes))


async def _receive(conditions: Conditions, mebibytes: int, how: str = "receive") -> Figures:
    async with _sent(conditions, mebibytes) as (folder, sent):
        answer = await ask_child(_MODULE, how, str(folder), text=sent["description"])
        return _figures(json.loads(answer), conditions.times(mebibytes))


@asynccontextmanager
async def _sent(
    conditions: Conditions, mebibytes: int, how: str = "send"
) -> AsyncIterator[tuple[Path, Any]]:
    """A new file on the router: a folder to receive it into, and what its sender said."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "file")
        await trio.to_thread.run_sync(_make, path, conditions.times(mebibytes))
        router = str(conditions.addresses[Subject.XFTP])
        yield Path(name), json.loads(await ask_child(_MODULE, how, str(path), text=router))


def _make(path: Path, mebibytes: int) -> None:
    random = Random(mebibytes)
    with path.open("wb") as file:
        for _ in range(mebibytes):
            file.write(random.randbytes(_MIB))


def _figures(done: Any, mebibytes: int) -> Figures:
    return Figures(rate=mebibytes / done["seconds"], resident_kib=done["peak_kib"])


# --- the programs ---------------------------------------------------------------------------------


def _peak_kib() -> float | None:
    """The most memory that this process held; ``getrusage`` would count its parent's too."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    [line] = [each for each in status.read_text().splitlines() if each.startswith("VmHWM:")]
    return float(line.split()[1])


async def _work(what: str, path: Path, given: str) -> dict[str, object]:
    if what.startswith("agent-"):
        return await _work_of_agent(what, path, given)
    said: dict[str, object] = {}
    start = perf_counter()
    if what == "send":
        sent = await send_file(path, [ServerAddressWithAuth.parse(given.strip())])
        said["description"] = encode_description(sent.recipients[0])
    else:
        await receive_file(decode_description(given), path)
    return said | {"seconds": perf_counter() - start, "peak_kib": _peak_kib()}


async def _work_of_agent(what: str, path: Path, given: str) -> dict[str, object]:
    folder = path.parent if what == "agent-send" else path
    routers = [given.strip()] if what == "agent-send" else []
    said: dict[str, object] = {}
    config = DuplexConfig(pq=False)
    async with open_duplex_agent(
        folder / f"{what}.db", config=config, xftp_servers=routers
    ) as agent:
        start = perf_counter()
        if what == "agent-send":
            await agent.send_file(path)
        else:
            await agent.receive_file(given, path, approve=True)
        async for event in agent.events:
            assert not isinstance(event, FileFailed), event
            if isinstance(event, FileSent):
                said["description"] = event.recipients[0]
                break
            if isinstance(event, FileReceived):
                await agent.drain()  # with the acknowledgements, as without an agent
                break
        seconds = perf_counter() - start
    return said | {"seconds": seconds, "peak_kib": _peak_kib()}


async def _serve() -> None:
    async with open_xftp_router() as router:
        print(router.address, flush=True)
        await input_ended()


def main() -> None:
    """Serve, or send or receive one file."""
    if len(sys.argv) == 1:
        trio.run(_serve)
    else:
        what, path = sys.argv[1:]
        work = partial(_work, what, Path(path), sys.stdin.read())
        print(json.dumps(trio.run(work)))


if __name__ == "__main__":
    main()
