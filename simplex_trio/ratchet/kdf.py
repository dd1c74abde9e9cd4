"""How the keys of a ratchet follow from each other: HKDF-SHA512 with a label for each place."""

from __future__ import annotations

from typing import TypeAlias

from simplex_trio.crypto.hkdf import hkdf_sha512

__all__ = ["SYMMETRIC_KEY_SIZE", "chain_step", "root_step", "x3dh_secrets"]

SYMMETRIC_KEY_SIZE = 32

_OUTPUT = 96
_X3DH_SALT = bytes(64)

ThreeKeys: TypeAlias = tuple[bytes, bytes, bytes]


def _three(salt: bytes, ikm: bytes, info: bytes) -> ThreeKeys:
    derived = hkdf_sha512(salt, ikm, info, _OUTPUT)
    return derived[:32], derived[32:64], derived[64:]


def x3dh_secrets(agreed: bytes) -> ThreeKeys:
    """The joiner's header key, its next receiving header key, and the root key."""
    return _three(_X3DH_SALT, agreed, b"SimpleXX3DH")


def root_step(root_key: bytes, dh_secret: bytes, kem_secret: bytes | None) -> ThreeKeys:
    """The next root key, the first key of a chain, and the header key of the chain after it."""
    return _three(root_key, dh_secret + (kem_secret or b""), b"SimpleXRootRatchet")


def chain_step(chain_key: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """The next key of the chain; and of one message the key, its IV, and the IV of its header."""
    derived = hkdf_sha512(b"", chain_key, b"SimpleXChainRatchet", _OUTPUT)
    return derived[:32], derived[32:64], derived[64:80], derived[80:]
