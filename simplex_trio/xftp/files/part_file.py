"""`PartFile`: the content of a file that is being received, decrypted into a temporary file.

The content is decrypted in its order, from packets that are complete; nothing of it may be used
before `PartFile.finish` has checked all of it.  Everything here is for worker threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from simplex_trio.storage.files import write_all
from simplex_trio.wire.xftp.description import FileDescription
from simplex_trio.wire.xftp.description_text import encode_description
from simplex_trio.xftp.disk import create_locked
from simplex_trio.xftp.files.encryption import FileOpener
from simplex_trio.xftp.files.packet_file import PacketFile

__all__ = ["PartFile", "decrypted", "part_of"]


def part_of(description: FileDescription, folder: Path) -> Path:
    """The path of the temporary file; the same after a crash."""
    identity = sha256(encode_description(description).encode()).hexdigest()[:16]
    return folder / f".{identity}.xftp-part"


class PartFile:
    """A temporary file at ``path``, which is removed when this is closed.

    Raises `StateInUse` if another transfer has it, and `DecodeError` for a file that cannot be one.
    """

    def __init__(self, path: Path, description: FileDescription) -> None:
        self.path = path
        self.done: int = 0
        """Bytes of the encrypted file that are decrypted."""
        self._opener = _opener(description)
        self._descriptor = create_locked(path, 0o666)

    def decrypt(
        self, packets: PacketFile, until: int, check: Callable[[], object] = lambda: None
    ) -> None:
        """Decrypt more, up to a position in the encrypted file.

        Calls ``check`` before each piece, which may raise to stop this; there is no going on then.
        Raises `DecodeError` for a file that is not as described.
        """
        for piece in packets.pieces(self.done, until - self.done):
            check()
            write_all(self._descriptor, self._opener.feed(piece))
            self.done += len(piece)

    def finish(self) -> str:
        """Check all of it, and make it durable; returns the name that the sender has given.

        Raises `DecodeError`, `DecryptionFailed` or `DigestMismatch`.
        """
        self._opener.finish()
        os.fsync(self._descriptor)
        assert self._opener.header is not None  # `finish` has seen all of the file
        return self._opener.header.name

    def close(self) -> None:
        """Remove the temporary name; the file stays if it has got another one."""
        try:
            self.path.unlink(missing_ok=True)
        finally:
            os.close(self._descriptor)


def decrypted(packets: PacketFile, description: FileDescription) -> Iterator[bytes]:
    """The content, in pieces; valid only if the iteration ends without an exception."""
    opener = _opener(description)
    for piece in packets.pieces(0, description.size):
        yield bytes(opener.feed(piece))
    opener.finish()


def _opener(description: FileDescription) -> FileOpener:
    return FileOpener(
        key=description.key,
        nonce=description.nonce,
        encrypted_size=description.size,
        digest=description.digest,
    )
