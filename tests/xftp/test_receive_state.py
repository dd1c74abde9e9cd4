"""Receiving that is interrupted by crashes, full disks and cancelling, and goes on."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import trio

from simplex_trio.xftp.errors import (
    StateMismatch,
    StorageFull,
)
from simplex_trio.xftp.files import placing
from simplex_trio.xftp.files.progress import Phase, Progress, TransferEvent
from simplex_trio.xftp.files.receive import receive_file
from simplex_trio.xftp.files.receive_state import ReceiveState
from simplex_trio.xftp.router.server import XFTPRouter
from tests.scenarios.xftp import IMPATIENT, SMALLEST, names_in
from tests.wire.xftp_values import DESCRIPTION
from tests.xftp.files import (
    SIZE,
    Interrupted,
    interrupted_receiving,
    same,
    sent_to,
)


@pytest.mark.parametrize("size", [1, SMALLEST, SMALLEST + 1, SIZE])
@pytest.mark.parametrize("phase", [Phase.DOWNLOADING, Phase.DECRYPTING])
async def test_receiving_goes_on(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path, size: int, phase: Phase
) -> None:
    sent = await sent_to(router, path)
    state = tmp_path / "state"
    await interrupted_receiving(sent.recipients[0], folder, state, size, phase)
    assert names_in(folder) == []
    assert state.stat().st_mode & 0o077 == 0
    told: list[TransferEvent] = []
    received = await receive_file(
        sent.recipients[0], folder, state=state, config=IMPATIENT, tell=told.append
    )
    assert received.path == folder / "file"
    assert same(received.path, path)
    assert names_in(folder) == ["file"]
    downloads = router.statistics().counters["packets_downloaded"]
    assert downloads == len(sent.sender.packets)
    assert state.stat().st_size < 8192
    again = await receive_file(sent.recipients[0], folder, state=state, config=IMPATIENT)
    assert again == received
    assert names_in(folder) == ["file"]
    checked = [e for e in told if isinstance(e, Progress) and e.phase is Phase.CHECKING]
    assert checked[-1].done == checked[-1].total


async def test_what_a_crash_has_damaged_is_fetched_again(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path
) -> None:
    sent = await sent_to(router, path)
    state = tmp_path / "state"
    await interrupted_receiving(sent.recipients[0], folder, state, 140_000, Phase.DECRYPTING)
    data = bytearray(state.read_bytes())
    data[-1] ^= 1
    state.write_bytes(data[:])
    received = await receive_file(sent.recipients[0], folder, state=state, config=IMPATIENT)
    assert same(received.path, path)
    downloads = router.statistics().counters["packets_downloaded"]
    assert downloads == len(sent.sender.packets) + 1

    state.unlink()
    sent = await sent_to(router, path)
    await interrupted_receiving(sent.recipients[0], folder, state, 140_000, Phase.DECRYPTING)
    os.truncate(state, 120_000)
    received = await receive_file(sent.recipients[0], folder, state=state, config=IMPATIENT)
    assert same(received.path, path)


async def test_a_crash_after_placing(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it happens, there is one file in the end."""
    state = tmp_path / "state"
    for place, leaves in (
        ("simplex_trio.xftp.files.placing._link", 0),
        ("simplex_trio.xftp.client.XFTPClient.acknowledge", 1),
        ("simplex_trio.xftp.files.receive_state.ReceiveState.complete", 1),
    ):
        sent = await sent_to(router, path)

        def crash(*_: object, **__: object) -> None:
            raise Interrupted

        with monkeypatch.context() as patch:
            patch.setattr(place, crash)
            with pytest.RaisesGroup(Interrupted, flatten_subgroups=True, allow_unwrapped=True):
                await receive_file(sent.recipients[0], folder, state=state, config=IMPATIENT)
        assert len(names_in(folder)) == leaves
        received = await receive_file(sent.recipients[0], folder, state=state, config=IMPATIENT)
        assert received.path == folder / "file"
        assert names_in(folder) == ["file"]
        received.path.unlink()
        state.unlink()


