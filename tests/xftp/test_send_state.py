"""Sending that is interrupted, and goes on from its state file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simplex_trio.crypto.credentials import generate_router_credentials
from simplex_trio.transport.tls import utc_now
from simplex_trio.wire.text import from_base64url
from simplex_trio.xftp.client import XFTPClient
from simplex_trio.xftp.errors import (
    FileChanged,
    StateMismatch,
    StorageFailed,
)
from simplex_trio.xftp.files.progress import TransferEvent
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
from tests.xftp.routers import config


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
    ],
    ids=range(6),
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
    with pytest.raises(StorageFailed):
        await sent_to(router, path, state=tmp_path / "nowhere" / "state")
