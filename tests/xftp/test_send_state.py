"""Sending that is interrupted, and goes on from its state file."""

from __future__ import annotations

import errno
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from simplex_trio.crypto.credentials import generate_router_credentials
from simplex_trio.errors import StoreFull, StoreUnavailable
from simplex_trio.storage.files import write_all
from simplex_trio.transport.tls import utc_now
from simplex_trio.wire.text import from_base64url
from simplex_trio.xftp.client import RegisteredPacket, XFTPClient
from simplex_trio.xftp.disk import claim
from simplex_trio.xftp.errors import FileChanged, StateInUse, StateMismatch, StreamReset
from simplex_trio.xftp.files.progress import Progress, TransferEvent
from simplex_trio.xftp.files.receive import receive_file
from simplex_trio.xftp.files.send import send_file
from simplex_trio.xftp.router.server import XFTPRouter, open_xftp_router
from tests.scenarios.xftp import IMPATIENT, SMALLEST, filled
from tests.xftp.files import (
    ONE_BY_ONE,
    SIZE,
    Interrupted,
    failing,
    interrupted_sending,
    rewrite,
    same,
    sent_to,
)
from tests.xftp.routers import config, routers


@pytest.mark.parametrize("size", [1, SMALLEST, SMALLEST + 1, SIZE])
async def test_sending_goes_on(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path, size: int
) -> None:
    state = tmp_path / "state"
    await interrupted_sending(router, path, state, size, recipients=2)
    assert state.stat().st_mode & 0o077 == 0
    uploaded = router.statistics().counters["packets_uploaded"]
    sent = await sent_to(router, path, recipients=2, state=state)
    assert router.statistics().counters["packets_uploaded"] == len(sent.sender.packets)
    assert uploaded < len(sent.sender.packets)
    again = await sent_to(router, path, recipients=2, state=state)
    assert again == sent
    received = await receive_file(sent.recipients[1], folder, config=IMPATIENT)
    assert same(received.path, path)


async def test_a_line_that_was_not_finished(
    router: XFTPRouter, path: Path, tmp_path: Path, folder: Path
) -> None:
    state = tmp_path / "state"
    await interrupted_sending(router, path, state, 140_000)
    whole = state.read_bytes()
    for cut in range(1, 300, 17):
        state.write_bytes(whole[:-cut])
        sent = await sent_to(router, path, state=state)
    received = await receive_file(sent.recipients[0], folder, config=IMPATIENT)
    assert same(received.path, path)


async def test_packets_that_the_router_has_forgotten(
    router: XFTPRouter, path: Path, tmp_path: Path, folder: Path
) -> None:
    state = tmp_path / "state"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(XFTPClient, "upload", failing(100, XFTPClient.upload, Interrupted()))
        with pytest.RaisesGroup(Interrupted, flatten_subgroups=True, allow_unwrapped=True):
            await send_file(path, [router.address], state=state, config=ONE_BY_ONE)
    (registered,) = (
        json.loads(line) for line in state.read_text().splitlines() if "registered" in line
    )
    assert await router._storage.delete(from_base64url(registered["id"]))
    sent = await sent_to(router, path, state=state)
    assert '"step":"lost"' in state.read_text()
    await receive_file(sent.recipients[0], folder, config=IMPATIENT)


async def test_a_router_that_is_away_when_sending_goes_on(
    path: Path, tmp_path: Path, folder: Path
) -> None:
    state = tmp_path / "state"
    credentials = generate_router_credentials(now=utc_now())
    settings = config(tmp_path / "router")
    async with open_xftp_router(settings, credentials=credentials) as router:
        await interrupted_sending(router, path, state, 10)
        address = router.address
    async with open_xftp_router() as other:
        sent = await send_file(path, [address, other.address], state=state, config=IMPATIENT)
        assert sent.sender.servers == (other.address,)
        await receive_file(sent.recipients[0], folder, config=IMPATIENT)


