"""Keys and places of Pigeonhole channels, as opaque values of fixed length.  Pure.

A channel is a row of boxes.  Its `WriteCap` allows to write them, its `ReadCap` to read them, and a
`BoxIndex` says which box is meant.  What is inside is the daemon's business and changes with
its versions; here they are carried, compared and hashed.  All of them are secrets.
"""

from __future__ import annotations

import hmac
from hashlib import blake2b
from typing import ClassVar

from simplex_trio.errors import EncodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = [
    "HASH_SIZE",
    "SEED_SIZE",
    "BoxIndex",
    "Keypair",
    "ReadCap",
    "ReadEnvelope",
    "WriteCap",
    "WriteEnvelope",
    "check_bytes",
    "check_seed",
    "hash256",
]

SEED_SIZE = 32
"""Bytes of the seed that a channel's keys are made from."""

HASH_SIZE = 32


def hash256(data: bytes) -> bytes:
    """The hash by which the daemon knows keys and capabilities: BLAKE2b of 256 bits."""
    return blake2b(data, digest_size=HASH_SIZE).digest()


def check_bytes(what: str, value: object) -> None:
    """Raise `TypeError` for what are no bytes, without telling what they are instead.

    They may be a secret all the same; and the daemon would hang up on text as it does on everything
    that it does not expect.
    """
    if not isinstance(value, bytes):
        raise TypeError(f"{what} has to be bytes, not {type(value).__name__}")


def check_seed(seed: bytes) -> None:
    """Raise `EncodeError` for a seed of the wrong length."""
    check_bytes("a seed", seed)
    if len(seed) != SEED_SIZE:
        raise EncodeError(f"a seed has {SEED_SIZE} bytes, not {len(seed)}")


@frozen(repr=False, eq=False)
class _Opaque(Redacted):
    """Base of the opaque values; comparing two of them takes constant time.

    A daemon that gets one of another length hangs up without a word, so there is none.
    """

    SIZE: ClassVar[int]

    raw: bytes

    def __attrs_post_init__(self) -> None:
        check_bytes(type(self).__name__, self.raw)
        if len(self.raw) != self.SIZE:
            raise EncodeError(f"{type(self).__name__} takes {self.SIZE} bytes, not {len(self.raw)}")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return hmac.compare_digest(self.raw, other.raw)

    def __hash__(self) -> int:
        return hash((type(self), self.raw))


@frozen(repr=False, eq=False)
class WriteCap(_Opaque):
    """What it takes to write a channel's boxes, and to delete them."""

    SIZE: ClassVar[int] = 168

    @property
    def hash(self) -> bytes:
        """By which the daemon knows a copy command of this stream."""
        return hash256(self.raw)


@frozen(repr=False, eq=False)
class ReadCap(_Opaque):
    """What it takes to read a channel's boxes."""

    SIZE: ClassVar[int] = 136


@frozen(repr=False, eq=False)
class BoxIndex(_Opaque):
    """Which box of a channel is meant; the daemon makes each from the one before it."""

    SIZE: ClassVar[int] = 104


@frozen(repr=False)
class Keypair(Redacted):
    """A channel's two capabilities, and where its boxes begin."""

    write_cap: WriteCap
    read_cap: ReadCap
    first_index: BoxIndex


@frozen(repr=False)
class _Envelope(Redacted):
    """A request for a storage replica, ready to be sent by the daemon until it is answered."""

    ciphertext: bytes
    descriptor: bytes
    hash: bytes
    """By which the daemon knows the operation."""
    index: BoxIndex
    next_index: BoxIndex
    """That of the box after this one."""

    def __attrs_post_init__(self) -> None:
        for part in (self.ciphertext, self.descriptor, self.hash):
            check_bytes("a part of an envelope", part)


@frozen(repr=False)
class ReadEnvelope(_Envelope):
    """A request to read one box; it knows which, without which the answer cannot be opened."""

    read_cap: ReadCap


@frozen(repr=False)
class WriteEnvelope(_Envelope):
    """A request to write one box, or to delete what is in it."""

    write_cap: WriteCap
