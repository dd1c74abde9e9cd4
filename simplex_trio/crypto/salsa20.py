"""Salsa20 as a stream, by the fastest installed implementation, for the encryption of files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from simplex_trio.crypto.libsodium import LIBSODIUM, Libsodium

__all__ = ["Salsa20", "salsa20", "salsa20_by_cryptodome", "salsa20_by_libsodium"]

_BLOCK_SIZE: Final = 64
_KEY_SIZE: Final = 32
_NONCE_SIZE: Final = 8


class Salsa20(Protocol):
    """A key stream that is consumed piece by piece."""

    def xor(self, data: bytearray | memoryview) -> None:
        """Encrypt or decrypt the next piece in place."""
        ...


def _check_sizes(key: bytes, nonce: bytes) -> None:
    if len(key) != _KEY_SIZE or len(nonce) != _NONCE_SIZE:
        raise ValueError("Salsa20 needs a key of 32 bytes and a nonce of 8")


class _ByLibsodium:
    def __init__(self, library: Libsodium, key: bytes, nonce: bytes) -> None:
        _check_sizes(key, nonce)
        self._library = library
        self._key = key
        self._nonce = nonce
        self._position = 0

    def xor(self, data: bytearray | memoryview) -> None:
        with memoryview(data) as given, given.cast("B") as view:
            used = self._position % _BLOCK_SIZE
            head = min(_BLOCK_SIZE - used, len(view)) if used else 0
            if head:
                # The library starts at a whole block, and part of this one is already used.
                block = bytearray(used) + view[:head]
                self._xor(block, self._position - used)
                view[:head] = block[used:]
            if head < len(view):
                with view[head:] as rest:
                    self._xor(rest, self._position + head)
            self._position += len(view)

    def _xor(self, data: bytearray | memoryview, position: int) -> None:
        self._library.salsa20_xor(data, self._key, self._nonce, position // _BLOCK_SIZE)


def salsa20_by_libsodium(key: bytes, nonce: bytes) -> Salsa20:
    """Salsa20 by libsodium; raises `ValueError` for a wrong size of key (32) or nonce (8).

    Raises `RuntimeError` if the build of libsodium hides the function.
    """
    if LIBSODIUM is None:
        raise RuntimeError("this build of libsodium hides Salsa20")
    return _ByLibsodium(LIBSODIUM, key, nonce)


class _ByCryptodome:
    def __init__(self, key: bytes, nonce: bytes) -> None:
        from Cryptodome.Cipher import Salsa20

        _check_sizes(key, nonce)
        self._cipher = Salsa20.new(key, nonce)

    def xor(self, data: bytearray | memoryview) -> None:
        with memoryview(data) as given, given.cast("B") as view:
            self._cipher.encrypt(view, output=view)


def salsa20_by_cryptodome(key: bytes, nonce: bytes) -> Salsa20:
    """Salsa20 by PyCryptodome; raises `ValueError` for a wrong size of key (32) or nonce (8).

    Raises `ImportError` if pycryptodomex is not installed.
    """
    return _ByCryptodome(key, nonce)


salsa20: Callable[[bytes, bytes], Salsa20]
"""Salsa20 with a 32-byte key and an 8-byte nonce, from the start of its key stream."""

salsa20 = salsa20_by_cryptodome if LIBSODIUM is None else salsa20_by_libsodium
