"""The data that a router stores for the short link of a queue."""

from __future__ import annotations

from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, large

__all__ = ["QueueLinkData"]


@frozen(repr=False)
class QueueLinkData(Redacted):
    """Two encrypted parts: one is immutable, the other the owner of the queue may replace."""

    fixed: bytes
    user: bytes

    def encode(self) -> bytes:
        return large(self.fixed) + large(self.user)

    @classmethod
    def decode(cls, reader: Reader) -> QueueLinkData:
        return cls(reader.large(), reader.large())
