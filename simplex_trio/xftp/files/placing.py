"""Putting a received file in place: complete, under a new name, and once.

The content is written to a temporary file, which gets its name only if all of it is right.  The
name must be free: nothing is ever overwritten.  After a crash, the state file shows whether the
file has its name already.

Everything here is for worker threads.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from simplex_trio.storage.files import sync_folder, write_all
from simplex_trio.wire.xftp.description import FileDescription
from simplex_trio.wire.xftp.description_text import encode_description
from simplex_trio.xftp.disk import create_locked, remove_left_over
from simplex_trio.xftp.files.encryption import FileOpener
from simplex_trio.xftp.files.names import candidates, safe_name
from simplex_trio.xftp.files.receive_state import ReceiveState

__all__ = ["decrypted", "finish_placing", "part_of", "place"]


def part_of(description: FileDescription, folder: Path) -> Path:
    """The path of the temporary file; the same after a crash."""
    identity = sha256(encode_description(description).encode()).hexdigest()[:16]
    return folder / f".{identity}.xftp-part"


def finish_placing(state: ReceiveState, folder: Path, part: Path) -> Path | None:
    """The file, if it was placed before a crash; removes the remains of an attempt.

    Raises `StateInUse` if that attempt is still in progress.
    """
    name = state.placed_name
    placed = None if name is None else folder / name
    if not part.exists():
        return placed
    is_placed = placed is not None and placed.exists() and placed.samefile(part)
    with suppress(FileNotFoundError):  # whose program has just ended
        remove_left_over(part)
    if not is_placed:
        state.note_placed_name(None)
        return None
    return placed


def place(state: ReceiveState, folder: Path, part: Path, report: Callable[[int], object]) -> Path:
    """Decrypt the packets in the state, and place the file in ``folder``.

    Calls ``report`` with the size of each piece; it may raise to stop this.  Raises `DecodeError`,
    `DecryptionFailed` or `DigestMismatch` for a file that is not as described, and `StateInUse` if
    another transfer is placing the same file.  After any exception nothing is left.
    """
    with _new_part(part) as descriptor:
        try:
            header_name = _decrypt(state, descriptor, report)
            placed = _give_name(state, folder, part, safe_name(header_name))
        except BaseException:
            state.note_placed_name(None)
            raise
        # The routers are told to forget the packets soon after.
        sync_folder(folder)
    return placed


@contextmanager
def _new_part(part: Path) -> Iterator[int]:
    """A temporary file at ``part``, whose name is removed at the end of the block."""
    descriptor = create_locked(part, 0o666)
    try:
        yield descriptor
    finally:
        part.unlink(missing_ok=True)
        os.close(descriptor)


def decrypted(state: ReceiveState) -> Iterator[bytes]:
    """The content, in pieces; valid only if the iteration ends without an exception."""
    opener = _opener(state)
    for piece in state.pieces(0, state.description.size):
        yield opener.feed(piece)
    opener.finish()


def _opener(state: ReceiveState) -> FileOpener:
    description = state.description
    return FileOpener(
        key=description.key,
        nonce=description.nonce,
        encrypted_size=description.size,
        digest=description.digest,
    )


def _decrypt(state: ReceiveState, descriptor: int, report: Callable[[int], object]) -> str:
    """Write the content to an open file; returns the name that the sender has given."""
    opener = _opener(state)
    for piece in state.pieces(0, state.description.size):
        write_all(descriptor, opener.feed(piece))
        report(len(piece))
    opener.finish()
    os.fsync(descriptor)
    report(0)  # the last chance to stop it
    assert opener.header is not None  # `finish` has seen all of the file
    return opener.header.name


def _give_name(state: ReceiveState, folder: Path, part: Path, name: str) -> Path:
    for each in candidates(name):
        path = folder / each
        if path.exists() or path.is_symlink():
            continue
        state.note_placed_name(each)
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
