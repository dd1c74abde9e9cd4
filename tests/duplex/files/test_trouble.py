"""Files through agents that run into limits, and routers and disks that fail."""

from __future__ import annotations

import errno
import stat
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from simplex_trio.crypto.credentials import generate_router_credentials
from simplex_trio.duplex.config import Network
from simplex_trio.duplex.events import DuplexEvent
from simplex_trio.duplex.file_events import (
    FileDelayed,
    FileFailed,
    FileProblem,
    FileProgress,
    FileReceived,
    FileSent,
)
from simplex_trio.duplex.file_status import FileState
from simplex_trio.engine.backoff import Backoff
from simplex_trio.errors import ConnectionLost, StoreFull
from simplex_trio.transport.tls import utc_now
from simplex_trio.wire.xftp.description_text import encode_description
from simplex_trio.xftp.client import XFTPClient
from simplex_trio.xftp.errors import FileTooLarge, XFTPSupportMissing
from simplex_trio.xftp.files import placing
from simplex_trio.xftp.files.progress import Phase, Progress
from simplex_trio.xftp.files.send import send_file
from simplex_trio.xftp.router.server import XFTPRouter, open_xftp_router
from tests.scenarios.xftp import IMPATIENT, file_in, filled, names_in
from tests.xftp.files import SIZE, failing, rewrite, same
from tests.xftp.routers import config

from .agents import CONFIG, QUICK, agent_at, events_until, next_of, with_files


async def description_of(router: XFTPRouter, path: Path) -> str:
    sent = await send_file(path, [router.address], config=IMPATIENT)
    return encode_description(sent.recipients[0])


# --- routers --------------------------------------------------------------------------------------


async def test_a_router_that_is_away(path: Path, folder: Path, tmp_path: Path) -> None:
    credentials = generate_router_credentials(now=utc_now())
    settings = config(tmp_path / "router")
    async with open_xftp_router(settings, credentials=credentials) as router:
        description = await description_of(router, path)
        again = evolve(settings, ports=(router.address.effective_port,))
        settings_of_agent = with_files(router)
    async with agent_at(tmp_path / "agent.db", settings_of_agent) as agent:
        sending = await agent.send_file(path)
        receiving = await agent.receive_file(description, folder)
        delays = [await next_of(agent, FileDelayed) for _ in range(2)]
        assert {each.file_id for each in delays} == {sending, receiving}
        assert {each.problem for each in delays} == {FileProblem.NETWORK}
        async with open_xftp_router(again, credentials=credentials):
            agent.network_came_back()
            done: set[str] = set()
            while len(done) < 2:
                event = await agent.events.receive()
                assert not isinstance(event, FileDelayed | FileFailed)
                if isinstance(event, FileSent | FileReceived):
                    done.add(event.file_id)


async def test_routers_that_refuse(path: Path) -> None:
    async with (
        open_xftp_router(config(quota=1000)) as full,
        open_xftp_router(config(accept_new=False)) as closed,
        open_xftp_router() as good,
    ):
        async with agent_at(None, with_files(full)) as agent:
            await agent.send_file(path)
            assert (await next_of(agent, FileDelayed)).problem is FileProblem.QUOTA
        async with agent_at(None, with_files(closed)) as agent:
            file_id = await agent.send_file(path)
            *_, failed = await events_until(agent, FileFailed)
            assert failed == FileFailed(file_id, FileProblem.REFUSED)
        async with agent_at(None, with_files(full, closed, good)) as agent:
            await agent.send_file(path)
            await next_of(agent, FileSent)
            assert good.statistics().packets > 0


