"""The unencrypted flags of a message: whether to notify the recipient."""

from __future__ import annotations

from typing import ClassVar

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, boolean

__all__ = ["MessageFlags"]


@frozen(repr=False)
class MessageFlags(Redacted):
    """The flags of a message; later versions may add more, up to the next space."""

    notification: bool = False

    MOST_SIZE: ClassVar[int] = 7
    """The most bytes that flags take, now or in later versions."""

    def encode(self) -> bytes:
        return boolean(self.notification)

    @classmethod
    def decode(cls, reader: Reader) -> MessageFlags:
        return cls.of(reader.until(b" "))

    @classmethod
    def of(cls, encoded: bytes) -> MessageFlags:
        """What `encode` has made, here or in a later version."""
        flags = _BY_FIRST.get(encoded[:1])
        if flags is None:
            raise DecodeError("neither T nor F")
        return flags


_BY_FIRST = {each.encode(): each for each in (MessageFlags(notification=True), MessageFlags())}
