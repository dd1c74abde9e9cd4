"""AES-256-GCM as the ratchet uses it: IVs of 16 bytes as they are, the tag before the ciphertext.

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


def seal(key: bytes, iv: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
    """The ciphertext, and the tag at its end; on the wire it stands before it."""
    return AESGCM(key).encrypt(iv, plaintext, associated_data)


def open_sealed(key: bytes, iv: bytes, sealed: bytes, associated_data: bytes) -> bytes:
    """The plaintext; `DecryptionFailed` if anything is not as it was sealed."""
    try:
        return AESGCM(key).decrypt(iv, sealed, associated_data)
    except InvalidTag as exc:
        raise DecryptionFailed("not encrypted with this key, or changed since") from exc