async def test_states_of_other_transfers(router: XFTPRouter, path: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    await sent_to(router, path, state=state)
    for change in ({"recipients": 2}, {"name": "another"}):
        with pytest.raises(StateMismatch):
            await sent_to(router, path, state=state, **change)
    rewrite(path, filled(SIZE - 1))
    with pytest.raises(StateMismatch):
        await sent_to(router, path, state=state)


@pytest.mark.parametrize(
    "content",
    [
        b"noise\n",
        b"[]\n",
        b"{}\n",
        b'{"format":"another"}\n',
        b"\xff\n",
        b"[" * 100_000 + b"\n",
        b"a letter without a line break at its end",
        b'{"format":"simplex-trio xftp sending 2","name',
    ],
    ids=range(8),
)
async def test_states_that_are_none(
    router: XFTPRouter, path: Path, tmp_path: Path, content: bytes
) -> None:
    state = tmp_path / "state"
    state.write_bytes(content)
    with pytest.raises(StateMismatch):
        await sent_to(router, path, state=state)
    assert state.read_bytes() == content


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"step":"registered"', '"step":"unknown"'),
        ('"packet":1', '"packet":99'),
        ('"packet":1', '"packet":"1"'),
        ('"server":"xftp:', '"server":"http:'),
        ('"recipients":[[', '"recipients":[["AA","AA"],['),
        ('"id":"', '"id":"!'),
        ('"key":"MC4CAQ', '"key":"AAAAAA'),
    ],
)
async def test_damaged_states(
    router: XFTPRouter, path: Path, tmp_path: Path, before: str, after: str
) -> None:
    state = tmp_path / "state"
    await sent_to(router, path, state=state)
    text = state.read_text()
    first, rest = text.split("\n", 1)
    assert before in rest
    state.write_text(first + "\n" + rest.replace(before, after))
    with pytest.raises(StateMismatch):
        await sent_to(router, path, state=state)


@pytest.mark.parametrize("name", ["key", "nonce"])
async def test_damaged_plans(router: XFTPRouter, path: Path, tmp_path: Path, name: str) -> None:
    state = tmp_path / "state"
    await interrupted_sending(router, path, state, 10)
    plan, rest = state.read_text().split("\n", 1)
    state.write_text(
        json.dumps(json.loads(plan) | {name: "AAAA"}, separators=(",", ":")) + "\n" + rest
    )
    with pytest.raises(StateMismatch):
        await sent_to(router, path, state=state)


