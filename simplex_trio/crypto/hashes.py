"""The digests that the protocol gives a meaning to: sender ids, and hashes of sets of ids."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import md5, sha3_384
from typing import Self

from attrs import field, frozen

from simplex_trio.errors import DecodeError
from simplex_trio.redaction import Redacted, instance_of

__all__ = ["IDS_HASH_SIZE", "SENDER_ID_SIZE", "ServiceSubs", "ids_hash", "sender_id", "xor"]

SENDER_ID_SIZE = 24
IDS_HASH_SIZE = 16


def sender_id(correlation_id: bytes) -> bytes:
    """The sender id of a queue whose creator chose it, by the correlation id of its command."""
    return sha3_384(correlation_id).digest()[:SENDER_ID_SIZE]


def xor(a: bytes, b: bytes) -> bytes:
    """Bit by bit exclusive or of two strings of the same length; `ValueError` for others."""
    if len(a) != len(b):
        raise ValueError("only strings of the same length can be combined")
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(len(a), "big")


def ids_hash(ids: Iterable[bytes]) -> bytes:
    """The hash of a set of queue ids: the exclusive or of their MD5 digests, zeros for none.

    It finds differences between what a router and a service believe, and can be kept up to date
    one id at a time; it resists no one, and MD5 is used for nothing else.
    """
    combined = 0
    for entity_id in ids:
        digest = md5(entity_id, usedforsecurity=False).digest()
        combined ^= int.from_bytes(digest, "big")
    return combined.to_bytes(IDS_HASH_SIZE, "big")


def _is_ids_hash(_instance: object, _attribute: object, value: bytes) -> None:
    if len(value) != IDS_HASH_SIZE:
        raise DecodeError(f"a hash of ids has {IDS_HASH_SIZE} bytes")


@frozen(repr=False)
class ServiceSubs(Redacted):
    """How many queues a service is subscribed to, and the hash of their ids."""

    count: int = 0
    ids_hash: bytes = field(
        default=bytes(IDS_HASH_SIZE), validator=[instance_of(bytes), _is_ids_hash]
    )

    @classmethod
    def of(cls, ids: Iterable[bytes]) -> Self:
        """The subscriptions to these queues, each named once."""
        known = tuple(ids)
        return cls(len(known), ids_hash(known))

    def __add__(self, other: ServiceSubs) -> ServiceSubs:
        """Both together; they have no queue in common."""
        return ServiceSubs(self.count + other.count, xor(self.ids_hash, other.ids_hash))

    def __sub__(self, other: ServiceSubs) -> ServiceSubs:
        """What is left without ``other``: nothing, unless there were more before.

        Two counts can disagree because a service came back while its old subscriptions were being
        taken away; then there is no better answer than none.
        """
        if self.count <= other.count:
            return ServiceSubs()
        return ServiceSubs(self.count - other.count, xor(self.ids_hash, other.ids_hash))
