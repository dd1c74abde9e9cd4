"""Two functions of libsodium that PyNaCl brings along but does not offer: HSalsa20 and Salsa20.

PyNaCl's extension module contains libsodium, or loads it, and on most systems what is in there can
be called by name.  They are many times faster than whatever else there is.  Where the names are
hidden, `LIBSODIUM` is `None`, and `simplex_trio.crypto.hsalsa20` and
`simplex_trio.crypto.salsa20` have other ways.
"""

from __future__ import annotations

import ctypes
from importlib.util import find_spec
from typing import Final

__all__ = ["LIBSODIUM", "Libsodium"]

_KEY_SIZE: Final = 32
_HSALSA20_NONCE_SIZE: Final = 16
_SALSA20_NONCE_SIZE: Final = 8

_HSalsa20Result = ctypes.c_char * _KEY_SIZE


class Libsodium:
    """The functions in the shared library at ``path``; `OSError` or `AttributeError` without."""

    def __init__(self, path: str) -> None:
        # This takes less time than to let other threads run in between,
        self._hsalsa20 = ctypes.PyDLL(path).crypto_core_hsalsa20
        self._hsalsa20.argtypes = (ctypes.c_char_p,) * 4
        self._hsalsa20.restype = ctypes.c_int
        # and this, over many bytes, far more.
        self._salsa20_xor = ctypes.CDLL(path).crypto_stream_salsa20_xor_ic
        self._salsa20_xor.argtypes = (
            ctypes.c_void_p,  # the result,
            ctypes.c_void_p,  # the data,
            ctypes.c_ulonglong,  # their size,
            ctypes.c_char_p,  # the nonce,
            ctypes.c_uint64,  # the number of the first block,
            ctypes.c_char_p,  # and the key
        )
        self._salsa20_xor.restype = ctypes.c_int

    def hsalsa20(self, key: bytes, nonce: bytes) -> bytes:
        """HSalsa20 of a key of 32 bytes and a nonce of 16."""
        if len(key) != _KEY_SIZE or len(nonce) != _HSALSA20_NONCE_SIZE:
            raise ValueError("HSalsa20 takes a key of 32 bytes and a nonce of 16")
        result = _HSalsa20Result()
        self._hsalsa20(result, nonce, key, None)
        return result.raw

    def salsa20_xor(
        self, data: bytearray | memoryview, key: bytes, nonce: bytes, block: int
    ) -> None:
        """Xor ``data`` in place with Salsa20's key stream, from the block of this number on."""
        if len(key) != _KEY_SIZE or len(nonce) != _SALSA20_NONCE_SIZE:
            raise ValueError("Salsa20 takes a key of 32 bytes and a nonce of 8")
        size = memoryview(data).nbytes
        place = (ctypes.c_char * size).from_buffer(data)
        self._salsa20_xor(place, place, size, nonce, block, key)


def _found() -> Libsodium | None:
    spec = find_spec("nacl._sodium")
    if spec is None or spec.origin is None:
        return None
    try:
        return Libsodium(spec.origin)
    except (OSError, AttributeError):
        return None


LIBSODIUM: Final = _found()
