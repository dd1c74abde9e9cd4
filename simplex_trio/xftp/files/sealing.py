"""`Sealer`: a file encrypted and cut into packets, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256, sha512

from attrs import frozen

from simplex_trio.redaction import Redacted
from simplex_trio.xftp.errors import FileChanged
from simplex_trio.xftp.files.encryption import sealed_pieces
from simplex_trio.xftp.files.layout import Plan

__all__ = ["SealedPacket", "Sealer"]


@frozen(repr=False)
class SealedPacket(Redacted):
    """A packet, as routers are to keep it."""

    number: int
    data: bytes
    digest: bytes


class Sealer:
    """Encrypts the packets of a file, in their order; everything in it is for worker threads."""

    def __init__(self, plan: Plan, content: Iterator[bytes]) -> None:
        self._sizes = iter(plan.sizes)
        self._hashed = sha512()
        self._number = 0
        self._ahead = bytearray()
        self._pieces = sealed_pieces(
            content,
            plan.content_size,
            plan.header,
            key=plan.key,
            nonce=plan.nonce,
            encrypted_size=plan.encrypted_size,
        )

    def next(self) -> SealedPacket | None:
        """The next packet; `None` after the last."""
        size = next(self._sizes, None)
        if size is None:
            if self._ahead or next(self._pieces, None) is not None:
                raise FileChanged("the file has not the size that it had at first")
            return None
        while len(self._ahead) < size:
            self._ahead += next(self._pieces)
        with memoryview(self._ahead) as ahead:
            data = bytes(ahead[:size])
        del self._ahead[:size]
        self._hashed.update(data)
        self._number += 1
        return SealedPacket(self._number, data, sha256(data).digest())

    def digest(self) -> bytes:
        """Of all packets together."""
        return self._hashed.digest()
