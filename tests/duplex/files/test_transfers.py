"""Files that agents send and receive, through routers that work."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trio

from simplex_trio.duplex.errors import NoServers, UnknownFile
from simplex_trio.duplex.file_events import (
    FileDeleted,
    FileFailed,
    FileNeedsApproval,
    FileProblem,
    FileReceived,
    FileSent,
)
from simplex_trio.duplex.file_status import FileState
from simplex_trio.duplex.transaction import Transaction
from simplex_trio.errors import StoreError, StoreUnavailable
from simplex_trio.wire.xftp.description import FileParty
from simplex_trio.wire.xftp.description_text import decode_description
from simplex_trio.xftp.files.receive import receive_file
from simplex_trio.xftp.files.send import send_file
from simplex_trio.xftp.router.server import XFTPRouter, open_xftp_router
from tests.scenarios.xftp import IMPATIENT, file_in, names_in
from tests.xftp.files import same

from .agents import agent_at, events_until, next_of, with_files


async def test_sent_and_received(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path
) -> None:
    async with agent_at(tmp_path / "agent.db", with_files(router)) as agent:
        file_id = await agent.send_file(path, recipients=2)
        sent = await next_of(agent, FileSent)
        assert sent.file_id == file_id
        assert len(sent.recipients) == 2
        assert decode_description(sent.own[0]).party is FileParty.SENDER
        assert (await agent.file_status(file_id)).state is FileState.SENT
        for number, text in enumerate(sent.recipients):
            received_id = await agent.receive_file(text, folder)
            received = await next_of(agent, FileReceived)
            assert received.file_id == received_id
            assert received.path == str(folder / ("file" if number == 0 else "file_1"))
            assert same(Path(received.path), path)
        await agent.drain()
        assert names_in(tmp_path / "agent.db.files") == []
        assert [each.file_id for each in await agent.files()] == [file_id]
        await agent.delete_file(file_id)
        deleted = await next_of(agent, FileDeleted)
        assert (deleted.file_id, deleted.left) == (file_id, 0)
        assert router.statistics().packets == 0
        with pytest.raises(UnknownFile):
            await agent.file_status(file_id)


@pytest.mark.parametrize("size", [0, 1, 60_000, 800_000])
async def test_sizes(router: XFTPRouter, tmp_path: Path, folder: Path, size: int) -> None:
    path = file_in(tmp_path, size)
    async with agent_at(None, with_files(router)) as agent:
        await agent.send_file(path, name="other")
        sent = await next_of(agent, FileSent)
        await agent.receive_file(sent.recipients[0], folder / "exactly")
        received = await next_of(agent, FileReceived)
    assert received.path == str(folder / "exactly")
    assert same(Path(received.path), path)


async def test_one_side_without_an_agent(router: XFTPRouter, path: Path, folder: Path) -> None:
    async with agent_at(None, with_files(router)) as agent:
        sent = await send_file(path, [router.address], config=IMPATIENT)
        await agent.receive_file(sent.recipients[0], folder, acknowledge=False)
        received = await next_of(agent, FileReceived)
        assert same(Path(received.path), path)
        deletion = await agent.delete_described(sent.sender)
        assert (await next_of(agent, FileDeleted)).file_id == deletion

        await agent.send_file(path)
        told = await next_of(agent, FileSent)
        own = await receive_file(decode_description(told.recipients[0]), folder, config=IMPATIENT)
        assert same(own.path, path)


async def test_redirects(router: XFTPRouter, path: Path, folder: Path) -> None:
    config = with_files(router, longest_description=600)
    async with agent_at(None, config) as agent:
        file_id = await agent.send_file(path, recipients=2, name="file")
        sent = await next_of(agent, FileSent)
        assert sent.file_id == file_id
        assert len(sent.own) == 3
        for text in sent.recipients:
            assert decode_description(text).redirect is not None
            await agent.receive_file(text, folder)
            received = await next_of(agent, FileReceived)
            assert same(Path(received.path), path)
        await agent.drain()
        await agent.delete_file(file_id)
        await next_of(agent, FileDeleted)
        assert router.statistics().packets == 0
        await agent.send_file(path, redirect=False)
        direct = await next_of(agent, FileSent)
        assert decode_description(direct.recipients[0]).redirect is None
        short = with_files(router)
    async with agent_at(None, short) as agent:
        await agent.send_file(path, redirect=True)
        always = await next_of(agent, FileSent)
        assert decode_description(always.recipients[0]).redirect is not None


async def test_unknown_routers_need_approval(router: XFTPRouter, path: Path, folder: Path) -> None:
    async with agent_at(None, with_files(router)) as sender:
        await sender.send_file(path, recipients=4, redirect=True)
        sent = await next_of(sender, FileSent)
    async with agent_at(None) as agent:
        file_id = await agent.receive_file(sent.recipients[0], folder)
        asked = await next_of(agent, FileNeedsApproval)
        assert asked.servers == (router.address,)
        assert (await agent.file_status(file_id)).state is FileState.ASKING
        await agent.drain()
        await agent.approve_file(file_id)
        # The routers of the file itself may be others; here they are the same.
        assert (await next_of(agent, FileReceived)).file_id == file_id

        await agent.receive_file(sent.recipients[1], folder, approve=True)
        await next_of(agent, FileReceived)
        with pytest.raises(UnknownFile):
            await agent.approve_file("no file")
    for policy in ([router.address], lambda server: server == router.address):
        number = 2 if isinstance(policy, list) else 3
        async with agent_at(None, with_files(may_use=policy)) as agent:
            await agent.receive_file(sent.recipients[number], folder)
            await next_of(agent, FileReceived)


async def test_what_cannot_be_received(router: XFTPRouter, path: Path, folder: Path) -> None:
    sent = await send_file(path, [router.address], config=IMPATIENT)
    async with agent_at(None, with_files(router)) as agent:
        await agent.receive_file(sent.recipients[0], folder)
        await next_of(agent, FileReceived)
        await agent.drain()
        file_id = await agent.receive_file(sent.recipients[0], folder)
        (failed,) = await events_until(agent, FileFailed)
        assert failed == FileFailed(file_id, FileProblem.GONE)
        assert await agent.files() == []
        with pytest.raises(ValueError, match="recipient"):
            await agent.receive_file(sent.sender, folder)
        with pytest.raises(ValueError, match="sender"):
            await agent.delete_described(sent.recipients[0])
        for missing in ("missing/", "missing/name", "file/"):
            with pytest.raises(StoreError):
                await agent.receive_file(sent.recipients[0], f"{folder}/{missing}")
    assert names_in(folder) == ["file"]


async def test_what_cannot_be_sent(path: Path, tmp_path: Path) -> None:
    async with open_xftp_router() as router, agent_at(None, with_files(router)) as agent:
        with pytest.raises(NoServers):
            await agent.send_file(path, replicas=2)
        with pytest.raises(StoreUnavailable):
            await agent.send_file(tmp_path / "no file")
        os.mkfifo(tmp_path / "pipe")
        for place in (tmp_path, tmp_path / "pipe"):
            with pytest.raises(StoreUnavailable):
                await agent.send_file(place)


async def test_cancelling(router: XFTPRouter, path: Path, folder: Path) -> None:
    async with agent_at(None, with_files(router)) as agent:
        file_id = await agent.send_file(path)
        await agent.delete_file(file_id)
        deleted = await next_of(agent, FileDeleted)
        assert deleted.file_id == file_id
        await agent.drain()
        await trio.testing.wait_all_tasks_blocked()
        assert router.statistics().packets == 0
        sent = await send_file(path, [router.address], config=IMPATIENT)
        received_id = await agent.receive_file(sent.recipients[0], folder)
        await agent.delete_file(received_id)
        await agent.drain()
        assert names_in(folder) == []
        with pytest.raises(UnknownFile):
            await agent.delete_file(received_id)


async def test_files_are_sent_and_received_in_transactions(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path
) -> None:
    async with agent_at(tmp_path / "agent.db", with_files(router)) as agent:
        planned = await agent.plan_sending(path, name="notes")
        assert (planned.name, planned.size) == ("notes", os.stat(path).st_size)

        def give_up(t: Transaction) -> None:
            t.send_file(planned)
            raise RuntimeError

        with pytest.raises(RuntimeError):
            await agent.transact(give_up)
        assert await agent.files() == []

        def send(t: Transaction) -> str:
            file_id = t.send_file(planned)
            t.kept.put("files", file_id.encode(), b"mine")
            return file_id

        file_id = await agent.transact(send)
        sent = await next_of(agent, FileSent)
        assert sent.file_id == file_id
        to_receive = await agent.plan_receiving(sent.recipients[0], folder)
        assert to_receive.size == decode_description(sent.recipients[0]).size
        received_id = await agent.transact(lambda t: t.receive_file(to_receive))
        received = await next_of(agent, FileReceived)
        assert received == FileReceived(received_id, str(folder / "notes"))
        await agent.transact(lambda t: t.delete_file(file_id))
        assert (await next_of(agent, FileDeleted)).left == 0
        for unknown in (Transaction.delete_file, Transaction.approve_file):
            with pytest.raises(UnknownFile):
                await agent.transact(partial(_with_file, unknown, file_id))


def _with_file(call: Callable[[Transaction, str], None], file_id: str, t: Transaction) -> None:
    call(t, file_id)
