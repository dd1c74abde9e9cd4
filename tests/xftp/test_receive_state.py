"""Receiving that is interrupted by crashes, full disks and cancelling, and goes on."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import trio
from attrs import evolve

from simplex_trio.errors import StoreFull
from simplex_trio.xftp.disk import claim
from simplex_trio.xftp.errors import FileTooLarge, StateInUse, StateMismatch
from simplex_trio.xftp.files import placing
from simplex_trio.xftp.files.part_file import part_of
from simplex_trio.xftp.files.progress import Phase, Progress, TransferEvent
from simplex_trio.xftp.files.receive import receive_file
from simplex_trio.xftp.files.receive_state import ReceiveState
from simplex_trio.xftp.files.send import send_description
from simplex_trio.xftp.router.server import XFTPRouter
from tests.scenarios.xftp import IMPATIENT, SMALLEST, names_in
from tests.wire.xftp_values import DESCRIPTION
from tests.xftp.files import (
    SIZE,
    Interrupted,
    has_sent,
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
    assert has_sent(router, len(sent.sender.packets))
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
    assert has_sent(router, len(sent.sender.packets) + 1)

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
        (True, False, False, True),  # and it has been taken away
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


def test_the_name_is_taken(folder: Path) -> None:
    part = folder / ".part"
    state = ReceiveState.create(None, folder, DESCRIPTION, DESCRIPTION)
    state.note_placed_name("file")
    part.write_bytes(b"content")
    (folder / "file").write_bytes(b"mine")
    assert placing.finish_placing(state, folder, part) is None
    assert names_in(folder) == ["file"]
    state.close()


async def test_what_is_left_of_an_attempt_is_no_obstacle(
    router: XFTPRouter, path: Path, folder: Path
) -> None:
    """A program that was killed while it was decrypting, without a state."""
    sent = await sent_to(router, path)
    left_over = part_of(sent.recipients[0], folder)
    left_over.write_bytes(b"the beginning of it")
    received = await receive_file(sent.recipients[0], folder, config=IMPATIENT)
    assert same(received.path, path)
    assert names_in(folder) == ["file"]


async def test_a_placed_file_is_not_touched_by_the_next_attempt(
    router: XFTPRouter, path: Path, folder: Path
) -> None:
    """A program that was killed when the file had both of its names, without a state."""
    sent = await sent_to(router, path)
    (folder / "file").write_bytes(b"received")
    os.link(folder / "file", part_of(sent.recipients[0], folder))
    received = await receive_file(sent.recipients[0], folder, config=IMPATIENT)
    assert received.path == folder / "file_1"
    assert (folder / "file").read_bytes() == b"received"
    assert names_in(folder) == ["file", "file_1"]


@pytest.mark.parametrize("what", ["state", "state.new", "part"])
async def test_a_file_is_received_once_at_a_time(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path, what: str
) -> None:
    sent = await sent_to(router, path)
    (description,) = sent.recipients
    states = tmp_path / "states"
    states.mkdir()
    if what == "state":
        await interrupted_receiving(description, folder, states / "state", 10, Phase.DOWNLOADING)
    claimed = part_of(description, folder) if what == "part" else states / what
    with claimed.open("ab") as file:
        file.write(b"!")
        file.flush()
        claim(file.fileno())
        before = claimed.read_bytes()
        with pytest.raises(StateInUse):
            await receive_file(description, folder, state=states / "state", config=IMPATIENT)
        assert claimed.read_bytes() == before
    received = await receive_file(description, folder, state=states / "state", config=IMPATIENT)
    assert same(received.path, path)
    assert names_in(folder) == ["file"]
    assert names_in(states) == ["state"]


async def test_two_at_the_same_time(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path
) -> None:
    """The second one gets an error, or finds the file there, and spoils nothing."""
    sent = await sent_to(router, path)
    state = tmp_path / "state"
    outcomes: list[Path | StateInUse] = []

    async def receive() -> None:
        try:
            received = await receive_file(sent.recipients[0], folder, state=state, config=IMPATIENT)
            outcomes.append(received.path)
        except StateInUse as exc:
            outcomes.append(exc)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(receive)
    assert folder / "file" in outcomes
    assert all(each == folder / "file" for each in outcomes if isinstance(each, Path))
    assert names_in(folder) == ["file"]
    assert same(folder / "file", path)


@pytest.mark.parametrize("name", ["../file", "/etc/passwd", "a/b", "..", "a\0b"])
def test_a_state_with_a_name_that_none_gives(folder: Path, tmp_path: Path, name: str) -> None:
    state = ReceiveState.create(None, folder, DESCRIPTION, DESCRIPTION)
    state.note_placed_name(name)
    with pytest.raises(StateMismatch):
        placing.finish_placing(state, folder, folder / ".part")
    state.close()


async def test_a_state_of_a_file_that_is_too_large_now(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path
) -> None:
    sent = await sent_to(router, path)
    short = await send_description(sent.recipients[0], [router.address], config=IMPATIENT)
    (description,) = short.recipients
    state = tmp_path / "state"
    await interrupted_receiving(description, folder, state, 70_000, Phase.DOWNLOADING)
    with pytest.raises(FileTooLarge):
        await receive_file(
            description, folder, state=state, config=evolve(IMPATIENT, max_size=SIZE)
        )


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
        "simplex_trio.xftp.files.part_file.PartFile.decrypt",
        "simplex_trio.xftp.files.placing._link",
    ):
        with monkeypatch.context() as patch:
            patch.setattr(place, full)
            with pytest.raises(StoreFull) as caught:
                await receive_file(sent.recipients[0], folder, state=state, config=IMPATIENT)
        assert caught.value.retryable
        assert names_in(folder) == left
    received = await receive_file(sent.recipients[0], folder, state=state, config=IMPATIENT)
    assert same(received.path, path)


async def test_a_full_disk_without_links(
    router: XFTPRouter, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name that was taken in advance is given back."""
    sent = await sent_to(router, path)

    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr("os.link", no_links)
    monkeypatch.setattr("os.replace", full)
    with pytest.raises(StoreFull):
        await receive_file(sent.recipients[0], folder, config=IMPATIENT)
    assert names_in(folder) == []


def test_a_disk_that_takes_a_part_of_what_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = os.write
    monkeypatch.setattr("os.write", lambda descriptor, data: original(descriptor, data[:100]))
    ReceiveState.create(folder / "state", folder, DESCRIPTION, DESCRIPTION).close()
    monkeypatch.undo()
    state = ReceiveState.open(folder / "state", DESCRIPTION)
    assert state is not None
    assert state.description == DESCRIPTION
    state.close()


async def test_a_full_disk_at_the_start(
    router: XFTPRouter, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = await sent_to(router, path)
    for place in ("os.replace", "simplex_trio.xftp.files.receive_state._identity"):
        with monkeypatch.context() as patch:
            patch.setattr(place, full)
            with pytest.raises(StoreFull):
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
