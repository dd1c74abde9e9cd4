"""Targets: values that programs keep in files of their own, whose checksum is right."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from simplex_trio.client.ntf import RegisteredToken
from simplex_trio.client.smp.queues import NotifierCredentials, QueueAccess, ReceivingQueue
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import Ed448PrivateKey, Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.wire.buffer import word32
from simplex_trio.wire.queue_mode import QueueMode
from tests.fuzz.target import Target

__all__ = ["TARGETS"]

KINDS = (ReceivingQueue, QueueAccess, RegisteredToken)
CHECKSUM_SIZE = 4


def open_saved(data: bytes) -> None:
    """A value of the kind that the first byte chooses; what is read can be saved again."""
    kind = KINDS[data[0] % len(KINDS)] if data else KINDS[0]
    content = data[1:]
    value = kind.from_bytes(content + word32(zlib.crc32(content)))
    assert kind.from_bytes(value.to_bytes()) == value


def saved() -> Iterator[bytes]:
    """Saved values behind the byte of their kind, without their checksums."""
    key, push_key = Ed25519PrivateKey(bytes(range(32))), BoxKey(bytes(range(32, 64)))
    full = ReceivingQueue(
        recipient_id=b"r" * 24,
        sender_id=b"s" * 24,
        key=key,
        delivery_key=push_key,
        mode=QueueMode.MESSAGING,
        link_id=b"l" * 24,
        service_id=b"v" * 24,
        notifier=NotifierCredentials(b"n" * 24, push_key),
    )
    for value in (
        full,
        ReceivingQueue(recipient_id=b"r", sender_id=b"s", key=key, delivery_key=push_key),
        QueueAccess(b"r" * 24, Ed448PrivateKey(bytes(57)), push_key),
        QueueAccess(b"r", X25519PrivateKey(bytes(range(32)))),
        RegisteredToken(b"t" * 24, key, push_key),
    ):
        number = KINDS.index(type(value))
        yield bytes([number]) + value.to_bytes()[:-CHECKSUM_SIZE]


TARGETS = (Target("saved-value", open_saved, saved),)
