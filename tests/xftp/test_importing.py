"""Coming from the reference's server for files: its log and its files, recorded and made up."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from simplex_trio.crypto.keys import Ed25519PublicKey
from simplex_trio.errors import DecodeError, StoreCorrupted, StoreUnavailable
from simplex_trio.wire.text import to_base64url
from simplex_trio.wire.xftp.commands import PacketInfo
from simplex_trio.wire.xftp.errors import Blocked, BlockingReason
from simplex_trio.xftp.router import importing
from simplex_trio.xftp.router.importing import find_file_log, import_files
from simplex_trio.xftp.router.records.sqlite import open_sqlite_records
from simplex_trio.xftp.router.server import EMBEDDED, open_xftp_router
from simplex_trio.xftp.router.server_log import FileServerLog, LoggedPacket
from tests.router.store.support import octets
from tests.scenarios.moving_files import check_files
from tests.vectors import cases

RECORDED = [*cases("xftp_server_6_5.json"), *cases("xftp_server_7_0.json")]


def write(folder: Path, case: dict[str, Any]) -> Path:
    """A server's folders as they were; the path of its store log."""
    (folder / "files").mkdir(parents=True)
    for name, text in case["files"].items():
        (folder / name).write_text(text)
    for name, body in case["bodies"].items():
        (folder / "files" / name).write_bytes(bytes.fromhex(body))
    return folder / "file-server-store.log"


@pytest.mark.parametrize("case", RECORDED)
async def test_clients_find_all_that_they_have_left(tmp_path: Path, case: dict[str, Any]) -> None:
    log, target = write(tmp_path / "server", case), tmp_path / "packets"
    told: list[tuple[int, int]] = []
    found = await import_files(
        log, target, files=log.parent / "files", tell=lambda *done: told.append(done)
    )
    assert (found.packets, found.bodies, found.recipients) == (4, 2, 8)
    assert found.bytes == 2 * 65_536
    assert not found.left_out
    assert told[-1] == (4, 4)
    assert sorted(os.listdir(tmp_path)) == ["packets", "server"]
    async with open_xftp_router(evolve(EMBEDDED, store=target)) as router:
        await check_files(str(router.address), case["known"])
    assert len(os.listdir(log.parent / "files")) == 2  # the server still has its own


# --- the log ------------------------------------------------------------------------------------

KEY = Ed25519PublicKey(octets("key", 32))
BODY = b"body" * 20_000
DIGEST = sha256(BODY).digest()
S, R, R2 = (octets(name, 16) for name in ("sender", "recipient", "second"))


def b(data: bytes) -> str:
    return to_base64url(data)


NEW = f"FNEW {b(S)} {b(KEY.der)} {len(BODY)} {b(DIGEST)} 1750000000 active"
ADD = f"FADD {b(S)} {b(R)}:{b(KEY.der)},{b(R2)}:{b(KEY.der)}"
PUT = f"FPUT {b(S)} {b(b'/srv/xftp/file')}"


def replayed(*lines: str) -> list[LoggedPacket]:
    log = FileServerLog()
    for line in lines:
        log.feed(line.encode())
    return list(log)


def test_each_line() -> None:
    (packet,) = replayed(NEW, ADD, PUT)
    assert packet.info == PacketInfo(KEY, len(BODY), DIGEST)
    assert packet.created_hour == 1750000000 // 3600
    assert packet.recipients == {R: KEY, R2: KEY}
    assert packet.body_path == "/srv/xftp/file"
    assert packet.blocked is None
    (packet,) = replayed(NEW.removesuffix(" active"), ADD, f"FACK {b(R)}", f"FACK {b(S)}")
    assert packet.recipients == {R2: KEY}
    (packet,) = replayed(NEW, f"FBLK {b(S)} reason=content")
    assert packet.blocked == Blocked(BlockingReason.CONTENT)
    (packet,) = replayed(NEW.replace("active", "blocked,reason=spam"))
    assert packet.blocked == Blocked(BlockingReason.SPAM)
    assert replayed(NEW, ADD, f"FDEL {b(S)}") == []
    assert len(replayed(NEW, ADD, f"FDEL {b(S)}", NEW, ADD)[0].recipients) == 2


