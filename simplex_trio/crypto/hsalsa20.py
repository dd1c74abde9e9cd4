"""HSalsa20: the step from a secret to the key of a box.

Every symmetric key of the protocol, whether agreed by Diffie-Hellman or taken from a chain of block
keys, goes through this function, over sixteen zero bytes, before XSalsa20-Poly1305 uses it.
libsodium does this inside ``crypto_box_beforenm``, but the chain of block keys needs it separately,
for each block.  There are two implementations: libsodium's, and one in pure Python for builds that
hide it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from simplex_trio.crypto.libsodium import LIBSODIUM

__all__ = ["HSALSA20_SIZE", "ZERO_NONCE", "hsalsa20", "hsalsa20_in_python"]

HSALSA20_SIZE: Final = 32
"""The size of the key and of the result."""

ZERO_NONCE: Final = bytes(16)
"""The input for the key of a box."""

_KEY = struct.Struct("<8I")
_NONCE = struct.Struct("<4I")

_WORD = 0xFFFFFFFF
_SIGMA = (0x61707865, 0x3320646E, 0x79622D32, 0x6B206574)  # "expand 32-byte k"

# Four words in one integer, each in a lane of 64 bits: a quarter round then computes all four
# columns at once, and the free half of a lane takes carries and the bits that a rotation shifts
# out.
_LANES = sum(_WORD << (64 * lane) for lane in range(4))
_FULL = (1 << 256) - 1


def _lanes(*words: int) -> int:
    return sum(word << (64 * lane) for lane, word in enumerate(words))


def _word(lanes: int, lane: int) -> int:
    return lanes >> (64 * lane) & _WORD


def hsalsa20_in_python(key: bytes, nonce: bytes) -> bytes:
    """Compute HSalsa20 of a 32-byte key and a 16-byte nonce in pure Python.

    The sixteen words of the state are held as the four diagonals of Salsa20's matrix, lane n of
    each being its n-th column.  A round over the rows is a round over the columns, after each
    diagonal has been rotated by its distance from the main one and two diagonals have swapped
    roles.
    """
    if len(key) != HSALSA20_SIZE or len(nonce) != len(ZERO_NONCE):
        raise ValueError("HSalsa20 needs a key of 32 bytes and a nonce of 16")
    k0, k1, k2, k3, k4, k5, k6, k7 = _KEY.unpack(key)
    n0, n1, n2, n3 = _NONCE.unpack(nonce)
    a = _lanes(*_SIGMA)
    b = _lanes(k3, n3, k7, k2)
    c = _lanes(n2, k6, k1, n1)
    d = _lanes(k5, k0, n0, k4)
    for _ in range(10):
        t = (a + d & _LANES) << 7
        b ^= (t | t >> 32) & _LANES
        t = (b + a & _LANES) << 9
        c ^= (t | t >> 32) & _LANES
        t = (c + b & _LANES) << 13
        d ^= (t | t >> 32) & _LANES
        t = (d + c & _LANES) << 18
        a ^= (t | t >> 32) & _LANES
        b = (b << 64 | b >> 192) & _FULL
        c = (c << 128 | c >> 128) & _FULL
        d = (d << 192 | d >> 64) & _FULL

        t = (a + b & _LANES) << 7
        d ^= (t | t >> 32) & _LANES
        t = (d + a & _LANES) << 9
        c ^= (t | t >> 32) & _LANES
        t = (c + d & _LANES) << 13
        b ^= (t | t >> 32) & _LANES
        t = (b + c & _LANES) << 18
        a ^= (t | t >> 32) & _LANES
        b = (b << 192 | b >> 64) & _FULL
        c = (c << 128 | c >> 128) & _FULL
        d = (d << 64 | d >> 192) & _FULL
    # Words 0, 5, 10, 15 are the main diagonal; words 6, 7, 8, 9 follow.
    return _KEY.pack(
        *(_word(a, lane) for lane in range(4)),
        _word(d, 2),
        _word(c, 3),
        _word(c, 0),
        _word(b, 1),
    )


hsalsa20: Callable[[bytes, bytes], bytes]
"""HSalsa20 of a 32-byte key and a 16-byte nonce, by the fastest available implementation."""

hsalsa20 = hsalsa20_in_python if LIBSODIUM is None else LIBSODIUM.hsalsa20
