"""Blocks: content padded to a fixed size and, if both sides agreed to it, encrypted.

Every block has its own key from a chain that only moves forward, so a key that leaks later cannot
decrypt blocks recorded earlier.  If a block fails to decrypt, or an encrypted block is never sent,
the two chains are out of step for good, and the connection must be closed.
"""

from __future__ import annotations

from typing import Protocol

from simplex_trio.crypto.block_keys import KeyChain
from simplex_trio.crypto.box import TAG_SIZE
from simplex_trio.crypto.padding import pad, unpad

__all__ = ["BlockCodec", "EncryptedBlocks", "PaddedBlocks"]


class BlockCodec(Protocol):
    """Converts content to blocks of one size, and back."""

    def seal(self, content: bytes) -> bytes:
        """Return the block that carries ``content``; raise `TooLarge` if it does not fit."""
        ...

    def open(self, block: bytes) -> bytes:
        """Return the content of a block; raise `DecodeError` or `DecryptionFailed` if invalid."""
        ...


class PaddedBlocks:
    """Blocks that are padded only: for handshakes, and for sessions without block encryption."""

    def __init__(self, block_size: int) -> None:
        self._block_size = block_size

    def seal(self, content: bytes) -> bytes:
        return pad(content, self._block_size)

    def open(self, block: bytes) -> bytes:
        return unpad(block)


class EncryptedBlocks:
    """Blocks encrypted with the two key chains of a session."""

    def __init__(self, block_size: int, *, sending: KeyChain, receiving: KeyChain) -> None:
        self._padded_size = block_size - TAG_SIZE
        self._sending = sending
        self._receiving = receiving

    def seal(self, content: bytes) -> bytes:
        padded = pad(content, self._padded_size)  # may fail: before the chain moves on
        key, nonce = self._sending.next()
        return key.seal(nonce, padded)

    def open(self, block: bytes) -> bytes:
        key, nonce = self._receiving.next()
        return unpad(key.open(nonce, block))
