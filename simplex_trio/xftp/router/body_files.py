"""`BodyFolder`: the bodies of packets as files.

A body is written under a name that says that it is not finished, and checked while it arrives; only
when it is complete and correct it gets its own name, which is the id of the packet's sender.

All of this blocks, so it is for worker threads.
"""

from __future__ import annotations

import hmac
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from simplex_trio.errors import DecodeError
from simplex_trio.storage.failures import translated
from simplex_trio.storage.files import replace_file, sync_folder, write_all
from simplex_trio.wire.text import from_base64url, to_base64url
from simplex_trio.wire.xftp.commands import PacketInfo
from simplex_trio.xftp.errors import DigestMismatch, WrongBodySize
from simplex_trio.xftp.router.records.pairing import Pairing

__all__ = ["BodyFolder", "IncomingBody", "OutgoingBody"]

_BODIES: Final = "packets"
_PAIRING: Final = "records-in-database"
_UNFINISHED: Final = ".new"


class IncomingBody:
    """The body of a packet while it arrives."""

    def __init__(self, path: Path, expected: PacketInfo) -> None:
        self.path = path
        self._expected = expected
        self._size = 0
        self._hashed = sha256()
        self._file: BinaryIO = path.open("xb", buffering=0)

    def write(self, piece: bytes | memoryview) -> None:
        """Write the next piece; raises `WrongBodySize` if the body becomes too long."""
        self._size += len(piece)
        if self._size > self._expected.size:
            raise WrongBodySize("a body is longer than was registered")
        self._hashed.update(piece)
        write_all(self._file.fileno(), piece)

    def check(self) -> None:
        """Check that the body is the one that was registered, and make it durable.

        Raises `WrongBodySize` or `DigestMismatch`.
        """
        if self._size != self._expected.size:
            raise WrongBodySize("a body is shorter than was registered")
        if not hmac.compare_digest(self._hashed.digest(), self._expected.digest):
            raise DigestMismatch("a body is not the one that was registered")
        os.fsync(self._file.fileno())

    def give_name(self, path: Path) -> None:
        """Rename the file to its final name."""
        self._file.close()
        with translated():
            os.replace(self.path, path)
            sync_folder(path.parent)

    def discard(self) -> None:
        """Remove the file, if it does not have its final name yet."""
        self._file.close()
        self.path.unlink(missing_ok=True)


class OutgoingBody:
    """The body of a packet while it is read."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)

    def read_into(self, buffer: memoryview) -> int:
        """Fill a buffer, as far as there is more, and return how far."""
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()


class BodyFolder:
    """The folder with the bodies of all packets, made in ``folder`` if it is missing."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _BODIES
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._pairing = folder / _PAIRING

    def path(self, sender_id: bytes) -> Path:
        """Where the body of a packet is."""
        return self._path / to_base64url(sender_id)

    def unfinished(self, sender_id: bytes, upload: bytes) -> Path:
        """Where the body of a packet is while it arrives; ``upload`` tells uploads apart."""
        return self._path / (to_base64url(sender_id) + to_base64url(upload) + _UNFINISHED)

    def remove(self, sender_id: bytes) -> None:
        """Remove the body of a packet, if it is there."""
        with translated():
            self.path(sender_id).unlink(missing_ok=True)

    def pairing(self) -> Pairing | None:
        """Which records in a database belong to the bodies, if that is where they are."""
        with translated(), suppress(FileNotFoundError):
            return Pairing.decode(self._pairing.read_bytes())
        return None

    def put_pairing(self, pairing: Pairing) -> None:
        """Store which records belong to the bodies."""
        with translated():
            replace_file(self._pairing, pairing.encode())

    def remove_pairing(self) -> None:
        """Forget that the records were in a database."""
        with translated():
            self._pairing.unlink(missing_ok=True)

    def is_empty(self) -> bool:
        """Whether there is no body, whole or not."""
        return next(self._path.iterdir(), None) is None

    def keep_only(self, sender_ids: set[bytes]) -> list[bytes]:
        """Remove all files but the bodies of these packets; returns the packets without one."""
        missing = set(sender_ids)
        for path in self._path.iterdir():
            sender_id = _id_in(path.name)
            if sender_id in sender_ids:
                missing.discard(sender_id)
            else:
                path.unlink(missing_ok=True)
        # A file system that is shared may list a file late, but finds it by its name.
        return [each for each in missing if not self.path(each).exists()]


def _id_in(name: str) -> bytes:
    with suppress(DecodeError):
        return from_base64url(name)
    return b""
