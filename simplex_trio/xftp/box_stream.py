"""The box as a stream: XSalsa20-Poly1305 over more bytes than should be in memory at once.

It is the construction of `simplex_trio.crypto.box` with the tag at the end instead of at the start,
where it is known without looking at everything first.  Nothing that has been decrypted may be used
before the tag is right.
"""

from __future__ import annotations

import hmac
import struct

from cryptography.hazmat.primitives.poly1305 import Poly1305

from simplex_trio.crypto.box import NONCE_SIZE, TAG_SIZE, BoxKey
from simplex_trio.errors import DecryptionFailed

__all__ = ["TAG_SIZE", "BoxStream", "hsalsa20_of"]

_CORE_NONCE_SIZE = 16
_POLY1305_KEY_SIZE = 32

_SIGMA = struct.unpack("<4I", b"expand 32-byte k")
_WORD = 0xFFFFFFFF
_QUARTERS = (
    *((0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11)),
    *((0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14)),
)


def hsalsa20_of(key: bytes, nonce: bytes) -> bytes:
    """HSalsa20 of a key of 32 bytes and a nonce of 16, in Python: once per stream is little."""
    k, n = struct.unpack("<8I", key), struct.unpack("<4I", nonce)
    s0, s1, s2, s3 = _SIGMA
    x = [s0, *k[:4], s1, *n, s2, *k[4:], s3]
    for _ in range(10):
        for a, b, c, d in _QUARTERS:
            x[b] ^= _rotated(x[a] + x[d], 7)
            x[c] ^= _rotated(x[b] + x[a], 9)
            x[d] ^= _rotated(x[c] + x[b], 13)
            x[a] ^= _rotated(x[d] + x[c], 18)
    return struct.pack("<8I", x[0], x[5], x[10], x[15], *x[6:10])


def _rotated(word: int, by: int) -> int:
    word &= _WORD
    return (word << by | word >> (32 - by)) & _WORD


class BoxStream:
    """One box, sealed or opened piece by piece; each object is for one direction and one use.

    Raises `ValueError` for a nonce that has not 24 bytes.
    """

    __slots__ = ("_cipher", "_mac")

    def __init__(self, key: BoxKey, nonce: bytes) -> None:
        from Cryptodome.Cipher import Salsa20

        if len(nonce) != NONCE_SIZE:
            raise ValueError(f"a nonce has {NONCE_SIZE} bytes")
        subkey = hsalsa20_of(key.subkey, nonce[:_CORE_NONCE_SIZE])
        self._cipher = Salsa20.new(subkey, nonce[_CORE_NONCE_SIZE:])
        self._mac = Poly1305(self._cipher.encrypt(bytes(_POLY1305_KEY_SIZE)))

    def seal(self, data: bytes | bytearray | memoryview) -> bytes:
        """The ciphertext of the next piece."""
        sealed: bytes = self._cipher.encrypt(data)
        self._mac.update(sealed)
        return sealed

    def open(self, data: bytes | bytearray | memoryview) -> bytes:
        """What the next piece decrypts to, authentic or not."""
        self._mac.update(data)
        opened: bytes = self._cipher.decrypt(data)
        return opened

    def tag(self) -> bytes:
        """The tag over all pieces; the stream is over then."""
        return self._mac.finalize()

    def verify(self, tag: bytes) -> None:
        """Check the tag of what was opened, or raise `DecryptionFailed`; the stream is over."""
        if not hmac.compare_digest(self.tag(), tag):
            raise DecryptionFailed("a stream is not authentic")
