"""`import_files`: what the reference's server for files has left becomes a storage."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final

import trio

from simplex_trio.errors import StoreCorrupted, StoreUnavailable
from simplex_trio.frozen import frozen
from simplex_trio.serving.server_files import ServerFiles, existing_log
from simplex_trio.storage.failures import translated
from simplex_trio.storage.files import sync_file, sync_folder
from simplex_trio.wire.xftp.commands import PacketInfo
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.router.body_files import BodyFolder
from simplex_trio.xftp.router.records.interface import Records
from simplex_trio.xftp.router.records.limits import NO_LIMITS
from simplex_trio.xftp.router.records.sqlite import open_sqlite_records
from simplex_trio.xftp.router.server_log import FileServerLog, LoggedPacket
from simplex_trio.xftp.router.storage import RECORDS

__all__ = ["ImportedFiles", "find_file_log", "import_files"]

_STORE_LOG: Final = "file-server-store.log"


@frozen
class ImportedFiles:
    """What was imported."""

    packets: int
    recipients: int
    bodies: int
    bytes: int
    left_out: Counter[str]
    """What is not in the storage, in words, and how much of it there is."""


def find_file_log(path: Path) -> Path | None:
    """The store log, if the path is that of one, or of the folder with it.  It blocks."""
    if path.is_dir():
        path = path / _STORE_LOG
    return path if path.name == _STORE_LOG and existing_log(path) else None


async def import_files(
    log: Path,
    target: Path,
    *,
    files: Path | None = None,
    accept_loss: bool = False,
    tell: Callable[[int, int], object] = lambda _done, _of: None,
) -> ImportedFiles:
    """Make a storage at ``target``, where nothing may be, of the packets in a store log.

    Bodies are where the log says, or in the folder ``files``.  They become a second name for the
    same file where the file system can do that, and otherwise a copy; all of them are read and
    compared with their digests.  The server's files stay as they are.

    Raises `StoreUnavailable`, and `StoreCorrupted` with the place of what cannot be read, unless
    ``accept_loss``, which leaves it out.  If it raises or is cancelled, nothing is at ``target``.
    """
    reading = ServerFiles(accept_loss=accept_loss)
    packets = await in_thread(partial(_read_log, log, reading))
    await in_thread(partial(_check_free, target))
    folder = await in_thread(partial(_folder_beside, target))
    try:
        bodies = await in_thread(partial(BodyFolder, folder))
        async with open_sqlite_records(folder / RECORDS) as records:
            for number, packet in enumerate(packets, 1):
                await _put(records, bodies, reading, packet, files)
                tell(number, len(packets))
            counts = records.counts
            found = ImportedFiles(
                packets=counts.packets,
                recipients=counts.rows - counts.packets,
                bodies=len(await records.with_bodies()),
                bytes=await records.bytes_stored(),
                left_out=reading.left_out,
            )
        await in_thread(partial(_put_in_place, folder, target))
    finally:
        with trio.CancelScope(shield=True):
            await in_thread(partial(shutil.rmtree, folder, ignore_errors=True))
    return found


def _read_log(path: Path, reading: ServerFiles) -> FileServerLog:
    log = FileServerLog()
    for line in reading.lines(existing_log(path) or path):
        reading.read(line, log.feed)
    return log


async def _put(
    records: Records,
    bodies: BodyFolder,
    reading: ServerFiles,
    packet: LoggedPacket,
    files: Path | None,
) -> None:
    sender_id, recipients = packet.sender_id, tuple(packet.recipients.items())
    await records.add(sender_id, packet.info, recipients, packet.created_hour, NO_LIMITS)
    if packet.blocked is not None:
        await records.block(sender_id, packet.blocked, lambda: None)
    elif packet.body_path is not None:
        source = Path(packet.body_path)
        if files is not None:
            source = files / source.name
        path = bodies.path(sender_id)
        try:
            await in_thread(partial(_copy_body, source, path, packet.info))
        except (StoreCorrupted, StoreUnavailable) as exc:
            reading.damaged(f"the body {source.name}", exc)
        else:
            await records.put_body(sender_id, lambda: None, lambda: None)


def _copy_body(source: Path, target: Path, info: PacketInfo) -> None:
    with translated(source.name):
        with source.open("rb") as body:
            hashed, size = sha256(), 0
            while piece := body.read(1024 * 1024):
                hashed.update(piece)
                size += len(piece)
        if (size, hashed.digest()) != (info.size, info.digest):
            raise StoreCorrupted("a body that is not the one that was registered")
        try:
            _link(source, target)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, target)
            sync_file(target)


def _link(source: Path, target: Path) -> None:
    os.link(source, target)


# --- the place ----------------------------------------------------------------------------------


def _check_free(target: Path) -> None:
    if os.path.lexists(target) and (not target.is_dir() or any(target.iterdir())):
        raise StoreUnavailable(
            f"{target.name} is there already, and stays as it is"
        ) from FileExistsError()
    if os.path.ismount(target):
        # It could not be replaced, and the copy beside it would be in another file system.
        raise StoreUnavailable(f"{target.name} is a file system of its own: name a folder in it")


def _folder_beside(target: Path) -> Path:
    with translated("the folder of the copy"):
        return Path(tempfile.mkdtemp(dir=target.absolute().parent, prefix=f".{target.name}-"))


def _put_in_place(folder: Path, target: Path) -> None:
    _check_free(target)
    with translated("the copy"):
        for place, _, _ in os.walk(folder):
            sync_folder(Path(place))
        if target.is_dir():
            target.rmdir()
        os.rename(folder, target)  # which replaces nothing but an empty folder
        sync_folder(target.absolute().parent)
