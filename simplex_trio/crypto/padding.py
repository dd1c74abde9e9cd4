"""Padding of messages to a fixed length, so that the ciphertext does not reveal their size.

The padded form is the length of the message in two bytes, the message, and ``#`` up to the end. The
padded length depends only on the place (a block, a delivered body, an envelope), never on the
message.
"""

from __future__ import annotations

from simplex_trio.errors import DecodeError, TooLarge

__all__ = ["can_pad", "pad", "unpad"]

_LENGTH_SIZE = 2
_FILLING = b"#"

# Two less than two bytes can count: the limit covers the message together with its length.
_MAX_MESSAGE = 0xFFFF - _LENGTH_SIZE


def can_pad(message_length: int, length: int) -> bool:
    """Whether a message of ``message_length`` bytes fits when padded to ``length`` bytes."""
    return message_length <= _MAX_MESSAGE and message_length + _LENGTH_SIZE <= length


def pad(message: bytes, length: int) -> bytes:
    """Pad a message to exactly ``length`` bytes; raise `TooLarge` if it does not fit."""
    size = len(message)
    if not can_pad(size, length):
        raise TooLarge(f"{size} bytes do not fit when padded to {length}")
    return (size.to_bytes(_LENGTH_SIZE, "big") + message).ljust(length, _FILLING)


def unpad(padded: bytes) -> bytes:
    """Remove the padding; raise `DecodeError` if the length is missing or too large.

    The padding bytes themselves are not checked.
    """
    end = _LENGTH_SIZE + int.from_bytes(padded[:_LENGTH_SIZE], "big")
    if len(padded) < end:
        raise DecodeError("a padded message is longer than its space")
    return padded[_LENGTH_SIZE:end]
