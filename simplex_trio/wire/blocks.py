"""Blocks: content padded to a fixed size and, where both sides agreed, encrypted once more.

Every block has a key of its own from a chain that only moves forward, so that a key learned later
opens nothing that was recorded before.  A block that does not open, or a sealed block that is not
sent, leaves the two chains apart for ever: the connection can only be closed.
"""

from __future__ import annotations

from typing import Protocol

from simplex_trio.crypto.block_keys import KeyChain
from simplex_trio.crypto.box import TAG_SIZE
from simplex_trio.crypto.padding import pad, unpad

__all__ = ["BlockCodec", "EncryptedBlocks", "PaddedBlocks"]


class BlockCodec(Protocol):
    """Turns contents into blocks of one size, and back."""

    def seal(self, content: bytes) -> bytes:
        """The block that carries ``content``; `TooLarge` if it does not fit."""
        ...

    def open(self, block: bytes) -> bytes:
        """The content of a block; `DecodeError` or `DecryptionFailed` if it has none."""
        ...


class PaddedBlocks:
    """Blocks that are only padded: handshakes, and sessions without block encryption."""

    def __init__(self, block_size: int) -> None:
        self._block_size = block_size

    def seal(self, content: bytes) -> bytes:
        return pad(content, self._block_size)

    def open(self, block: bytes) -> bytes:
        return unpad(block)


class EncryptedBlocks:
    """Blocks under the two key chains of a session."""

    def __init__(self, block_size: int, *, sending: KeyChain, receiving: KeyChain) -> None:
        self._padded_size = block_size - TAG_SIZE
        self._sending = sending
        self._receiving = receiving

    def seal(self, content: bytes) -> bytes:
        padded = pad(content, self._padded_size)  # may fail, so before the chain moves on
        key, nonce = self._sending.next()
        return key.seal(nonce, padded)

    def open(self, block: bytes) -> bytes:
        key, nonce = self._receiving.next()
        return unpad(key.open(nonce, block))
