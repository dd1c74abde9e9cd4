"""The encryption of a file as a whole, as a stream: nothing here holds more than a piece of it.

::

    encrypted = box(length of header and content, header, content, filling), tag

The encrypted file is cut into packets wherever their sizes say.  These are plain iterators and
objects without any waiting of their own, for worker threads to run.
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

__all__ = ["FileOpener", "payload_size", "sealed_pieces"]

_FILLING_PIECE = b"#" * 65536


def payload_size(header: FileHeader, content_size: int) -> int:
    """The least size of the encrypted file."""
    return LENGTH_SIZE + len(header.encode()) + content_size + TAG_SIZE


def sealed_pieces(
    content: Iterable[bytes],
    content_size: int,
    header: FileHeader,
    *,
    key: bytes,
    nonce: bytes,
    encrypted_size: int,
) -> Iterator[bytes]:
    """The encrypted file, in pieces about as long as those of ``content``.

    Raises `EncodeError` if it would be longer than ``encrypted_size``, and `FileChanged` at the
    first sign of ``content`` not being ``content_size`` bytes long.
    """
    filling = encrypted_size - payload_size(header, content_size)
    if filling < 0:
        raise EncodeError("a file that does not fit into its packets")
    box = BoxStream(BoxKey.from_secret(key), nonce)
    encoded = header.encode()
    yield box.seal(int64(len(encoded) + content_size) + encoded)
    left = content_size
    for piece in content:
        left -= len(piece)
        if left < 0:
            break
        yield box.seal(piece)
    if left:
        raise FileChanged("the file has not the size that it had at first")
    while filling:
        piece = _FILLING_PIECE[:filling]
        filling -= len(piece)
        yield box.seal(piece)
    yield box.tag()


class FileOpener:
    """Takes the encrypted file in pieces of any length, and gives the content back.

    `header` is there as soon as the pieces given so far contain it.  Nothing that came out may be
    relied on before `finish` has returned.
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

    def feed(self, piece: bytes) -> bytes:
        """What the next piece says of the content, possibly nothing.

        Raises `DecodeError` if the file has no header, or says that it is longer than it is.
        """
        self._hashed.update(piece)
        sealed = piece[: self._sealed_left]
        self._tag += piece[len(sealed) :]
        if len(self._tag) > TAG_SIZE:
            raise DecodeError("an encrypted file that is longer than was said")
        self._sealed_left -= len(sealed)
        plain = self._box.open(sealed)
        if self.header is None:
            self._start += plain
            plain = self._read_header()
        content = plain[: self._content_left]
        self._content_left -= len(content)
        return content

    def _read_header(self) -> bytes:
        """Take the header off the start, if all of it is there; the content that follows it."""
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
        """Check that the file was complete and authentic, and the one that was described.

        Raises `DecodeError`, `DigestMismatch`, or `DecryptionFailed`.
        """
        if self._sealed_left or len(self._tag) != TAG_SIZE:
            raise DecodeError("an encrypted file that is shorter than was said")
        if not hmac.compare_digest(self._hashed.digest(), self._digest):
            raise DigestMismatch("the file is not the one that was described")
        self._box.verify(self._tag)
