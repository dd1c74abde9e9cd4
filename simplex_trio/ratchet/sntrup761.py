"""sntrup761, by libntruprime where the system has it, and by pqcrypto elsewhere.

Both are asked for in the extra ``duplex``.  The first is a wrapper of a shared library that comes
with the system (``libntruprime1`` in Debian) and makes a pair of keys in half a millisecond; the
second brings its own code, takes some thirty milliseconds, and lets no other thread run meanwhile.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, ClassVar, final

from simplex_trio.ratchet.errors import KEMSupportMissing
from simplex_trio.ratchet.kem import KEM, KEMKeyPair

__all__ = ["Libntruprime", "Pqcrypto", "available_kems", "load_kem"]


@final
class Libntruprime(KEM):
    """The system's libntruprime; `ImportError` or `OSError` where it is missing."""

    NAME: ClassVar[str] = "libntruprime"
    RELEASES_GIL: ClassVar[bool] = True

    def __init__(self) -> None:
        self._functions: Any = import_module("ntruprime").sntrup761

    def generate(self) -> KEMKeyPair:
        public_key, secret_key = self._functions.keypair()
        return KEMKeyPair(public_key, secret_key)

    def _encapsulate(self, public_key: bytes) -> tuple[bytes, bytes]:
        ciphertext, shared_secret = self._functions.enc(public_key)
        return ciphertext, shared_secret

    def _decapsulate(self, secret_key: bytes, ciphertext: bytes) -> bytes:
        shared_secret: bytes = self._functions.dec(ciphertext, secret_key)
        return shared_secret


@final
class Pqcrypto(KEM):
    """The package pqcrypto; `ImportError` where it is missing."""

    NAME: ClassVar[str] = "pqcrypto"
    RELEASES_GIL: ClassVar[bool] = False

    def __init__(self) -> None:
        self._functions: Any = import_module("pqcrypto.kem").sntrup_761

    def generate(self) -> KEMKeyPair:
        public_key, secret_key = self._functions.keygen()
        return KEMKeyPair(public_key, secret_key)

    def _encapsulate(self, public_key: bytes) -> tuple[bytes, bytes]:
        ciphertext, shared_secret = self._functions.encaps(public_key)
        return ciphertext, shared_secret

    def _decapsulate(self, secret_key: bytes, ciphertext: bytes) -> bytes:
        shared_secret: bytes = self._functions.decaps(secret_key, ciphertext)
        return shared_secret


@cache
def available_kems() -> tuple[KEM, ...]:
    """All implementations that work here, the best one first."""
    found: list[KEM] = []
    for implementation in (Libntruprime, Pqcrypto):
        try:
            found.append(implementation())
        except (ImportError, OSError, AttributeError):  # AttributeError: a version without it
            continue
    return tuple(found)


def load_kem() -> KEM:
    """The implementation to use; its `KEM.NAME` says which one that is.

    Raises `KEMSupportMissing` where there is none.
    """
    for kem in available_kems():
        return kem
    raise KEMSupportMissing(
        "sntrup761 needs libntruprime or pqcrypto: pip install 'simplex-trio[duplex]'"
    )