async def test_a_lost_answer_to_an_upload_makes_no_second_packet(
    router: XFTPRouter, path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    original = XFTPClient.upload
    enough = trio.Event()
    count = 0

    async def upload(*args: Any) -> None:
        nonlocal count
        await original(*args)
        count += 1
        if count > 20:
            enough.set()
        raise ConnectionLost("after all of it")

    monkeypatch.setattr(XFTPClient, "upload", upload)
    store = tmp_path / "agent.db"
    async with agent_at(store, with_files(router)) as agent:
        await agent.send_file(path)
        await enough.wait()
    registered = router.statistics().counters["packets_registered"]
    monkeypatch.undo()
    async with agent_at(store, with_files(router)) as agent:
        await next_of(agent, FileSent)
        await agent.drain()
    assert router.statistics().counters["packets_registered"] == registered == 3
    assert router.statistics().packets == 3


async def test_routers_that_give_packets_the_same_id(
    router: XFTPRouter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = XFTPClient.register

    async def register(*args: Any, **named: Any) -> Any:
        return evolve(await original(*args, **named), sender_id=b"the same id for all")

    monkeypatch.setattr(XFTPClient, "register", register)
    async with open_xftp_router() as other, agent_at(None, with_files(router, other)) as agent:
        await agent.send_file(path)
        *_, failed = await events_until(agent, FileFailed)
    assert isinstance(failed, FileFailed)
    assert failed.problem is FileProblem.REFUSED


async def test_packets_of_a_router_that_failed_meanwhile_are_deleted(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_xftp_router() as one, open_xftp_router() as other:
        original = XFTPClient.upload

        async def upload(self: XFTPClient, *args: Any) -> None:
            if self.server == one.address:
                raise ConnectionLost("not this one")
            await original(self, *args)

        monkeypatch.setattr(XFTPClient, "upload", upload)
        async with agent_at(None, with_files(one, other)) as agent:
            await agent.send_file(path)
            await next_of(agent, FileSent)
            await agent.drain()
        assert one.statistics().packets == 0
        assert other.statistics().packets == 3


# --- limits ---------------------------------------------------------------------------------------


async def test_parallel_packets(
    router: XFTPRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = most = 0
    original = XFTPClient.upload

    async def upload(*args: Any) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            await trio.sleep(0.01)
            await original(*args)
        finally:
            running -= 1

    monkeypatch.setattr(XFTPClient, "upload", upload)
    path = file_in(tmp_path, SIZE)
    for settings, limit in (({"parallel": 2}, 2), ({"parallel_per_router": 3}, 3)):
        most = 0
        async with agent_at(None, with_files(router, **settings)) as agent:
            for _ in range(5):
                await agent.send_file(path)
            for _ in range(5):
                await next_of(agent, FileSent)
        assert most == limit


async def test_limited_space(router: XFTPRouter, tmp_path: Path, folder: Path) -> None:
    descriptions = []
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        descriptions.append(await description_of(router, file_in(tmp_path / str(number), SIZE)))
    settings = with_files(router, max_space=200_000)
    async with agent_at(tmp_path / "agent.db", settings) as agent:
        for text in descriptions:
            await agent.receive_file(text, folder)
        for _ in descriptions:
            await next_of(agent, FileReceived)
    assert len(names_in(folder)) == 3
    async with agent_at(None, with_files(router, max_space=100_000)) as agent:
        await agent.receive_file(descriptions[0], folder)
        *_, failed = await events_until(agent, FileFailed)
        assert isinstance(failed, FileFailed)
        assert failed.problem is FileProblem.TOO_LARGE
    async with agent_at(None, with_files(router, max_size=100_000)) as agent:
        with pytest.raises(FileTooLarge):
            await agent.receive_file(descriptions[0], folder)
        with pytest.raises(FileTooLarge):
            await agent.send_file(tmp_path / "0" / "file")


async def test_progress(router: XFTPRouter, path: Path, folder: Path) -> None:
    told: list[DuplexEvent] = []
    async with agent_at(None, with_files(router)) as agent:
        sending = await agent.send_file(path)
        while not (told and isinstance(told[-1], FileSent)):
            told.append(await agent.events.receive())
        receiving = await agent.receive_file(told[-1].recipients[0], folder)
        while not isinstance(told[-1], FileReceived):
            told.append(await agent.events.receive())
    for file_id, phases in ((sending, {"uploading"}), (receiving, {"downloading", "decrypting"})):
        ours = [each for each in told if isinstance(each, FileProgress) and each.file_id == file_id]
        assert {each.phase.value for each in ours} == phases
        assert ours[-1].done == ours[-1].total == 3 * 65536


async def test_progress_that_is_not_read_does_not_pile_up(
    router: XFTPRouter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simplex_trio.duplex.work.files.progress._PERIOD", 0)
    async with agent_at(None, with_files(router)) as agent:
        file_id = await agent.send_file(path)
        await agent.drain()
        first, second = [await agent.events.receive() for _ in range(2)]
    assert isinstance(first, FileProgress)
    assert (first.file_id, first.done) == (file_id, first.total)
    assert isinstance(second, FileSent)


# --- disks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("happens", "problem"),
    [
        (lambda path: rewrite(path, filled(SIZE, 5)), FileProblem.CHANGED),
        (lambda path: rewrite(path, filled(SIZE + 1)), FileProblem.CHANGED),
        (Path.unlink, FileProblem.UNREADABLE),
    ],
    ids=["another", "longer", "gone"],
)
async def test_a_file_that_does_not_stay_as_it_is(
    router: XFTPRouter,
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    happens: Any,
    problem: FileProblem,
) -> None:
    lost = ConnectionLost("for a while")
    monkeypatch.setattr(XFTPClient, "upload", failing(10**6, XFTPClient.upload, lost))
    store = tmp_path / "agent.db"
    async with agent_at(store, with_files(router)) as agent:
        file_id = await agent.send_file(path)
        await next_of(agent, FileDelayed)
    monkeypatch.undo()
    happens(path)
    async with agent_at(store, with_files(router)) as agent:
        *_, failed = await events_until(agent, FileFailed)
        assert failed == FileFailed(file_id, problem)
        await agent.drain()
        assert await agent.files() == []
    assert router.statistics().bytes_stored == 0


async def test_a_folder_that_is_gone(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path
) -> None:
    description = await description_of(router, path)
    async with agent_at(tmp_path / "agent.db", with_files()) as agent:
        file_id = await agent.receive_file(description, folder)
    await trio.Path(folder).rmdir()
    async with agent_at(tmp_path / "agent.db", with_files(router)) as agent:
        *_, failed = await events_until(agent, FileFailed)
        assert failed == FileFailed(file_id, FileProblem.DESTINATION)
        await agent.drain()
    assert names_in(tmp_path / "agent.db.files") == []


async def test_packets_are_kept_across_a_restart_and_leftovers_removed(
    router: XFTPRouter,
    path: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    description = await description_of(router, path)
    original = XFTPClient.download
    count = 0

    def download(*args: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        if count > 2:
            raise ConnectionLost("enough")
        return original(*args, **named)

    monkeypatch.setattr(XFTPClient, "download", download)
    store, local = tmp_path / "agent.db", tmp_path / "agent.db.files"
    settings = with_files(router, parallel=1)
    patient = evolve(settings, command_backoff=Backoff(initial=1000, maximum=1000))
    async with agent_at(store, patient) as agent:
        file_id = await agent.receive_file(description, folder)
        await next_of(agent, FileDelayed)
        status = await agent.file_status(file_id)
        assert status.state is FileState.RECEIVING
        assert status.done == 2 * 65536
        for phase, done, total, shown in (
            (Phase.CHECKING, SIZE, status.size, 0),
            (Phase.DECRYPTING, 5, status.size, status.size),
            (Phase.DOWNLOADING, 5, status.size, 5),
            (Phase.DOWNLOADING, 5, 65536, 0),
        ):
            agent._file_works.progress.tell(file_id, Progress(phase, done, total))
            assert (await agent.file_status(file_id)).done == shown
    assert names_in(local) == [f"{file_id}.packets"]
    assert stat.S_IMODE(local.stat().st_mode) == 0o700
    assert stat.S_IMODE((local / f"{file_id}.packets").stat().st_mode) == 0o600
    (local / "unknown.packets").write_bytes(b"left by a crash")
    monkeypatch.undo()
    async with agent_at(store, settings) as agent:
        received = await next_of(agent, FileReceived)
        assert same(Path(received.path), path)
        await agent.drain()
    assert router.statistics().counters["packets_downloaded"] == 3
    assert names_in(local) == []


async def test_a_packet_file_that_is_damaged_is_fetched_again(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path
) -> None:
    description = await description_of(router, path)
    store, local = tmp_path / "agent.db", tmp_path / "agent.db.files"
    async with agent_at(store, CONFIG) as agent:
        file_id = await agent.receive_file(description, folder)  # which has to be approved
    local.mkdir()
    (local / f"{file_id}.packets").write_bytes(b"too short")
    async with agent_at(store, CONFIG) as agent:
        await agent.approve_file(file_id)
        assert same(Path((await next_of(agent, FileReceived)).path), path)


async def test_a_name_that_is_taken_after_an_error(
    router: XFTPRouter, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    description = await description_of(router, path)
    original, failures = placing._link, [OSError(errno.ENOSPC, "full")]

    def link(part: Path, target: Path) -> None:
        if failures:
            target.write_bytes(b"of another program")
            raise failures.pop()
        original(part, target)

    monkeypatch.setattr(placing, "_link", link)
    async with agent_at(None, with_files(router)) as agent:
        await agent.receive_file(description, folder)
        received = await next_of(agent, FileReceived)
    assert same(Path(received.path), path)
    assert (folder / path.name).read_bytes() == b"of another program"
    assert not failures


async def test_a_folder_that_cannot_be_synchronised(
    router: XFTPRouter, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    description = await description_of(router, path)

    def sync(place: Path) -> None:
        assert names_in(place) == [f".{file_id}.xftp-part", path.name]
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(placing, "sync_folder", sync)
    async with agent_at(None, with_files(router)) as agent:
        file_id = await agent.receive_file(description, folder)
        *_, failed = await events_until(agent, FileFailed)
    assert failed == FileFailed(file_id, FileProblem.DESTINATION)
    assert names_in(folder) == []


async def test_a_full_disk_while_packets_are_removed(
    router: XFTPRouter,
    path: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    description = await description_of(router, path)

    def download(*args: Any, **named: Any) -> Any:
        raise ConnectionLost("not now")

    monkeypatch.setattr(XFTPClient, "download", download)
    monkeypatch.setattr("simplex_trio.duplex.work.core._STORE_BACKOFF", QUICK)
    settings = evolve(with_files(router), command_backoff=Backoff(initial=1000, maximum=1000))
    async with agent_at(tmp_path / "agent.db", settings) as agent:
        file_id = await agent.receive_file(description, folder)
        await next_of(agent, FileDelayed)
        assert names_in(tmp_path / "agent.db.files") == [f"{file_id}.packets"]
        original, failures = agent._core.read, [StoreFull("the disk is full")]

        async def read(look: Any) -> Any:
            if failures:
                raise failures.pop()
            return await original(look)

        monkeypatch.setattr(agent._core, "read", read)
        await agent.delete_file(file_id)
        with trio.fail_after(5):
            while names_in(tmp_path / "agent.db.files"):  # noqa: ASYNC110
                await trio.sleep(0.01)
    assert not failures


# --- other ----------------------------------------------------------------------------------------


async def test_a_pause_in_the_middle(
    router: XFTPRouter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = XFTPClient.upload
    began = trio.Event()
    waits = True

    async def upload(
        self: XFTPClient, key: Any, sender_id: bytes, size: int, body: AsyncGenerator[memoryview]
    ) -> None:
        if waits:
            async with aclosing(body):
                began.set()
                await trio.sleep_forever()
        await original(self, key, sender_id, size, body)

    monkeypatch.setattr(XFTPClient, "upload", upload)
    async with agent_at(None, with_files(router)) as agent:
        await agent.send_file(path)
        await began.wait()
        assert not await agent.pause(within=0.01)
        waits = False
        agent.resume()
        await next_of(agent, FileSent)


async def test_another_network_in_the_middle(
    router: XFTPRouter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection over the network of before would say nothing for half a minute."""
    original = XFTPClient.upload
    began = trio.Event()

    async def upload(
        self: XFTPClient, key: Any, sender_id: bytes, size: int, body: AsyncGenerator[memoryview]
    ) -> None:
        if not began.is_set():
            began.set()
            async with aclosing(body):
                await self.wait_until_over()
                raise ConnectionLost("the connection was closed")
        await original(self, key, sender_id, size, body)

    monkeypatch.setattr(XFTPClient, "upload", upload)
    async with agent_at(None, with_files(router)) as agent:
        await agent.send_file(path)
        await began.wait()
        agent.set_network(Network.ORDINARY, changed=True)
        await next_of(agent, FileSent)


async def test_what_takes_too_long_is_given_up(path: Path, tmp_path: Path) -> None:
    async with open_xftp_router() as router:
        settings = with_files(router, send_within=50)
    now = 1_800_000_000.0
    store = tmp_path / "agent.db"
    settings = evolve(settings, clock=lambda: now)
    async with agent_at(store, settings) as agent:
        file_id = await agent.send_file(path)
    now += 50
    async with agent_at(store, settings) as agent:
        *_, failed = await events_until(agent, FileFailed)
        assert failed == FileFailed(file_id, FileProblem.EXPIRED)


async def test_without_the_libraries(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise XFTPSupportMissing("not there")

    for place in ("file_calls", "work.files.works"):
        monkeypatch.setattr(f"simplex_trio.duplex.{place}.require_support", missing)
    async with agent_at(None) as agent:
        with pytest.raises(XFTPSupportMissing):
            await agent.send_file(path)
        with pytest.raises(XFTPSupportMissing):
            await agent.receive_file("", path)
        await agent.drain()
