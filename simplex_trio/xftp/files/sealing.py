"""`Sealer`: encrypts a file and splits it into packets, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256, sha512

from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.xftp.bodies import PIECE_SIZE
from simplex_trio.xftp.files.encryption import FileSealer
from simplex_trio.xftp.files.layout import Plan

__all__ = ["SealedPacket", "Sealer"]


@frozen(repr=False)
class SealedPacket(Redacted):
    """A packet, as routers store it, in a buffer of the sealer's caller."""

    number: int
    data: memoryview
    digest: bytes


class Sealer:
    """Encrypts the packets of a file, in their order; everything in it is for worker threads."""

    def __init__(self, plan: Plan, content: Iterator[bytes]) -> None:
        self._sizes = iter(plan.sizes)
        self._hashed = sha512()
        self._number = 0
        self._file = FileSealer(
            content,
            plan.content_size,
            plan.header,
            key=plan.key,
            nonce=plan.nonce,
            encrypted_size=plan.encrypted_size,
        )

    def next(self, buffer: bytearray) -> SealedPacket | None:
        """The next packet, which fits into ``buffer``; `None` after the last.

        Raises `FileChanged` if the content does not have the planned size.
        """
        size = next(self._sizes, None)
        if size is None:
            self._file.finish()
            return None
        data = memoryview(buffer)[:size]
        hashed = sha256()
        for start in range(0, size, PIECE_SIZE):  # small enough for the processor's cache
            piece = data[start : start + PIECE_SIZE]
            self._file.fill(piece)
            hashed.update(piece)
            self._hashed.update(piece)
        self._number += 1
        return SealedPacket(self._number, data, hashed.digest())

    def digest(self) -> bytes:
        """Of all packets together."""
        return self._hashed.digest()
