"""HSalsa20 over sixteen zero bytes: the step between a secret and the key of a box.

Every symmetric key of the protocol, whether agreed by Diffie-Hellman or taken from a chain of
block keys, goes through this function before XSalsa20-Poly1305 sees it.  libsodium does it inside
``crypto_box_beforenm``, but PyNaCl does not offer it by itself, and the chain of block keys needs
it for each block.  So it is here twice, with the same result: in Python alone, and a few times
faster when pycryptodomex is installed (the extra ``fast``).
"""

from __future__ import annotations

import struct
from collections.abc import Callable

__all__ = ["HSALSA20_SIZE", "hsalsa20", "hsalsa20_in_python"]

HSALSA20_SIZE = 32
"""The size of the input and of the result."""

_KEY = struct.Struct("<8I")
_BLOCK = struct.Struct("<16I")

_WORD = 0xFFFFFFFF
_SIGMA = (0x61707865, 0x3320646E, 0x79622D32, 0x6B206574)  # "expand 32-byte k"

# Four words in one integer, each in a lane of 64 bits: a quarter round is then computed for all
# four columns at once, and the free half of a lane catches carries and what a rotation pushes out.
_LANES = sum(_WORD << (64 * lane) for lane in range(4))
_FULL = (1 << 256) - 1


def _check_size(key: bytes) -> None:
    if len(key) != HSALSA20_SIZE:
        raise ValueError(f"HSalsa20 takes {HSALSA20_SIZE} bytes")


def _lanes(*words: int) -> int:
    return sum(word << (64 * lane) for lane, word in enumerate(words))


def _word(lanes: int, lane: int) -> int:
    return lanes >> (64 * lane) & _WORD


def hsalsa20_in_python(key: bytes) -> bytes:
    """HSalsa20 of ``key`` (32 bytes) and sixteen zero bytes, without any library.

    The sixteen words of the state are held as the four diagonals of Salsa20's matrix, lane n of
    each being its n-th column.  A round over the rows is a round over the columns after each
    diagonal has been turned by its distance from the main one, with two diagonals changing roles.
    """
    _check_size(key)
    k0, k1, k2, k3, k4, k5, k6, k7 = _KEY.unpack(key)
    a = _lanes(*_SIGMA)
    b = _lanes(k3, 0, k7, k2)
    c = _lanes(0, k6, k1, 0)
    d = _lanes(k5, k0, 0, k4)
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
    # Words 0, 5, 10, 15 are the main diagonal; then follow words 6, 7, 8, 9.
    return _KEY.pack(
        *(_word(a, lane) for lane in range(4)),
        _word(d, 2),
        _word(c, 3),
        _word(c, 0),
        _word(b, 1),
    )


hsalsa20: Callable[[bytes], bytes]
"""HSalsa20 of a key of 32 bytes and sixteen zero bytes, in the fastest way that is installed."""

try:
    from Cryptodome.Cipher import Salsa20
except ImportError:
    hsalsa20 = hsalsa20_in_python
else:
    __all__ += ["hsalsa20_by_salsa20"]

    _ZERO_NONCE = bytes(8)
    _ZERO_BLOCK = bytes(64)

    def hsalsa20_by_salsa20(key: bytes) -> bytes:
        """HSalsa20 of ``key`` (32 bytes) and sixteen zero bytes, out of a Salsa20 key stream.

        Salsa20 adds its input to the words of the core before it gives them out.  With a zero
        nonce and counter that input is known without the key for the eight words that HSalsa20
        takes: the four constants, which are subtracted again, and four zeros.
        """
        _check_size(key)
        w = _BLOCK.unpack(Salsa20.new(key, _ZERO_NONCE).encrypt(_ZERO_BLOCK))
        s0, s1, s2, s3 = _SIGMA
        return _KEY.pack(
            w[0] - s0 & _WORD,
            w[5] - s1 & _WORD,
            w[10] - s2 & _WORD,
            w[15] - s3 & _WORD,
            *w[6:10],
        )

    hsalsa20 = hsalsa20_by_salsa20
