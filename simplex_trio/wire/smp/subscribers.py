"""The two parties that a service can subscribe for; routers write them into their stores."""

from __future__ import annotations

from enum import Enum

from simplex_trio.errors import DecodeError
from simplex_trio.wire.buffer import Reader

__all__ = ["SubscriberParty"]


class SubscriberParty(Enum):
    """The owner of a queue, for messages, or its notifier, for notifications."""

    RECIPIENT = b"R"
    NOTIFIER = b"N"

    def encode(self) -> bytes:
        letter: bytes = self.value
        return letter

    @classmethod
    def decode(cls, reader: Reader) -> SubscriberParty:
        letter = reader.take(1)
        for party in cls:
            if party.value == letter:
                return party
        raise DecodeError("not a recipient or a notifier")
