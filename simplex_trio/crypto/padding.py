"""Padding: a message brought to a fixed length, so that its ciphertext tells nothing of its size.

The padded form is the length of the message in two bytes, the message, and ``#`` up to the end.
Every length that the protocol pads to is fixed by the place (a block, a delivered body, an
envelope), never by the message.
"""

from __future__ import annotations

from simplex_trio.errors import DecodeError, TooLarge

__all__ = ["can_pad", "pad", "unpad"]

_LENGTH_SIZE = 2
_FILLING = b"#"

# Two less than two bytes could count: the limit covers the message together with its length.
_MAX_MESSAGE = 0xFFFF - _LENGTH_SIZE


def can_pad(message_length: int, length: int) -> bool:
    """Whether a message of ``message_length`` bytes fits when padded to ``length`` bytes."""
    return message_length <= _MAX_MESSAGE and message_length + _LENGTH_SIZE <= length


def pad(message: bytes, length: int) -> bytes:
    """The message padded to exactly ``length`` bytes; `TooLarge` if it does not fit."""
    size = len(message)
    if not can_pad(size, length):
        raise TooLarge(f"{size} bytes do not fit when padded to {length}")
    return (size.to_bytes(_LENGTH_SIZE, "big") + message).ljust(length, _FILLING)


def unpad(padded: bytes) -> bytes:
    """The message inside; `DecodeError` if the length is missing or runs past the end.

    What the filling is made of is not looked at.
    """
    end = _LENGTH_SIZE + int.from_bytes(padded[:_LENGTH_SIZE], "big")
    if len(padded) < end:
        raise DecodeError("a padded message is longer than the space that it is in")
    return padded[_LENGTH_SIZE:end]
