"""The purpose of a queue."""

from __future__ import annotations

from enum import Enum

from simplex_trio.errors import DecodeError
from simplex_trio.wire.buffer import Reader

__all__ = ["QueueMode"]


class QueueMode(Enum):
    """*Messaging* with one sender, who may secure the queue, or *contact*, open to all senders."""

    MESSAGING = b"M"
    CONTACT = b"C"

    @classmethod
    def decode(cls, reader: Reader) -> QueueMode:
        mode = _MODES.get(reader.take(1))
        if mode is None:
            raise DecodeError("not a queue mode")
        return mode


_MODES = {mode.value: mode for mode in QueueMode}