def test_what_has_no_effect() -> None:
    other = NEW.replace(b(S), b(octets("other", 16)))
    first, second = replayed(
        NEW,
        NEW.replace("1750000000", "0"),
        NEW.replace(str(len(BODY)), "0").replace(b(S), b(b"empty")),
        other,
        ADD,
        ADD.replace(b(S), b(octets("other", 16))),  # the ids of recipients are taken
        PUT,
        PUT.replace(b(b"/srv/xftp/file"), b(b"/another")),
        *(line.replace(b(S), b(octets("gone", 16))) for line in (ADD, PUT, f"FDEL {b(S)}")),
    )
    assert first.created_hour
    assert first.body_path == "/srv/xftp/file"
    assert second.recipients == {}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "FOLD AAAA",
        NEW.replace("active", "strange"),
        NEW.replace("active", "blocked,reason=boredom"),
        NEW.replace(str(len(BODY)), str(2**32)),
        NEW.replace(b(DIGEST), "AAAA"),
        f"{NEW} more",
        ADD.replace(":", ";"),
        f"{PUT} more",
        f"FACK {b(R)} {b(R)}",
    ],
)
def test_lines_that_cannot_be_read(line: str) -> None:
    with pytest.raises(DecodeError):
        replayed(NEW, line)


# --- bodies and places --------------------------------------------------------------------------


def a_server(folder: Path, body: bytes | None = BODY, more: str = "") -> Path:
    """A server with one packet."""
    folder.mkdir()
    if body is not None:
        (folder / "file").write_bytes(body)
    put = f"FPUT {b(S)} {b(bytes(folder / 'file'))}"
    log = folder / "file-server-store.log"
    log.write_text(f"{NEW}\n{ADD}\n{put}\n{more}")
    return log


def test_finding_the_log(tmp_path: Path) -> None:
    assert find_file_log(tmp_path) is None
    log = a_server(tmp_path / "server")
    assert find_file_log(tmp_path / "server") == log == find_file_log(log)


async def test_bodies_that_cannot_be_linked_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(importing, "_link", refuse)
    log, target = a_server(tmp_path / "server"), tmp_path / "packets"
    assert (await import_files(log, target)).bodies == 1
    (body,) = (target / "packets").iterdir()
    assert body.read_bytes() == BODY
    assert body.stat().st_nlink == 1


@pytest.mark.parametrize("body", [None, BODY[:-1], BODY[::-1]])
async def test_bodies_that_are_missing_or_others(tmp_path: Path, body: bytes | None) -> None:
    log, target = a_server(tmp_path / "server", body), tmp_path / "packets"
    with pytest.raises(StoreCorrupted, match="the body file"):
        await import_files(log, target)
    assert os.listdir(tmp_path) == ["server"]
    found = await import_files(log, target, accept_loss=True)
    assert (found.packets, found.bodies) == (1, 0)
    assert found.left_out == {"lines or files that cannot be read": 1}
    async with open_sqlite_records(target / "records.sqlite") as records:
        packet = await records.by_recipient(R)
        assert packet is not None
        assert not packet.has_body


async def test_lines_that_are_damaged(tmp_path: Path) -> None:
    log, target = a_server(tmp_path / "server", more="nonsense\nFDEL unfin"), tmp_path / "packets"
    with pytest.raises(StoreCorrupted, match="line 4"):
        await import_files(log, target)
    found = await import_files(log, target, accept_loss=True)
    assert found.bodies == 1
    assert found.left_out == {
        "lines or files that cannot be read": 1,
        "lines that were not finished": 1,
    }


def _a_file(target: Path) -> None:
    target.write_bytes(b"mine")


def _a_full_folder(target: Path) -> None:
    target.mkdir()
    (target / "records.sqlite").touch()


async def test_a_file_system_is_no_place_for_a_folder_to_be_put(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That would fail at its end, after all packets were copied to another disk."""
    log, target = a_server(tmp_path / "server"), tmp_path / "packets"
    target.mkdir()
    monkeypatch.setattr("os.path.ismount", lambda path: path == target)
    with pytest.raises(StoreUnavailable, match="name a folder in it"):
        await import_files(log, target)
    assert sorted(os.listdir(tmp_path)) == ["packets", "server"]


@pytest.mark.parametrize("take", [_a_file, _a_full_folder])
async def test_a_place_that_is_taken_is_refused(
    tmp_path: Path, take: Callable[[Path], None]
) -> None:
    log, target = a_server(tmp_path / "server"), tmp_path / "packets"
    take(target)
    with pytest.raises(StoreUnavailable, match="is there already"):
        await import_files(log, target)
    assert sorted(os.listdir(tmp_path)) == ["packets", "server"]


async def test_an_empty_folder_is_no_obstacle(tmp_path: Path) -> None:
    log, target = a_server(tmp_path / "server"), tmp_path / "packets"
    target.mkdir()
    assert (await import_files(log, target)).packets == 1
