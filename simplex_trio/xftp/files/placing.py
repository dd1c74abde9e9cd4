"""Putting a received file in place: complete, under a new name, and once.

The content is written to a temporary file, which gets its name only if all of it is right.  The
name must be free: nothing is ever overwritten.  Callers note each name before the file gets it, so
that after a crash they know whether it has its name already.

Everything here is for worker threads.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from simplex_trio.storage.files import sync_folder, write_all
from simplex_trio.wire.xftp.description import FileDescription
from simplex_trio.wire.xftp.description_text import encode_description
from simplex_trio.xftp.disk import create_locked, remove_left_over
from simplex_trio.xftp.files.encryption import FileOpener
from simplex_trio.xftp.files.names import candidates, safe_name
from simplex_trio.xftp.files.packet_file import PacketFile
from simplex_trio.xftp.files.receive_state import ReceiveState

__all__ = ["decrypted", "finish_placing", "part_of", "place", "placed_before", "placing"]


def part_of(description: FileDescription, folder: Path) -> Path:
    """The path of the temporary file; the same after a crash."""
    identity = sha256(encode_description(description).encode()).hexdigest()[:16]
    return folder / f".{identity}.xftp-part"


def placed_before(name: str | None, folder: Path, part: Path) -> Path | None:
    """The file, if it got this name before a crash; removes the remains of an attempt.

    Raises `StateInUse` if that attempt is still in progress.
    """
    placed = None if name is None else folder / name
    if not part.exists():
        return placed
    is_placed = placed is not None and placed.exists() and placed.samefile(part)
    with suppress(FileNotFoundError):  # whose program has just ended
        remove_left_over(part)
    return placed if is_placed else None


def placing(
    packets: PacketFile,
    description: FileDescription,
    folder: Path,
    part: Path,
    report: Callable[[int], object],
    name: str | None = None,
) -> Generator[str, None, Path]:
    """Decrypt packets and place the file in ``folder``, under ``name`` or the sender's, made safe.

    Yields each name before the file gets it.  If it raises, or is closed, nothing is left, and no
    name is to be remembered.

    Calls ``report`` with the size of each piece; it may raise to stop this.  Raises `DecodeError`,
    `DecryptionFailed` or `DigestMismatch` for a file that is not as described, and `StateInUse` if
    another transfer is placing the same file.
    """
    with _new_part(part) as descriptor:
        header_name = _decrypt(packets, description, descriptor, report)
        chosen = _encodable(safe_name(header_name)) if name is None else name
        placed = yield from _give_name(folder, part, chosen)
        try:
            # The routers are told to forget the packets soon after.
            sync_folder(folder)
        except BaseException:
            placed.unlink(missing_ok=True)
            raise
    return placed


# --- with a state file --------------------------------------------------------------------------


def finish_placing(state: ReceiveState, folder: Path, part: Path) -> Path | None:
    """The file, if the state says that it was placed before; see `placed_before`."""
    placed = placed_before(state.placed_name, folder, part)
    if placed is None:
        state.note_placed_name(None)
    return placed


def place(state: ReceiveState, folder: Path, part: Path, report: Callable[[int], object]) -> Path:
    """Place the file whose packets are in the state; see `placing`."""
    steps = placing(state, state.description, folder, part, report)
    try:
        while True:
            state.note_placed_name(next(steps))
    except StopIteration as end:
        placed: Path = end.value
        return placed
    except BaseException:
        steps.close()
        state.note_placed_name(None)
        raise


# --- steps --------------------------------------------------------------------------------------


@contextmanager
def _new_part(part: Path) -> Iterator[int]:
    """A temporary file at ``part``, whose name is removed at the end of the block."""
    descriptor = create_locked(part, 0o666)
    try:
        yield descriptor
    finally:
        part.unlink(missing_ok=True)
        os.close(descriptor)


def decrypted(packets: PacketFile, description: FileDescription) -> Iterator[bytes]:
    """The content, in pieces; valid only if the iteration ends without an exception."""
    opener = _opener(description)
    for piece in packets.pieces(0, description.size):
        yield opener.feed(piece)
    opener.finish()


def _opener(description: FileDescription) -> FileOpener:
    return FileOpener(
        key=description.key,
        nonce=description.nonce,
        encrypted_size=description.size,
        digest=description.digest,
    )


def _decrypt(
    packets: PacketFile,
    description: FileDescription,
    descriptor: int,
    report: Callable[[int], object],
) -> str:
    """Write the content to an open file; returns the name that the sender has given."""
    opener = _opener(description)
    for piece in packets.pieces(0, description.size):
        write_all(descriptor, opener.feed(piece))
        report(len(piece))
    opener.finish()
    os.fsync(descriptor)
    report(0)  # the last chance to stop it
    assert opener.header is not None  # `finish` has seen all of the file
    return opener.header.name


def _encodable(name: str) -> str:
    """A safe name, with ``_`` for what the system's encoding of file names does not have."""
    encoding = sys.getfilesystemencoding()
    return name.encode(encoding, errors="replace").decode(encoding).replace("?", "_")


def _give_name(folder: Path, part: Path, name: str) -> Generator[str, None, Path]:
    for each in candidates(name):
        path = folder / each
        if path.exists() or path.is_symlink():
            continue
        yield each
        try:
            _link(part, path)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(errno.EEXIST, "all names like that are taken")


def _link(part: Path, path: Path) -> None:
    """Link ``part`` to ``path``, which must be free."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:
        # A file system without links: taking the name first is the next best.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        try:
            os.replace(part, path)
        except BaseException:
            path.unlink()
            raise
