"""`BoxStream`: XSalsa20-Poly1305 over more bytes than should be in memory at once.

It is the construction of `simplex_trio.crypto.box` with the tag at the end instead of at the start,
so that it can be computed while streaming.  Callers must not use what was decrypted before the tag
has been checked.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.poly1305 import Poly1305

from simplex_trio.crypto.box import NONCE_SIZE, TAG_SIZE, BoxKey
from simplex_trio.crypto.hsalsa20 import hsalsa20
from simplex_trio.crypto.salsa20 import salsa20
from simplex_trio.errors import DecryptionFailed

__all__ = ["TAG_SIZE", "BoxStream"]

_CORE_NONCE_SIZE = 16
_POLY1305_KEY_SIZE = 32


class BoxStream:
    """One box, sealed or opened piece by piece; each object is for one direction and one use.

    Raises `ValueError` for a nonce that does not have 24 bytes.
    """

    __slots__ = ("_cipher", "_mac")

    def __init__(self, key: BoxKey, nonce: bytes) -> None:
        if len(nonce) != NONCE_SIZE:
            raise ValueError(f"a nonce has {NONCE_SIZE} bytes")
        subkey = hsalsa20(key.subkey, nonce[:_CORE_NONCE_SIZE])
        self._cipher = salsa20(subkey, nonce[_CORE_NONCE_SIZE:])
        mac_key = bytearray(_POLY1305_KEY_SIZE)
        self._cipher.xor(mac_key)
        self._mac = Poly1305(bytes(mac_key))

    def seal(self, data: bytes | bytearray | memoryview) -> bytes:
        """The ciphertext of the next piece."""
        work = bytearray(data)
        self.seal_in_place(work)
        return bytes(work)

    def seal_in_place(self, data: bytearray | memoryview) -> None:
        """Encrypt the next piece in place."""
        self._cipher.xor(data)
        self._mac.update(data)

    def open(self, data: bytes | bytearray | memoryview) -> bytes:
        """The plaintext of the next piece, which is not authenticated yet."""
        work = bytearray(data)
        self.open_in_place(work)
        return bytes(work)

    def open_in_place(self, data: bytearray | memoryview) -> None:
        """Decrypt the next piece in place; it is not authenticated yet."""
        self._mac.update(data)
        self._cipher.xor(data)

    def tag(self) -> bytes:
        """The tag over all pieces; it ends the stream."""
        return self._mac.finalize()

    def verify(self, tag: bytes) -> None:
        """Check the tag of all pieces, or raise `DecryptionFailed`; it ends the stream."""
        if not hmac.compare_digest(self.tag(), tag):
            raise DecryptionFailed("a stream is not authentic")
