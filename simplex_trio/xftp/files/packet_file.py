"""`PacketFile`: the packets of a file that is being received, encrypted, on the disk.

They have the same positions as in the encrypted file.  The file does not say which of them are
complete: their digests show that, whatever a crash has left.

Everything here is for worker threads.
"""

from __future__ import annotations

import hmac
import os
import threading
from collections.abc import Iterator
from hashlib import sha256
from io import FileIO

from simplex_trio.storage.files import write_all
from simplex_trio.xftp.bodies import PIECE_SIZE
from simplex_trio.xftp.errors import StateMismatch

__all__ = ["PacketFile"]


class PacketFile:
    """Packets in an open file, unbuffered, from a position on; the caller closes it."""

    def __init__(self, file: FileIO, packets_at: int = 0) -> None:
        self._file = file
        self._packets_at = packets_at
        self._lock = threading.Lock()

    def close(self) -> None:
        self._file.close()

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write a piece at ``offset`` of the encrypted file."""
        with self._lock:
            self._file.seek(self._packets_at + offset)
            write_all(self._file.fileno(), data)

    def pieces(self, offset: int, size: int) -> Iterator[memoryview]:
        """A part of the encrypted file, in pieces, each of which takes the place of the last."""
        buffer = memoryview(bytearray(min(PIECE_SIZE, size)))
        while size:
            length = self._read_into(self._packets_at + offset, buffer[:size])
            if not length:
                raise StateMismatch("the state file is shorter than it was")
            yield buffer[:length]
            offset += length
            size -= length

    def has_packet(self, offset: int, size: int, digest: bytes) -> bool:
        """Whether the packet with this digest is complete."""
        hashed = sha256()
        for piece in self.pieces(offset, size):
            hashed.update(piece)
        return hmac.compare_digest(hashed.digest(), digest)

    def _read(self, at: int, size: int) -> bytes:
        with self._lock:
            self._file.seek(at)
            return self._file.read(size)

    def _read_into(self, at: int, buffer: memoryview) -> int:
        with self._lock:
            self._file.seek(at)
            return self._file.readinto(buffer)

    def _size(self) -> int:
        with self._lock:
            return self._file.seek(0, os.SEEK_END)
