"""The bytes of a ratchet message: an encrypted header, a tag, and the encrypted body.

The lengths in front of headers have one byte in version 2 and two from version 3 on.  A reader
tells them apart by the first byte, as no header is longer than 8,191 bytes or shorter than 32; so
a side can upgrade with any message.
"""

from __future__ import annotations

from typing import final

from attrs import frozen

from simplex_trio.crypto.keys import X448PublicKey
from simplex_trio.ratchet.aead import IV_SIZE, TAG_SIZE
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, large, short, word16, word32
from simplex_trio.wire.duplex.x3dh_keys import (
    KEMParameters,
    RatchetVersion,
    decode_kem_parameters,
    encode_kem_parameters,
)

__all__ = [
    "HEADER_PADDED",
    "KEM_HEADER_PADDED",
    "EncryptedHeader",
    "EncryptedMessage",
    "MessageHeader",
    "padded_header_length",
]

HEADER_PADDED = 88
KEM_HEADER_PADDED = 2310

_LONGEST_SHORT_FORM = 32


def padded_header_length(version: int, kem_supported: bool) -> int:
    """What headers are padded to; the larger one has room for what a KEM needs."""
    if kem_supported and version >= RatchetVersion.KEM:
        return KEM_HEADER_PADDED
    return HEADER_PADDED


def _sized(version: int, value: bytes) -> bytes:
    return large(value) if version >= RatchetVersion.KEM else short(value)


def _read_sized(reader: Reader) -> bytes:
    if reader.peek() < bytes([_LONGEST_SHORT_FORM]):
        return reader.large()
    return reader.short()


@final
@frozen(repr=False)
class MessageHeader(Redacted):
    """What the receiver's ratchet needs to know of a message."""

    max_version: int
    """The highest version that the sender speaks."""
    dh_key: X448PublicKey
    kem: KEMParameters | None
    previous_count: int
    """How many messages the sender's chain before this one had."""
    number: int
    """Of the message, counted from 0 in its chain."""

    def encode(self, version: int) -> bytes:
        kem = b""
        if version >= RatchetVersion.KEM:
            kem = b"0" if self.kem is None else b"1" + encode_kem_parameters(self.kem)
        return b"".join(
            (
                word16(self.max_version),
                short(self.dh_key.der),
                kem,
                word32(self.previous_count),
                word32(self.number),
            )
        )

    @classmethod
    def decode(cls, data: bytes, version: int) -> MessageHeader:
        """Read a header of a message in ``version``; what follows it is for later versions."""
        reader = Reader(data)
        max_version = reader.word16()
        dh_key = X448PublicKey.from_der(reader.short())
        kem = None
        if version >= RatchetVersion.KEM:
            kem = reader.maybe(lambda: decode_kem_parameters(reader))
        return cls(max_version, dh_key, kem, reader.word32(), reader.word32())


@final
@frozen(repr=False)
class EncryptedHeader(Redacted):
    """A header under a header key."""

    version: int
    """The version in which the message is written."""
    iv: bytes
    tag: bytes
    ciphertext: bytes

    def encode(self) -> bytes:
        version = self.version
        return word16(version) + self.iv + self.tag + _sized(version, self.ciphertext)

    @classmethod
    def decode(cls, data: bytes) -> EncryptedHeader:
        reader = Reader(data)
        return cls(
            reader.word16(), reader.take(IV_SIZE), reader.take(TAG_SIZE), _read_sized(reader)
        )


@final
@frozen(repr=False)
class EncryptedMessage(Redacted):
    """A whole message, as envelopes hold it."""

    header: bytes
    """An `EncryptedHeader`; these bytes are part of what authenticates the body."""
    tag: bytes
    ciphertext: bytes

    def encode(self, version: int) -> bytes:
        return _sized(version, self.header) + self.tag + self.ciphertext

    @classmethod
    def decode(cls, data: bytes) -> EncryptedMessage:
        reader = Reader(data)
        return cls(_read_sized(reader), reader.take(TAG_SIZE), reader.tail())
