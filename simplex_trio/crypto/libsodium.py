"""Two functions of libsodium that PyNaCl includes but does not expose: HSalsa20 and Salsa20.

PyNaCl's extension module contains libsodium, or loads it, and on most systems its functions can be
called by name.  They are many times faster than the alternatives.  Where the names are hidden,
`LIBSODIUM` is `None`, and `simplex_trio.crypto.hsalsa20` and `simplex_trio.crypto.salsa20` use
other implementations.
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
    """The functions in the shared library at ``path``.

    Raises `OSError` if the library cannot be loaded, and `AttributeError` if it hides a function.
    """

    def __init__(self, path: str) -> None:
        # Keeps the GIL: the call takes less time than releasing it.
        self._hsalsa20 = ctypes.PyDLL(path).crypto_core_hsalsa20
        self._hsalsa20.argtypes = (ctypes.c_char_p,) * 4
        self._hsalsa20.restype = ctypes.c_int
        # Releases the GIL, since over many bytes the call takes far longer.
        self._salsa20_xor = ctypes.CDLL(path).crypto_stream_salsa20_xor_ic
        self._salsa20_xor.argtypes = (
            ctypes.c_void_p,  # result
            ctypes.c_void_p,  # data
            ctypes.c_ulonglong,  # size of the data
            ctypes.c_char_p,  # nonce
            ctypes.c_uint64,  # number of the first block
            ctypes.c_char_p,  # key
        )
        self._salsa20_xor.restype = ctypes.c_int

    def hsalsa20(self, key: bytes, nonce: bytes) -> bytes:
        """Compute HSalsa20 of a 32-byte key and a 16-byte nonce."""
        if len(key) != _KEY_SIZE or len(nonce) != _HSALSA20_NONCE_SIZE:
            raise ValueError("HSalsa20 needs a key of 32 bytes and a nonce of 16")
        result = _HSalsa20Result()
        self._hsalsa20(result, nonce, key, None)
        return result.raw

    def salsa20_xor(
        self, data: bytearray | memoryview, key: bytes, nonce: bytes, block: int
    ) -> None:
        """XOR ``data`` in place with Salsa20's key stream, starting at the given block."""
        if len(key) != _KEY_SIZE or len(nonce) != _SALSA20_NONCE_SIZE:
            raise ValueError("Salsa20 needs a key of 32 bytes and a nonce of 8")
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