async def test_a_file_is_sent_once_at_a_time(
    router: XFTPRouter, path: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    await interrupted_sending(router, path, state, 10)
    with state.open("r+b") as file:
        claim(file.fileno())
        with pytest.raises(StateInUse) as caught:
            await sent_to(router, path, state=state)
        assert caught.value.retryable
    await sent_to(router, path, state=state)
    await sent_to(router, path, state=state)


@pytest.mark.parametrize("fails_at", range(1, 9))
async def test_a_disk_that_is_full_for_a_while(
    router: XFTPRouter, path: Path, tmp_path: Path, folder: Path, fails_at: int
) -> None:
    """Whichever line does not fit, no half of it is left."""
    state = tmp_path / "state"
    left = fails_at

    def nearly_full(descriptor: int, data: bytes) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            write_all(descriptor, data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        write_all(descriptor, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simplex_trio.xftp.files.send_state.write_all", nearly_full)
        with pytest.raises(StoreFull):
            await sent_to(router, path, state=state)
    assert state.read_bytes()[-1:] in (b"", b"\n")
    sent = await sent_to(router, path, state=state)
    received = await receive_file(sent.recipients[0], folder, config=IMPATIENT)
    assert same(received.path, path)


async def failed_uploads(servers: Sequence[XFTPRouter], path: Path, state: Path) -> None:
    """Packets that are registered everywhere, and nowhere uploaded."""
    error = StreamReset("always")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(XFTPClient, "upload", failing(1000, XFTPClient.upload, error))
        with pytest.raises(StreamReset):
            await send_file(
                path, [each.address for each in servers], state=state, config=ONE_BY_ONE
            )


async def test_nothing_is_uploaded_that_is_not_wanted(
    path: Path, tmp_path: Path, folder: Path
) -> None:
    state = tmp_path / "state"
    async with routers(tmp_path, 3) as three:
        servers = [each.address for each in three]
        await failed_uploads(three, path, state)
        assert state.read_text().count("registered") == 3
        sent = await send_file(path, servers, state=state, config=IMPATIENT)
        uploads = sum(each.statistics().counters["packets_uploaded"] for each in three)
        assert uploads == len(sent.sender.packets)
        await receive_file(sent.recipients[0], folder, config=IMPATIENT)


async def test_replicas_go_to_different_routers(path: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with routers(tmp_path, 2) as (a, b):
        lines = []
        for _ in range(2):
            await failed_uploads([a], path, state)
            plan, *registered = state.read_text().splitlines()
            lines += registered
            state.write_text(plan + "\n")
        # Two at one router, as earlier versions of this package have left them.
        both = "\n".join([plan, *lines, ""])
        assert both.count("registered") == 2
        state.write_text(both.replace('"replicas":1', '"replicas":2'))
        servers = [a.address, b.address]
        sent = await send_file(path, servers, replicas=2, state=state, config=IMPATIENT)
    for packet in sent.sender.packets:
        assert len({replica.server for replica in packet.replicas}) == 2


async def test_a_router_that_has_a_packet_gets_no_other(path: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with routers(tmp_path, 1) as (a,):
        for _ in range(3):
            await failed_uploads([a], path, state)
        assert state.read_text().count("registered") == 1


async def test_other_content_is_not_encrypted_with_the_same_key(
    router: XFTPRouter, path: Path, tmp_path: Path
) -> None:
    """Also where the router has forgotten what it had of the first."""
    state = tmp_path / "state"
    await failed_uploads([router], path, state)
    (registered,) = (
        json.loads(line) for line in state.read_text().splitlines() if "registered" in line
    )
    assert await router._storage.delete(from_base64url(registered["id"]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(XFTPClient, "register", failing(1, XFTPClient.register, Interrupted()))
        with pytest.RaisesGroup(Interrupted, flatten_subgroups=True, allow_unwrapped=True):
            await send_file(path, [router.address], state=state, config=ONE_BY_ONE)
    assert '"step":"lost"' in state.read_text()
    rewrite(path, filled(SIZE, 1))
    with pytest.raises(FileChanged):
        await sent_to(router, path, state=state)
    assert state.read_text().count("registered") == 1


async def test_a_router_that_gives_no_ids(path: Path, tmp_path: Path, folder: Path) -> None:
    original = XFTPClient.register
    async with routers(tmp_path, 2) as (liar, good):

        async def register(self: XFTPClient, *args: Any, **kwargs: Any) -> RegisteredPacket:
            registered = await original(self, *args, **kwargs)
            if self.server == liar.address:
                return RegisteredPacket(registered.sender_id, (b"",))
            return registered

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(XFTPClient, "register", register)
            servers = [liar.address, good.address]
            sent = await send_file(path, servers, config=IMPATIENT)
        assert sent.sender.servers == (good.address,)


async def test_progress_of_replicas(path: Path, tmp_path: Path) -> None:
    told: list[TransferEvent] = []
    state = tmp_path / "state"

    def stop(event: TransferEvent) -> None:
        told.append(event)
        if isinstance(event, Progress) and event.done >= event.total // 2:
            raise Interrupted

    async with routers(tmp_path, 2) as (a, b):
        servers = [a.address, b.address]
        with pytest.RaisesGroup(Interrupted, flatten_subgroups=True, allow_unwrapped=True):
            await send_file(path, servers, replicas=2, state=state, config=ONE_BY_ONE, tell=stop)
        begun = len(told)
        sent = await send_file(
            path, servers, replicas=2, state=state, config=ONE_BY_ONE, tell=told.append
        )
    for events in (told[:begun], told[begun:]):
        done = [event.done for event in events if isinstance(event, Progress)]
        assert done == sorted(done)
    progress = [event for event in told if isinstance(event, Progress)]
    assert all(event.total == 2 * sent.sender.size for event in progress)
    assert progress[-1].done == progress[-1].total
    # What is there already counts at once, and in one piece.
    resumed = told[begun]
    assert isinstance(resumed, Progress)
    assert resumed.done == 2 * 65536


async def test_a_file_that_changes(router: XFTPRouter, path: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    await interrupted_sending(router, path, state, 70_000)
    rewrite(path, filled(SIZE, 1))
    with pytest.raises(FileChanged):
        await sent_to(router, path, state=state)
    rewrite(path, filled(SIZE))
    await sent_to(router, path, state=state)


@pytest.mark.parametrize("more", [-1, 1])
async def test_a_file_that_changes_while_it_is_sent(
    router: XFTPRouter, path: Path, more: int
) -> None:
    rewrite(path, filled(600_000))

    def change(event: TransferEvent) -> None:
        rewrite(path, filled(600_000 + more))

    with pytest.raises(FileChanged):
        await send_file(path, [router.address], config=ONE_BY_ONE, tell=change)


async def test_a_state_that_cannot_be_written(
    router: XFTPRouter, path: Path, tmp_path: Path
) -> None:
    with pytest.raises(StoreUnavailable):
        await sent_to(router, path, state=tmp_path / "nowhere" / "state")
