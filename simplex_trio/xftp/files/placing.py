"""Putting a received file in place: complete, under a new name, and once.

The content is in a temporary file, which gets its name only when all of it is right.  The name must
be free: nothing is ever overwritten.  Callers note each name before the file gets it, so
that after a crash they know whether it has its name already.

Everything here is for worker threads.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

from simplex_trio.storage.files import sync_folder
from simplex_trio.xftp.disk import remove_left_over
from simplex_trio.xftp.files.names import candidates, safe_name
from simplex_trio.xftp.files.receive_state import ReceiveState

__all__ = ["finish_placing", "place", "placed_before", "placing", "usable_name"]


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


def placing(part: Path, folder: Path, name: str) -> Generator[str, None, Path]:
    """Place the content in ``folder``, under ``name`` or another one like that.

    Yields each name before the file gets it.  If it raises, or is closed, nothing is left but
    ``part``, and no name is to be remembered.
    """
    placed = yield from _give_name(folder, part, name)
    try:
        # The routers are told to forget the packets soon after.
        sync_folder(folder)
    except BaseException:
        placed.unlink(missing_ok=True)
        raise
    return placed


def usable_name(name: str) -> str:
    """The sender's name for a file, made safe, and with ``_`` for what the system cannot encode."""
    encoding = sys.getfilesystemencoding()
    return safe_name(name).encode(encoding, errors="replace").decode(encoding).replace("?", "_")


# --- with a state file --------------------------------------------------------------------------


def finish_placing(state: ReceiveState, folder: Path, part: Path) -> Path | None:
    """The file, if the state says that it was placed before; see `placed_before`."""
    placed = placed_before(state.placed_name, folder, part)
    if placed is None:
        state.note_placed_name(None)
    return placed


def place(state: ReceiveState, part: Path, folder: Path, name: str) -> Path:
    """Place the file of a transfer with a state; see `placing`."""
    steps = placing(part, folder, name)
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
