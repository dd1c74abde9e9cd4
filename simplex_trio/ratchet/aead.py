"""AES-256-GCM as the ratchet uses it: IVs of 16 bytes as they are, the tag beside the ciphertext.

An IV of that length is not the first part of the counter but hashed into it, which is what the
mode prescribes for all lengths other than 12 bytes.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from simplex_trio.errors import DecryptionFailed

__all__ = ["IV_SIZE", "TAG_SIZE", "open_sealed", "seal"]

IV_SIZE = 16
TAG_SIZE = 16


def seal(key: bytes, iv: bytes, plaintext: bytes, associated_data: bytes) -> tuple[bytes, bytes]:
    """The tag and the ciphertext."""
    sealed = AESGCM(key).encrypt(iv, plaintext, associated_data)
    return sealed[-TAG_SIZE:], sealed[:-TAG_SIZE]


def open_sealed(
    key: bytes, iv: bytes, tag: bytes, ciphertext: bytes, associated_data: bytes
) -> bytes:
    """The plaintext; `DecryptionFailed` if anything is not as it was sealed."""
    try:
        return AESGCM(key).decrypt(iv, ciphertext + tag, associated_data)
    except InvalidTag as exc:
        raise DecryptionFailed("not encrypted with this key, or changed since") from exc
