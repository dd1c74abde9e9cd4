"""What an agent keeps in memory of a file goes when the file is done with."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import trio

from simplex_trio.duplex.file_events import FileFailed, FileReceived
from simplex_trio.xftp.files.packet_file import PacketFile
from simplex_trio.xftp.files.send import send_file
from simplex_trio.xftp.router.server import XFTPRouter
from tests.scenarios.xftp import IMPATIENT

from .agents import agent_at, events_until, next_of, with_files


async def test_where_packets_are_from(router: XFTPRouter, path: Path, folder: Path) -> None:
    sent = await send_file(path, [router.address], recipients=2, config=IMPATIENT)
    async with agent_at(None, with_files(router)) as agent:
        for acknowledge in (False, True):
            await agent.receive_file(sent.recipients[0], folder, acknowledge=acknowledge)
            await next_of(agent, FileReceived)
            await agent.drain()
            assert agent._file_works._local.fetched_from == {}
        await agent.receive_file(sent.recipients[0], folder)
        await events_until(agent, FileFailed)
        await agent.drain()
        assert agent._file_works._local.fetched_from == {}


async def test_progress_of_what_was_cancelled(
    router: XFTPRouter, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = await send_file(path, [router.address], config=IMPATIENT)
    begun, may_end = trio.Event(), threading.Event()
    original = PacketFile.write

    def write(*args: Any) -> None:
        trio.from_thread.run_sync(begun.set)
        may_end.wait(10)
        original(*args)

    monkeypatch.setattr(PacketFile, "write", write)
    async with agent_at(None, with_files(router)) as agent:
        file_id = await agent.receive_file(sent.recipients[0], folder)
        await begun.wait()
        await agent.delete_file(file_id)
        may_end.set()
        await agent.drain()
        assert agent._file_works.progress.latest(file_id) is None
