"""Files that outlast crashes: written whole or not at all, locked, and for their owner alone.

All of this blocks, and raises `OSError`; `simplex_trio.storage.failures.translated` makes a
`StoreError` of it.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

if sys.platform != "win32":
    import fcntl

__all__ = [
    "OWNER_ONLY",
    "create_file",
    "lock",
    "locked_by",
    "make_private",
    "replace_file",
    "sync_file",
    "sync_folder",
    "write_all",
]

OWNER_ONLY: Final = 0o600
"""The permissions of a file that holds keys, or says who talks to whom."""

_OTHERS: Final = 0o077
"""The permissions of everyone but the owner."""

_GROUP: Final = 0o070

_BINARY: Final = getattr(os, "O_BINARY", 0)

_NO_FOLDER_SYNC: Final = frozenset(
    (errno.EACCES, errno.EINVAL, errno.ENOTSUP, getattr(errno, "EOPNOTSUPP", errno.ENOTSUP))
)
"""What opening or syncing a folder fails with where it may not be read, or is never synced."""


def create_file(path: Path, data: bytes, permissions: int = OWNER_ONLY) -> None:
    """Make a new file with this content, and wait for the disk.

    `FileExistsError` if there is one; after any other error there is none.  The name is durable
    after `sync_folder`.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, permissions)
    try:
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def replace_file(path: Path, data: bytes, *, keep_access: bool = False) -> None:
    """Write a private file whole: a crash leaves the old content or the new.

    With ``keep_access`` the new file has the permissions of the one it replaces, and its owner and
    group where this process may set them.  Without it, or where there was none, the file is for its
    owner alone.

    It waits for the disk, so a program with an event loop calls it in a thread.  Raises `OSError`.
    """
    # A temporary file is for its owner's eyes only from the start.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        try:
            write_all(descriptor, data)
            if keep_access and path.exists():
                _set_access(descriptor, path.stat())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _set_access(descriptor: int, wanted: os.stat_result) -> None:
    """Give an open file the owner, the group and the permissions of another."""
    if sys.platform == "win32":
        return
    permissions = wanted.st_mode & (_OTHERS | OWNER_ONLY)
    has = os.fstat(descriptor)
    if wanted.st_gid != has.st_gid:
        try:
            os.fchown(descriptor, -1, wanted.st_gid)
        except PermissionError:
            permissions &= ~_GROUP  # they were meant for another group
    if wanted.st_uid != has.st_uid:
        with suppress(PermissionError):
            os.fchown(descriptor, wanted.st_uid, -1)
    os.fchmod(descriptor, permissions)


def make_private(path: Path) -> None:
    """Take the permissions on an existing file away from everyone but its owner."""
    if path.stat().st_mode & _OTHERS:
        path.chmod(OWNER_ONLY)


def lock(descriptor: int, *, wait: bool = False) -> bool:
    """Lock an open file for as long as it is open; false if another program has it locked.

    With ``wait`` this waits for the other program.  On systems and file systems without such locks
    nothing is locked.
    """
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        except OSError:
            pass
    return True


def locked_by(descriptor: int) -> int | None:
    """The id of the process that has locked a file, where the system says it (Linux)."""
    status = os.fstat(descriptor)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    wanted = f"{device}:{status.st_ino}"
    try:
        locks = Path("/proc/locks").read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return None
    for line in locks.splitlines():
        match line.split():
            case [_, "FLOCK", _, "WRITE", process, file, *_] if file == wanted:
                return int(process) if int(process) > 0 else None
    return None


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of ``data``: a disk that is nearly full takes some of it, and says nothing."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_file(path: Path) -> None:
    """Make what was written to a file survive a loss of power."""
    descriptor = os.open(path, os.O_RDWR | _BINARY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a loss of power, where the system can do that."""
    if sys.platform == "win32":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as exc:
        if exc.errno not in _NO_FOLDER_SYNC:
            raise
