"""The encryption of a file as a whole, as a stream that holds no more than a piece of it.

::

    encrypted = box(length of header and content, header, content, filling), tag

The encrypted file is split into packets by size alone.  These are plain iterators and objects, for
worker threads.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from hashlib import sha512

from simplex_trio.crypto.box import BoxKey
from simplex_trio.errors import DecodeError, EncodeError
from simplex_trio.wire.buffer import int64
from simplex_trio.wire.xftp.file_header import (
    LENGTH_SIZE,
    MAX_HEADER_SIZE,
    FileHeader,
    split_header,
)
from simplex_trio.xftp.box_stream import TAG_SIZE, BoxStream
from simplex_trio.xftp.errors import DigestMismatch, FileChanged

__all__ = ["FileOpener", "FileSealer", "payload_size"]

_FILLING_PIECE = b"#" * 65536


def payload_size(header: FileHeader, content_size: int) -> int:
    """The least size of the encrypted file."""
    return LENGTH_SIZE + len(header.encode()) + content_size + TAG_SIZE


class FileSealer:
    """Writes the encrypted file, from start to end, into the caller's buffers.

    Raises `EncodeError` if it would be longer than ``encrypted_size``.
    """

    def __init__(
        self,
        content: Iterable[bytes],
        content_size: int,
        header: FileHeader,
        *,
        key: bytes,
        nonce: bytes,
        encrypted_size: int,
    ) -> None:
        filling = encrypted_size - payload_size(header, content_size)
        if filling < 0:
            raise EncodeError("the file does not fit into its packets")
        self._box = BoxStream(BoxKey.from_secret(key), nonce)
        self._plain = _plain_pieces(content, content_size, header, filling)
        self._rest = memoryview(b"")  # of the last of these pieces
        self._plain_left = encrypted_size - TAG_SIZE
        self._tag: bytes | None = None

    def fill(self, buffer: memoryview) -> None:
        """Fill ``buffer`` with the next bytes; the caller must not ask for more than there are.

        Raises `FileChanged` as soon as the content turns out to have another size than announced.
        """
        inside = min(len(buffer), self._plain_left)
        done = 0
        while done < inside:
            piece = self._rest or memoryview(next(self._plain))
            taken = min(len(piece), inside - done)
            buffer[done : done + taken] = piece[:taken]
            self._rest = piece[taken:]
            done += taken
        if inside:
            self._box.seal_in_place(buffer[:inside])
            self._plain_left -= inside
        if inside < len(buffer):
            self._tag = self._box.tag() if self._tag is None else self._tag
            wanted = len(buffer) - inside
            buffer[inside:], self._tag = self._tag[:wanted], self._tag[wanted:]

    def finish(self) -> None:
        """Check that the content has the announced size; raises `FileChanged`."""
        if self._rest or any(self._plain):
            raise FileChanged("the file has not the size that it had at first")


def _plain_pieces(
    content: Iterable[bytes], content_size: int, header: FileHeader, filling: int
) -> Iterator[bytes]:
    """The plaintext of the box."""
    encoded = header.encode()
    yield int64(len(encoded) + content_size) + encoded
    left = content_size
    for piece in content:
        left -= len(piece)
        if left < 0:
            break
        yield piece
    if left:
        raise FileChanged("the file has not the size that it had at first")
    while filling:
        piece = _FILLING_PIECE[:filling]
        filling -= len(piece)
        yield piece


class FileOpener:
    """Decrypts the file from pieces of any length.

    `header` is set as soon as the pieces so far contain it.  Callers must not rely on any output
    before `finish` has returned.
    """

    def __init__(self, *, key: bytes, nonce: bytes, encrypted_size: int, digest: bytes) -> None:
        self.header: FileHeader | None = None
        self._box = BoxStream(BoxKey.from_secret(key), nonce)
        self._sealed_left = encrypted_size - TAG_SIZE
        self._digest = digest
        self._hashed = sha512()
        self._start = b""  # of the plain text, as long as the header may be in it
        self._content_left = 0
        self._tag = b""
        if self._sealed_left < LENGTH_SIZE:
            raise DecodeError("an encrypted file that is too short to be one")

    def feed(self, piece: memoryview) -> memoryview:
        """The content in the next piece, which may be empty; it is decrypted in place.

        Raises `DecodeError` if the file has no header, or claims to be longer than it is.
        """
        self._hashed.update(piece)
        sealed = piece[: self._sealed_left]
        self._tag += piece[len(sealed) :]
        if len(self._tag) > TAG_SIZE:
            raise DecodeError("an encrypted file that is longer than was said")
        self._sealed_left -= len(sealed)
        self._box.open_in_place(sealed)
        plain = sealed
        if self.header is None:
            self._start += plain
            plain = memoryview(self._read_header())
        content = plain[: self._content_left]
        self._content_left -= len(content)
        return content

    def _read_header(self) -> bytes:
        """Parse the header, if it is complete; returns the content that follows it."""
        start = self._start
        if self._sealed_left and len(start) < LENGTH_SIZE + MAX_HEADER_SIZE:
            return b""
        length = int.from_bytes(start[:LENGTH_SIZE], "big", signed=True)
        if not 0 <= length <= len(start) - LENGTH_SIZE + self._sealed_left:
            raise DecodeError("a file that says to be longer than it is")
        self.header, header_size = split_header(start[LENGTH_SIZE:], length)
        self._content_left = length - header_size
        self._start = b""
        return start[LENGTH_SIZE + header_size :]

    def finish(self) -> None:
        """Check that the file is complete, authentic, and the one that was described.

        Raises `DecodeError`, `DigestMismatch`, or `DecryptionFailed`.
        """
        if self._sealed_left or len(self._tag) != TAG_SIZE:
            raise DecodeError("an encrypted file that is shorter than was said")
        if not hmac.compare_digest(self._hashed.digest(), self._digest):
            raise DigestMismatch("the file is not the one that was described")
        self._box.verify(self._tag)
