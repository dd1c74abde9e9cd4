"""The protocol's digests: sender ids, and hashes of sets of ids."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import md5, sha3_384
from typing import Self

from attrs import field

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of

__all__ = ["IDS_HASH_SIZE", "SENDER_ID_SIZE", "ServiceSubs", "ids_hash", "sender_id", "xor"]

SENDER_ID_SIZE = 24
IDS_HASH_SIZE = 16


def sender_id(correlation_id: bytes) -> bytes:
    """Return the sender id of a queue whose creator derived it from the correlation id of NEW."""
    return sha3_384(correlation_id).digest()[:SENDER_ID_SIZE]


def xor(a: bytes, b: bytes) -> bytes:
    """Return the exclusive or of two strings; raise `ValueError` if their lengths differ."""
    if len(a) != len(b):
        raise ValueError("only strings of the same length can be XORed")
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(len(a), "big")


def ids_hash(ids: Iterable[bytes]) -> bytes:
    """Return the hash of a set of queue ids: the XOR of their MD5 digests, zeros for none.

    It detects differences between a router and a service, and can be updated one id at a time.  It
    does not resist attacks, and MD5 has no other use here.
    """
    combined = 0
    for entity_id in ids:
        digest = md5(entity_id, usedforsecurity=False).digest()
        combined ^= int.from_bytes(digest, "big")
    return combined.to_bytes(IDS_HASH_SIZE, "big")


def _is_ids_hash(_instance: object, _attribute: object, value: bytes) -> None:
    if len(value) != IDS_HASH_SIZE:
        raise DecodeError(f"the hash of ids has {IDS_HASH_SIZE} bytes")


@frozen(repr=False)
class ServiceSubs(Redacted):
    """The number of queues that a service is subscribed to, and the hash of their ids."""

    count: int = 0
    ids_hash: bytes = field(
        default=bytes(IDS_HASH_SIZE), validator=[instance_of(bytes), _is_ids_hash]
    )

    @classmethod
    def of(cls, ids: Iterable[bytes]) -> Self:
        """Return the count and hash of these ids, which must be distinct."""
        known = tuple(ids)
        return cls(len(known), ids_hash(known))

    def __add__(self, other: ServiceSubs) -> ServiceSubs:
        """Add queues; the two sets must be disjoint."""
        return ServiceSubs(self.count + other.count, xor(self.ids_hash, other.ids_hash))

    def __sub__(self, other: ServiceSubs) -> ServiceSubs:
        """Remove queues; the result is empty unless more than ``other`` were there.

        The counts can disagree if a service reconnects while its old subscriptions are being
        removed; then an empty result is the best answer.
        """
        if self.count <= other.count:
            return ServiceSubs()
        return ServiceSubs(self.count - other.count, xor(self.ids_hash, other.ids_hash))
