"""The content of a push notification: queues with new messages, and metadata of the messages.

The router encrypts the text for the device, padded to `PUSH_SIZE`, so that the push provider cannot
tell how many messages there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import final

from attrs import field
from attrs.validators import and_, min_len

from simplex_trio.errors import DecodeError, EncodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.ntf.queues import NotifierQueue
from simplex_trio.wire.text import decimal, from_base64url, to_base64url

__all__ = [
    "PUSH_SIZE",
    "PushMessage",
    "decode_push_messages",
    "encode_push_messages",
]

PUSH_SIZE = 3072
"""The size to which the text is padded before encryption."""

_MAX_INT64 = (1 << 63) - 1
_NONCE_SIZE = 24

_SIGNED = re.compile(r"([+-]?)([0-9]+)")


@final
@frozen(repr=False)
class PushMessage(Redacted):
    """Announces a message in a queue: the content of NMSG as the notification router received it.

    ``timestamp`` (seconds since 1970) is the time at which the notification router received it.
    """

    queue: NotifierQueue = field(validator=instance_of(NotifierQueue))
    timestamp: int = field(validator=instance_of(int))
    nonce: bytes = field(validator=instance_of(bytes))
    encrypted_metadata: bytes = field(validator=and_(instance_of(bytes), min_len(1)))

    def __attrs_post_init__(self) -> None:
        if len(self.nonce) != _NONCE_SIZE:
            raise ValueError(f"a nonce has {_NONCE_SIZE} bytes")
        if not -_MAX_INT64 - 1 <= self.timestamp <= _MAX_INT64:
            raise ValueError("the time does not fit into 64 bits")

    def __str__(self) -> str:
        nonce, metadata = to_base64url(self.nonce), to_base64url(self.encrypted_metadata)
        return f"{self.queue} {self.timestamp} {nonce} {metadata}"

    @classmethod
    def parse(cls, text: str) -> PushMessage:
        """Parse the text form; raise `DecodeError` for other text."""
        parts = text.split(" ")
        if len(parts) != 4 or not parts[3]:
            raise DecodeError("not a message in a notification")
        queue, timestamp, nonce, metadata = parts
        try:
            return cls(
                NotifierQueue.parse(queue),
                _time(timestamp),
                from_base64url(nonce),
                from_base64url(metadata),
            )
        except ValueError as exc:
            raise DecodeError("an invalid message in a notification") from exc


def encode_push_messages(messages: Iterable[PushMessage]) -> bytes:
    """Encode at least one message as text, to be padded and encrypted."""
    text = ";".join(map(str, messages))
    if not text:
        raise EncodeError("a notification needs at least one message")
    return text.encode("ascii")


def decode_push_messages(data: bytes) -> tuple[PushMessage, ...]:
    """Decode the text of a notification, at least one message; otherwise raise `DecodeError`."""
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as exc:
        raise DecodeError("the text of a notification is not ASCII") from exc
    return tuple(map(PushMessage.parse, text.split(";")))


def _time(text: str) -> int:
    found = _SIGNED.fullmatch(text)
    if found is None:
        raise DecodeError("not a time")
    sign, digits = found.groups()
    if sign == "-":
        return -decimal(digits, _MAX_INT64 + 1)
    return decimal(digits, _MAX_INT64)
