"""Salsa20 as a stream, in the fastest way that is installed; files are encrypted with it."""

from __future__ import annotations

from typing import Final, Protocol

from simplex_trio.crypto.libsodium import LIBSODIUM, Libsodium

__all__ = ["Salsa20", "salsa20", "salsa20_by_cryptodome", "salsa20_by_libsodium"]

_BLOCK_SIZE: Final = 64


class Salsa20(Protocol):
    """A key stream, used up piece by piece."""

    def xor(self, data: bytes | bytearray | memoryview) -> bytes:
        """The next piece, encrypted or decrypted."""
        ...


class _ByLibsodium:
    def __init__(self, library: Libsodium, key: bytes, nonce: bytes) -> None:
        self._library = library
        self._key = key
        self._nonce = nonce
        self._position = 0

    def xor(self, data: bytes | bytearray | memoryview) -> bytes:
        block, used = divmod(self._position, _BLOCK_SIZE)
        # The library begins with a whole block, so that what was used of it has to be there too.
        work = bytearray(used + len(data))
        work[used:] = data
        self._library.salsa20_xor(work, self._key, self._nonce, block)
        self._position += len(data)
        return bytes(memoryview(work)[used:])


def salsa20_by_libsodium(key: bytes, nonce: bytes) -> Salsa20:
    """Salsa20 with a key of 32 bytes and a nonce of 8; `RuntimeError` where libsodium hides it."""
    if LIBSODIUM is None:
        raise RuntimeError("this build of libsodium cannot be called")
    return _ByLibsodium(LIBSODIUM, key, nonce)


class _ByCryptodome:
    def __init__(self, key: bytes, nonce: bytes) -> None:
        from Cryptodome.Cipher import Salsa20

        self._cipher = Salsa20.new(key, nonce)

    def xor(self, data: bytes | bytearray | memoryview) -> bytes:
        done: bytes = self._cipher.encrypt(data)
        return done


def salsa20_by_cryptodome(key: bytes, nonce: bytes) -> Salsa20:
    """Salsa20 with a key of 32 bytes and a nonce of 8; `ImportError` without pycryptodomex."""
    return _ByCryptodome(key, nonce)


salsa20 = salsa20_by_cryptodome if LIBSODIUM is None else salsa20_by_libsodium
"""Salsa20 with a key of 32 bytes and a nonce of 8, from the start of its key stream."""
