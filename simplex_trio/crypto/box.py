"""The box: XSalsa20-Poly1305 under a key that went through HSalsa20.

This is NaCl's ``crypto_box`` for a secret from a Diffie-Hellman agreement, and the same
construction for any other key of 32 bytes.  NaCl's ``crypto_secretbox`` differs: it omits the first
step.  `BoxKey` holds the key after that step, so an agreement or a step of a chain pays for it only
once, and every box costs just the cipher.
"""

from __future__ import annotations

import hmac
from typing import Self

from attrs import field
from nacl import bindings as sodium
from nacl import exceptions as nacl

from simplex_trio.crypto.hsalsa20 import ZERO_NONCE, hsalsa20
from simplex_trio.crypto.keys import X25519PrivateKey, X25519PublicKey
from simplex_trio.crypto.padding import pad, unpad
from simplex_trio.errors import CryptoError, DecryptionFailed
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of

__all__ = ["KEY_SIZE", "NONCE_SIZE", "TAG_SIZE", "BoxKey", "nonce_from", "reverse_nonce"]

KEY_SIZE = 32
NONCE_SIZE = 24
TAG_SIZE = 16


def nonce_from(data: bytes) -> bytes:
    """Make a nonce from an identifier of any length: its first 24 bytes, padded with zeros."""
    return data[:NONCE_SIZE].ljust(NONCE_SIZE, b"\0")


def reverse_nonce(nonce: bytes) -> bytes:
    """Reverse the bytes of a nonce, for the answer to a proxied command."""
    return nonce[::-1]


@frozen(repr=False, eq=False)
class BoxKey(Redacted):
    """A key that encrypts and decrypts boxes; comparing two of them takes constant time.

    A nonce has 24 bytes, and must never be used twice with one key for different messages; other
    lengths raise `ValueError`.
    """

    subkey: bytes = field(validator=instance_of(bytes))

    def __attrs_post_init__(self) -> None:
        if len(self.subkey) != KEY_SIZE:
            raise ValueError(f"a box key has {KEY_SIZE} bytes")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BoxKey):
            return NotImplemented
        return hmac.compare_digest(self.subkey, other.subkey)

    def __hash__(self) -> int:
        return hash((BoxKey, self.subkey))

    @classmethod
    def agree(cls, private: X25519PrivateKey, public: X25519PublicKey) -> Self:
        """Agree on a key with the peer; raise `CryptoError` if its key is degenerate."""
        try:
            return cls(sodium.crypto_box_beforenm(public.raw, private.raw))
        except nacl.CryptoError as exc:
            raise CryptoError("the peer's key is degenerate") from exc

    @classmethod
    def from_secret(cls, secret: bytes) -> Self:
        """Derive the box key from a symmetric key, or from an agreed X25519 secret."""
        return cls(hsalsa20(secret, ZERO_NONCE))

    def seal(self, nonce: bytes, message: bytes) -> bytes:
        """Return the tag and the ciphertext, 16 bytes more than the message."""
        return sodium.crypto_box_afternm(message, nonce, self.subkey)

    def open(self, nonce: bytes, ciphertext: bytes) -> bytes:
        """Decrypt the result of `seal`; raise `DecryptionFailed` if it is not authentic."""
        if len(nonce) != NONCE_SIZE:
            raise ValueError(f"a nonce has {NONCE_SIZE} bytes")
        try:
            return sodium.crypto_box_open_afternm(ciphertext, nonce, self.subkey)
        except nacl.CryptoError as exc:
            raise DecryptionFailed("a box cannot be decrypted") from exc

    def seal_padded(self, nonce: bytes, message: bytes, padded_length: int) -> bytes:
        """Pad and encrypt, to ``padded_length`` + 16 bytes; raise `TooLarge` if it does not fit."""
        return self.seal(nonce, pad(message, padded_length))

    def open_padded(self, nonce: bytes, ciphertext: bytes) -> bytes:
        """Decrypt the result of `seal_padded`.

        Raises `DecryptionFailed`, or `DecodeError` for an authentic box with invalid padding.
        """
        return unpad(self.open(nonce, ciphertext))
