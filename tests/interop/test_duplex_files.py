"""Files between `DuplexAgent` and another program's agent, over an XFTP router that both use.

SIMPLEX_TRIO_AGENT is the path of a program that runs an agent, SIMPLEX_TRIO_ROUTER a router for
queues, which it wants to have, and SIMPLEX_TRIO_XFTP one for files.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.events import DuplexEvent
from simplex_trio.duplex.file_events import (
    FileDeleted,
    FileFailed,
    FileNeedsApproval,
    FileReceived,
    FileSent,
)
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.wire.xftp.description_text import decode_description
from tests.interop.conftest import named
from tests.interop.driver import PATIENCE, Driver, open_driver
from tests.scenarios.xftp import file_in
from tests.xftp.files import same

EventT = TypeVar("EventT", bound=DuplexEvent)

MIB = 1024 * 1024

SIZES = (1, 60_000, 200_000, 10 * MIB)
"""Of files in one packet, and in several of each size."""


@asynccontextmanager
async def both(tmp_path: Path) -> AsyncIterator[tuple[DuplexAgent, Driver]]:
    """Our agent and the other one."""
    xftp = named("SIMPLEX_TRIO_XFTP")
    (tmp_path / "work").mkdir()
    async with (
        open_driver(
            named("SIMPLEX_TRIO_AGENT"),
            named("SIMPLEX_TRIO_ROUTER"),
            str(tmp_path / "other.db"),
            xftp=[xftp],
        ) as driver,
        open_duplex_agent(
            tmp_path / "ours.db", xftp_servers=[xftp], config=DuplexConfig(pq=False)
        ) as agent,
    ):
        await driver.command("xftpStart", workDir=str(tmp_path / "work"))
        yield agent, driver


async def next_of(agent: DuplexAgent, kind: type[EventT]) -> EventT:
    with trio.fail_after(PATIENCE):
        while True:
            event = await agent.events.receive()
            if isinstance(event, kind):
                return event
            assert not isinstance(event, FileFailed | FileNeedsApproval), event


async def theirs(driver: Driver, description: str) -> Path:
    """Where the other agent has put a file that is described so."""
    await driver.command("xftpReceiveFile", description=description)
    done = await driver.event("RFDONE")
    return Path(done["path"])


@pytest.mark.parametrize("size", SIZES)
async def test_we_send(tmp_path: Path, size: int) -> None:
    path = file_in(tmp_path, size)
    async with both(tmp_path) as (agent, driver):
        file_id = await agent.send_file(path, recipients=2)
        sent = await next_of(agent, FileSent)
        for text in sent.recipients:
            assert same(await theirs(driver, text), path)
        await agent.delete_file(file_id)
        assert (await next_of(agent, FileDeleted)).left == 0


@pytest.mark.parametrize("size", SIZES)
async def test_they_send(tmp_path: Path, size: int) -> None:
    path = file_in(tmp_path, size)
    folder = tmp_path / "received"
    folder.mkdir()
    async with both(tmp_path) as (agent, driver):
        await driver.command("xftpSendFile", path=str(path), recipients=2)
        done = await driver.event("SFDONE")
        recipients = done["rcvDescriptions"]
        assert len(recipients) == 2
        for text in recipients:
            await agent.receive_file(text, folder)
            received = await next_of(agent, FileReceived)
            assert same(Path(received.path), path)
        await agent.drain()
        deletion = await agent.delete_described(done["sndDescription"])
        deleted = await next_of(agent, FileDeleted)
        assert (deleted.file_id, deleted.left) == (deletion, 0)


async def test_they_follow_redirects(tmp_path: Path) -> None:
    path = file_in(tmp_path, 700_000)
    async with both(tmp_path) as (agent, driver):
        file_id = await agent.send_file(path, recipients=2, redirect=True)
        sent = await next_of(agent, FileSent)
        for text in sent.recipients:
            assert decode_description(text).redirect is not None
            assert same(await theirs(driver, text), path)
        await agent.delete_file(file_id)
        assert (await next_of(agent, FileDeleted)).left == 0


async def test_a_message_carries_the_description(tmp_path: Path) -> None:
    """The text is what a program hands over; a link to it works as well."""
    path = file_in(tmp_path, 60_000)
    async with both(tmp_path) as (agent, driver):
        await driver.command("xftpSendFile", path=str(path), recipients=1)
        done = await driver.event("SFDONE")
        (text,) = done["rcvDescriptions"]
        await agent.receive_file(decode_description(text), tmp_path / "here")
        assert same(Path((await next_of(agent, FileReceived)).path), path)
