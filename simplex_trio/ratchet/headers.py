"""The bytes of a ratchet message: an encrypted header, a tag, and the encrypted body.

The lengths in front of headers have one byte in version 2 and two from version 3 on.  A reader
tells them apart by the first byte, as no header is longer than 8,191 bytes or shorter than 32; so
a side can upgrade with any message.
"""

from __future__ import annotations

import struct
from typing import final

from simplex_trio.crypto.keys import X448PublicKey
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.ratchet.aead import IV_SIZE, TAG_SIZE
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, large, short
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

# Every message is read and written with these, and `Reader` takes several times as long.
_KEY_PREFIX = bytes((len(X448PublicKey.DER_PREFIX) + X448PublicKey.SIZE, *X448PublicKey.DER_PREFIX))
_VERSION_AND_KEY = struct.Struct(f">H{len(_KEY_PREFIX)}s{X448PublicKey.SIZE}s")
_COUNTS = struct.Struct(">II")
_VERSION_IV_TAG = struct.Struct(f">H{IV_SIZE}s{TAG_SIZE}s")


def padded_header_length(version: int, kem_supported: bool) -> int:
    """What headers are padded to; the larger one has room for what a KEM needs."""
    if kem_supported and version >= RatchetVersion.KEM:
        return KEM_HEADER_PADDED
    return HEADER_PADDED


def _sized(version: int, value: bytes) -> bytes:
    return large(value) if version >= RatchetVersion.KEM else short(value)


def _sized_at(data: bytes, position: int) -> tuple[int, int]:
    """Where the value behind a length begins and ends; it may end beyond the data."""
    head = data[position : position + 2]
    if len(head) < 2:
        raise DecodeError("a length is missing")
    first, second = head
    if first < _LONGEST_SHORT_FORM:
        return position + 2, position + 2 + (first << 8 | second)
    return position + 1, position + 1 + first


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
        head = _VERSION_AND_KEY.pack(self.max_version, _KEY_PREFIX, self.dh_key.raw)
        return head + kem + _COUNTS.pack(self.previous_count, self.number)

    @classmethod
    def decode(cls, data: bytes, version: int) -> MessageHeader:
        """Read a header of a message in ``version``.

        What follows is for later versions and left out, except below version 3: no header of a
        version that old was ever longer, and a message whose version was changed on its way is
        recognized by it, before a byte of something else is taken for a number.
        """
        kem, position = None, _VERSION_AND_KEY.size
        try:
            max_version, prefix, raw = _VERSION_AND_KEY.unpack_from(data)
            if prefix != _KEY_PREFIX:
                raise DecodeError("not an X448PublicKey")
            if version >= RatchetVersion.KEM:
                reader = Reader(data, position)
                kem = reader.maybe(lambda: decode_kem_parameters(reader))
                position = reader.position
            previous_count, number = _COUNTS.unpack_from(data, position)
        except struct.error as exc:
            raise DecodeError("a header that ends too early") from exc
        if version < RatchetVersion.KEM and position + _COUNTS.size != len(data):
            raise DecodeError("a header of an old version that goes on")
        return cls(max_version, X448PublicKey(raw), kem, previous_count, number)


@final
@frozen(repr=False)
class EncryptedHeader(Redacted):
    """A header under a header key."""

    version: int
    """The version in which the message is written."""
    iv: bytes
    sealed: bytes
    """The ciphertext with its tag, as `simplex_trio.ratchet.aead` has it."""

    def encode(self) -> bytes:
        version, sealed = self.version, self.sealed
        head = _VERSION_IV_TAG.pack(version, self.iv, sealed[-TAG_SIZE:])
        return head + _sized(version, sealed[:-TAG_SIZE])

    @classmethod
    def decode(cls, data: bytes) -> EncryptedHeader:
        """Read a header; what follows it is for later versions."""
        start, end = _sized_at(data, _VERSION_IV_TAG.size)
        if end > len(data):
            raise DecodeError("an encrypted header that ends too early")
        version, iv, tag = _VERSION_IV_TAG.unpack_from(data)
        return cls(version, iv, data[start:end] + tag)


@final
@frozen(repr=False)
class EncryptedMessage(Redacted):
    """A whole message, as envelopes hold it."""

    header: bytes
    """An `EncryptedHeader`; these bytes are part of what authenticates the body."""
    sealed: bytes
    """The body's ciphertext with its tag, as `simplex_trio.ratchet.aead` has it."""

    def encode(self, version: int) -> bytes:
        sealed = self.sealed
        return _sized(version, self.header) + sealed[-TAG_SIZE:] + sealed[:-TAG_SIZE]

    @classmethod
    def decode(cls, data: bytes) -> EncryptedMessage:
        start, end = _sized_at(data, 0)
        body = end + TAG_SIZE
        if body > len(data):
            raise DecodeError("a message that ends too early")
        return cls(data[start:end], data[body:] + data[end:body])
