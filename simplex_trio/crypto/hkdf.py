"""HKDF with SHA-512 (RFC 5869), the only key derivation of the protocol."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = ["hkdf_sha512"]

_SHA512 = hashes.SHA512()


def hkdf_sha512(salt: bytes, ikm: bytes, info: bytes, length: int) -> bytes:
    """Derive ``length`` bytes (at most 16,320) from ``ikm``."""
    return HKDF(_SHA512, length, salt, info).derive(ikm)