@pytest.mark.parametrize(
    ("noted", "has_part", "has_file", "is_placed"),
    [
        (False, False, False, False),  # nothing was begun
        (False, True, False, False),  # while it was decrypted
        (True, True, False, False),  # before it got its name
        (True, True, True, True),  # when it had both names
        (True, False, True, True),  # when it had its own
        (True, False, False, True),  # and somebody has taken it away
    ],
)
def test_where_a_crash_may_happen_while_placing(
    folder: Path, noted: bool, has_part: bool, has_file: bool, is_placed: bool
) -> None:
    part, file = folder / ".part", folder / "file"
    state = ReceiveState.create(None, folder, DESCRIPTION, DESCRIPTION)
    if noted:
        state.note_placed_name("file")
    if has_part:
        part.write_bytes(b"content")
    if has_file and has_part:
        os.link(part, file)
    elif has_file:
        file.write_bytes(b"content")
    assert placing.finish_placing(state, folder, part) == (file if is_placed else None)
    assert not part.exists()
    assert state.placed_name == ("file" if is_placed else None)
    assert names_in(folder) == (["file"] if has_file else [])
    state.close()


def test_somebody_else_has_taken_the_name(folder: Path) -> None:
    part = folder / ".part"
    state = ReceiveState.create(None, folder, DESCRIPTION, DESCRIPTION)
    state.note_placed_name("file")
    part.write_bytes(b"content")
    (folder / "file").write_bytes(b"mine")
    assert placing.finish_placing(state, folder, part) is None
    assert names_in(folder) == ["file"]
    state.close()


async def test_states_of_other_files(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path
) -> None:
    sent = await sent_to(router, path, recipients=2)
    state = tmp_path / "state"
    first, second = sent.recipients
    await interrupted_receiving(first, folder, state, 10, Phase.DOWNLOADING)
    with pytest.raises(StateMismatch):
        await receive_file(second, folder, state=state, config=IMPATIENT)
    whole = state.read_bytes()
    for content in (b"", b"noise" * 1000, whole[:500], whole[:600] + bytes(5000)):
        state.write_bytes(content)
        with pytest.raises(StateMismatch):
            await receive_file(first, folder, state=state, config=IMPATIENT)
        assert state.read_bytes() == content
    state.write_bytes(whole)
    await receive_file(first, folder, state=state, config=IMPATIENT)


# --- the disk -------------------------------------------------------------------------------------


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("with_state", [False, True])
async def test_a_full_disk(
    router: XFTPRouter,
    path: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    with_state: bool,
) -> None:
    sent = await sent_to(router, path)
    state = folder / "state" if with_state else None
    left = ["state"] if with_state else []
    for place in (
        "simplex_trio.xftp.files.receive_state.ReceiveState.write",
        "simplex_trio.xftp.files.placing._decrypt",
        "simplex_trio.xftp.files.placing._link",
    ):
        with monkeypatch.context() as patch:
            patch.setattr(place, full)
            with pytest.raises(StorageFull) as caught:
                await receive_file(sent.recipients[0], folder, state=state, config=IMPATIENT)
        assert caught.value.retryable
        assert names_in(folder) == left
    received = await receive_file(sent.recipients[0], folder, state=state, config=IMPATIENT)
    assert same(received.path, path)


async def test_a_full_disk_at_the_start(
    router: XFTPRouter, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = await sent_to(router, path)
    for place in ("os.replace", "simplex_trio.xftp.files.receive_state._identity"):
        with monkeypatch.context() as patch:
            patch.setattr(place, full)
            with pytest.raises(StorageFull):
                await receive_file(
                    sent.recipients[0], folder, state=folder / "state", config=IMPATIENT
                )
        assert names_in(folder) == []


async def test_a_cancelled_transfer_leaves_its_state_only(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path
) -> None:
    sent = await sent_to(router, path)
    for state in (None, tmp_path / "state"):
        for phase in (Phase.DOWNLOADING, Phase.DECRYPTING):

            def cancel(event: TransferEvent, phase: Phase = phase) -> None:
                if isinstance(event, Progress) and event.phase is phase:
                    scope.cancel()

            with trio.CancelScope() as scope:
                await receive_file(
                    sent.recipients[0], folder, state=state, config=IMPATIENT, tell=cancel
                )
            assert scope.cancelled_caught
            assert names_in(folder) == []
    left = ReceiveState.open(tmp_path / "state", sent.recipients[0])
    assert left is not None
    left.close()
