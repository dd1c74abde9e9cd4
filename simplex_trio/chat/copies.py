"""`Copies`: a folder for what is sent from memory, since the agent sends files.

A copy is there until its file is on routers, or was given up.  Only its owner can read it.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from simplex_trio.duplex.opening import folder_beside
from simplex_trio.duplex.store.store import MemoryFile
from simplex_trio.storage.files import OWNER_ONLY

__all__ = ["Copies", "copies_beside"]

_BESIDE = ".copies"
"""Added to the name of a program's file, for the folder with what is sent from memory."""

_OWNERS_FOLDER = 0o700
_BINARY = getattr(os, "O_BINARY", 0)


def copies_beside(store: str | os.PathLike[str] | MemoryFile | None) -> Path | None:
    """The folder for the copies of the program whose file this is; `None` for a temporary one."""
    return folder_beside(store, _BESIDE)


class Copies:
    """The folder, which is a temporary one if none is named."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._making = threading.Lock()
        self._unused: set[str] = set()

    # --- in the Trio thread ---------------------------------------------------------------------

    @property
    def has_folder(self) -> bool:
        """Whether there may be anything; otherwise no thread needs to be waited for."""
        return self._folder is not None and self._folder.is_dir()

    def remove_later(self, name: str) -> None:
        """A copy is not needed any more."""
        self._unused.add(name)

    def take_unused(self) -> set[str]:
        """The names of copies that are to be removed."""
        taken, self._unused = self._unused, set()
        return taken

    # --- in worker threads ----------------------------------------------------------------------

    def _made(self) -> Path:
        with self._making:
            if self._folder is None:
                self._temporary = tempfile.TemporaryDirectory(prefix="simplex-trio-")
                self._folder = Path(self._temporary.name)
            self._folder.mkdir(mode=_OWNERS_FOLDER, parents=True, exist_ok=True)
            return self._folder

    def place(self, name: str) -> Path:
        """Where a file with this name would be."""
        return self._made() / name

    def make(self, name: str, content: bytes) -> Path:
        """Write a copy; raises the system's errors, and leaves nothing then."""
        path = self.place(name)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, OWNER_ONLY)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                # The transfer outlives a loss of power, so what it sends has to.
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def remove(self, names: Collection[str]) -> None:
        """Remove copies."""
        if self._folder is not None:
            for name in names:
                with suppress(OSError):
                    (self._folder / name).unlink(missing_ok=True)

    def keep_only(self, names: Collection[str]) -> None:
        """Remove what a crash has left."""
        if self._folder is not None and self._folder.exists():
            self.remove([each.name for each in self._folder.iterdir() if each.name not in names])

    def close(self) -> None:
        """Remove the folder, if it is a temporary one."""
        if self._temporary is not None:
            with suppress(OSError):
                self._temporary.cleanup()
            self._folder = self._temporary = None
