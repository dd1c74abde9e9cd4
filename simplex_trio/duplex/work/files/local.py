"""`LocalFiles`: the folder with the packets of files that are being received.

Its files are encrypted, with keys that are in the agent's store, and named by random ids.  Only
their owner can read them.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from simplex_trio.storage.files import OWNER_ONLY
from simplex_trio.wire.xftp.description import Replica
from simplex_trio.xftp.files.packet_file import PacketFile

__all__ = ["LocalFiles"]

_SUFFIX = ".packets"
_OWNERS_FOLDER = 0o700
_BINARY = getattr(os, "O_BINARY", 0)


class LocalFiles:
    """The folder, and how much room of it is taken."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._making = threading.Lock()
        self._reserved: dict[str, int] = {}
        self.fetched_from: dict[str, dict[bytes, Replica]] = {}
        """Where the packets of each file are from, until it is forgotten or the program ends."""

    # --- in the Trio thread ---------------------------------------------------------------------

    def reserve(self, file_id: str, size: int, limit: int) -> bool:
        """Whether there is room for a file, which is reserved until `release`."""
        others = sum(taken for name, taken in self._reserved.items() if name != file_id)
        if others + size > limit:
            return False
        self._reserved[file_id] = size
        return True

    def knows(self, file_id: str) -> bool:
        """Whether room is reserved for a file, or it is known where its packets are from."""
        return file_id in self._reserved or file_id in self.fetched_from

    def release(self, file_id: str) -> None:
        """The packets of a file are removed."""
        self._reserved.pop(file_id, None)

    @property
    def has_folder(self) -> bool:
        """Whether there is a folder; one is made when it is needed first."""
        return self._folder is not None and self._folder.is_dir()

    @property
    def is_temporary(self) -> bool:
        """Whether there is a folder that `close` removes."""
        return self._temporary is not None

    # --- in worker threads ----------------------------------------------------------------------

    def _made(self) -> Path:
        with self._making:
            if self._folder is None:
                self._temporary = tempfile.TemporaryDirectory(prefix="simplex-trio-")
                self._folder = Path(self._temporary.name)
            self._folder.mkdir(mode=_OWNERS_FOLDER, parents=True, exist_ok=True)
            return self._folder

    def open(self, file_id: str, size: int) -> tuple[PacketFile, bool]:
        """The packets of a file, and whether there were none before."""
        path = self._made() / f"{file_id}{_SUFFIX}"
        is_new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _BINARY, OWNER_ONLY)
        file = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            # One that a crash has left too short has zeros at its end, where packets are missing.
            file.truncate(size)
        except BaseException:
            file.close()
            raise
        return PacketFile(file), is_new

    def nameless(self) -> PacketFile:
        """A file that is gone when it is closed, or the program ends."""
        file = tempfile.TemporaryFile(dir=self._made(), buffering=0)  # noqa: SIM115
        return PacketFile(file)

    def remove(self, file_id: str) -> None:
        """Remove the packets of a file, if there are any."""
        if self._folder is not None:
            (self._folder / f"{file_id}{_SUFFIX}").unlink(missing_ok=True)

    def take_over(self, file_ids: Collection[str]) -> None:
        """Reserve the room of what is there of these files, and remove what a crash has left."""
        if self._folder is None or not self._folder.exists():
            return
        for path in self._folder.glob(f"*{_SUFFIX}"):
            file_id = path.name.removesuffix(_SUFFIX)
            if file_id in file_ids:
                self._reserved[file_id] = path.stat().st_size
            else:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder, if it is a temporary one."""
        if self._temporary is not None:
            with suppress(OSError):
                self._temporary.cleanup()
            self._folder = self._temporary = None
