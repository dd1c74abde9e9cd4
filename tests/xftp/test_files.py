"""Whole files, their names and descriptions, and files that are not what was described."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from simplex_trio.errors import (
    DecodeError,
    DecryptionFailed,
    SimplexError,
    StoreFull,
    StoreUnavailable,
)
from simplex_trio.wire.addresses import ServerAddressWithAuth
from simplex_trio.wire.xftp.description import FileDescription
from simplex_trio.wire.xftp.description_text import MAX_DESCRIPTION_SIZE, encode_description
from simplex_trio.wire.xftp.links import FileLink, web_link
from simplex_trio.xftp.errors import DigestMismatch, FileTooLarge, XFTPRouterError
from simplex_trio.xftp.files import descriptions
from simplex_trio.xftp.files.delete import delete_file
from simplex_trio.xftp.files.descriptions import load_description, save_descriptions
from simplex_trio.xftp.files.progress import Phase, Progress, TransferEvent
from simplex_trio.xftp.files.receive import receive_file
from simplex_trio.xftp.files.send import send_description, send_file
from simplex_trio.xftp.router.server import XFTPRouter, open_xftp_router
from tests.scenarios.xftp import IMPATIENT, file_in, filled, names_in
from tests.xftp.files import (
    SIZE,
    same,
    sent_to,
)
from tests.xftp.routers import config

# --- in good order --------------------------------------------------------------------------------


async def test_progress(router: XFTPRouter, path: Path, folder: Path) -> None:
    told: list[TransferEvent] = []
    sent = await sent_to(router, path, tell=told.append)
    await receive_file(sent.recipients[0], folder, config=IMPATIENT, tell=told.append)
    await delete_file(sent.sender, config=IMPATIENT, tell=told.append)
    total = sent.sender.size
    for phase in (Phase.UPLOADING, Phase.DOWNLOADING, Phase.DECRYPTING, Phase.DELETING):
        done = [e.done for e in told if isinstance(e, Progress) and e.phase is phase]
        assert done[-1] == total
        assert done == sorted(done)
        assert all(e.total == total for e in told if isinstance(e, Progress))


@pytest.mark.parametrize(("recipients", "registered"), [(1, 1), (2, 2), (3, 4), (5, 8), (300, 512)])
async def test_how_many_recipients_there_are_is_concealed(
    router: XFTPRouter, tmp_path: Path, recipients: int, registered: int
) -> None:
    sent = await sent_to(router, file_in(tmp_path, 10), recipients=recipients)
    assert len(sent.recipients) == recipients
    assert len({each.packets[0].replicas[0].id for each in sent.recipients}) == recipients
    assert router.statistics().counters["recipients_added"] == registered
    last = await receive_file(sent.recipients[-1], tmp_path, config=IMPATIENT)
    assert last.path.read_bytes() == filled(10)


async def test_a_password(path: Path, folder: Path) -> None:
    async with open_xftp_router(config(password="sesame")) as router:
        with pytest.raises(XFTPRouterError):
            await sent_to(router, path)
        server = ServerAddressWithAuth(router.address, b"sesame")
        for each in (server, str(server)):
            sent = await send_file(path, [each], config=IMPATIENT)
        assert "sesame" not in encode_description(sent.sender)
        await receive_file(sent.recipients[0], folder, config=IMPATIENT)


async def test_another_name(router: XFTPRouter, path: Path, folder: Path) -> None:
    sent = await sent_to(router, path, name="photo.jpg", recipients=3)
    names = [
        (await receive_file(each, folder, config=IMPATIENT)).path.name for each in sent.recipients
    ]
    assert names == ["photo.jpg", "photo_1.jpg", "photo_2.jpg"]


async def test_a_name_that_is_no_text(router: XFTPRouter, tmp_path: Path, folder: Path) -> None:
    path = tmp_path / os.fsdecode(b"name-\xff")
    path.write_bytes(b"content")
    sent = await sent_to(router, path)
    received = await receive_file(sent.recipients[0], folder, config=IMPATIENT)
    assert received.path.name == "name-�"


async def test_names_with_paths_in_them(router: XFTPRouter, path: Path, folder: Path) -> None:
    for name, safe in (
        ("../../up", "up"),
        ("/root", "root"),
        ("..", "file"),
        (".profile", "profile"),
    ):
        sent = await sent_to(router, path, name=name)
        received = await receive_file(sent.recipients[0], folder, config=IMPATIENT)
        assert received.path == folder / safe
    assert names_in(folder) == ["file", "profile", "root", "up"]


async def test_nothing_is_overwritten(router: XFTPRouter, path: Path, folder: Path) -> None:
    (folder / "file").write_bytes(b"mine")
    (folder / "file_1").symlink_to("nowhere")
    sent = await sent_to(router, path)
    received = await receive_file(sent.recipients[0], folder, config=IMPATIENT)
    assert received.path == folder / "file_2"
    assert (folder / "file").read_bytes() == b"mine"


async def test_a_file_system_without_links(
    router: XFTPRouter, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr("os.link", no_links)
    sent = await sent_to(router, path, recipients=2)
    for name, description in zip(("file", "file_1"), sent.recipients, strict=True):
        received = await receive_file(description, folder, config=IMPATIENT)
        assert received.path == folder / name
        assert same(received.path, path)
    assert names_in(folder) == ["file", "file_1"]


async def test_descriptions_as_files_and_links(
    router: XFTPRouter, path: Path, tmp_path: Path
) -> None:
    sent = await sent_to(router, path, recipients=2)
    written = await save_descriptions(sent, tmp_path, "file")
    again = await save_descriptions(sent, tmp_path, "file")
    assert [each.name for each in written] == ["rcv1.xftp", "rcv2.xftp", "snd.xftp.private"]
    assert written[0].parent.name == "file.xftp"
    assert again[0].parent.name == "file_1.xftp"
    assert all(each.stat().st_mode & 0o077 == 0 for each in written)
    assert await load_description(written[-1]) == sent.sender
    first = sent.recipients[0]
    assert await load_description(str(written[0])) == first
    for link in (str(FileLink(first)), web_link(first)):
        assert await load_description(link) == first
        (tmp_path / "link").write_text(link)
        assert await load_description(tmp_path / "link") == first
    with pytest.raises(StoreUnavailable):
        await load_description(tmp_path / "nothing")
    (tmp_path / "noise").write_bytes(b"simplex:\xff")
    with pytest.raises(DecodeError):
        await load_description(tmp_path / "noise")


async def test_a_full_disk_leaves_no_descriptions(
    router: XFTPRouter, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = await sent_to(router, path, recipients=2)
    original = encode_description
    for fails_at in (1, 2, 3):
        left = fails_at

        def encode(description: FileDescription) -> str:
            nonlocal left
            left -= 1
            if left == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return original(description)

        with monkeypatch.context() as patch:
            patch.setattr(descriptions, "encode_description", encode)
            with pytest.raises(StoreFull):
                await save_descriptions(sent, folder, "file")
        assert names_in(folder) == []
    await save_descriptions(sent, folder, "file")


async def test_all_names_are_taken(
    router: XFTPRouter, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simplex_trio.xftp.files.names._MAX_NUMBER", 2)
    sent = await sent_to(router, path, recipients=3)
    for description in sent.recipients[:2]:
        await receive_file(description, folder, config=IMPATIENT)
    with pytest.raises(StoreUnavailable, match="taken"):
        await receive_file(sent.recipients[2], folder, config=IMPATIENT)
    assert names_in(folder) == ["file", "file_1"]


async def test_a_link_that_is_longer_than_any_description(
    router: XFTPRouter, path: Path, tmp_path: Path
) -> None:
    sent = await sent_to(router, path)
    (description,) = sent.recipients
    many = evolve(description, packets=description.packets * 4300, size=description.size * 4300)
    (tmp_path / "link").write_text(f"\n{FileLink(many)}\n")
    assert (tmp_path / "link").stat().st_size > MAX_DESCRIPTION_SIZE
    assert await load_description(tmp_path / "link") == many


async def test_what_cannot_be_asked(router: XFTPRouter, path: Path, folder: Path) -> None:
    sent = await sent_to(router, path)
    with pytest.raises(ValueError, match="recipient"):
        await receive_file(sent.sender, folder)
    with pytest.raises(ValueError, match="sender"):
        await delete_file(sent.recipients[0])
    for servers, replicas in (([], 1), ([router.address], 2), ([router.address] * 2, 2)):
        with pytest.raises(ValueError, match="as many servers"):
            await send_file(path, servers, replicas=replicas)
    for recipients in (0, 5000):
        with pytest.raises(ValueError, match="recipients"):
            await send_file(path, [router.address], recipients=recipients)
    with pytest.raises(StoreUnavailable):
        await send_file(path.with_name("nothing"), [router.address])
    with pytest.raises(StoreUnavailable):
        await receive_file(sent.recipients[0], folder / "nothing", config=IMPATIENT)


async def test_files_that_are_too_large(router: XFTPRouter, path: Path, folder: Path) -> None:
    small = evolve(IMPATIENT, max_size=SIZE)
    with pytest.raises(FileTooLarge):
        await send_file(path, [router.address], config=small)
    sent = await sent_to(router, path)
    with pytest.raises(FileTooLarge):
        await receive_file(sent.recipients[0], folder, config=small)
    short = await send_description(sent.recipients[0], [router.address], config=IMPATIENT)
    with pytest.raises(FileTooLarge):
        await receive_file(short.recipients[0], folder, config=small)


# --- files that are not what was described --------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"digest": bytes(64)}, DigestMismatch),
        ({"key": bytes(32)}, SimplexError),
        ({"nonce": bytes(24)}, SimplexError),
    ],
)
async def test_wrong_files(
    router: XFTPRouter, path: Path, folder: Path, change: dict[str, Any], error: type[Exception]
) -> None:
    sent = await sent_to(router, path)
    wrong = evolve(sent.recipients[0], **change)
    for state in (None, folder / "state"):
        with pytest.raises((error, DecryptionFailed, DecodeError)):
            await receive_file(wrong, folder, state=state, config=IMPATIENT)
        assert names_in(folder) == []
    # Nothing was acknowledged, so the right description is still good.
    await receive_file(sent.recipients[0], folder, config=IMPATIENT)


async def test_packets_in_another_order(router: XFTPRouter, tmp_path: Path, folder: Path) -> None:
    sent = await sent_to(router, file_in(tmp_path, 100_000))
    (description,) = sent.recipients
    swapped = evolve(description, packets=description.packets[::-1])
    with pytest.raises((DigestMismatch, DecodeError)):
        await receive_file(swapped, folder, config=IMPATIENT)
    assert names_in(folder) == []
