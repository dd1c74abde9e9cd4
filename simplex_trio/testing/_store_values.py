"""Records to store, the same in each run, and everything that is in a store.

Values are made from labels: ``queue("a")`` is always the same queue, and `contents` reads back
whatever a store holds, so that two stores can be compared.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from attrs import evolve

from simplex_trio.crypto.keys import Ed448PublicKey, Ed25519PublicKey, X25519PublicKey
from simplex_trio.frozen import frozen
from simplex_trio.router.store.interface import PutMessage, Snapshot, Store
from simplex_trio.router.store.records import (
    LinkRecord,
    MessageHead,
    NotificationRecord,
    NotifierRecord,
    QueueRecord,
    ServiceRecord,
)
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.new_queue import QueueMode


def octets(label: str, size: int = 24) -> bytes:
    """Bytes that look random and are always the same for a label."""
    data = b""
    while len(data) < size:
        data += sha256(f"{label} {len(data)}".encode()).digest()
    return data[:size]


def queue(name: str = "a", **changes: Any) -> QueueRecord:
    record = QueueRecord(
        recipient_id=octets(f"recipient {name}"),
        sender_id=octets(f"sender {name}"),
        recipient_keys=(Ed25519PublicKey(octets("recipient key", 32)),),
        dh_secret=octets("secret", 32),
        created_day=20_000,
        updated_day=20_001,
    )
    return evolve(record, **changes)


def full_queue(name: str = "a", **changes: Any) -> QueueRecord:
    """A queue with something in every field but its status."""
    everything: dict[str, Any] = {
        "recipient_keys": (
            Ed448PublicKey(octets("first key", 57)),
            X25519PublicKey(octets("second key", 32)),
        ),
        "mode": QueueMode.CONTACT,
        "sender_key": X25519PublicKey(octets("sender key", 32)),
        "link": link(name),
        "notifier": notifier(name, service_id=octets("notifier service")),
        "service_id": octets("service"),
    }
    return queue(name, **(everything | changes))


LINK_DATA = QueueLinkData(octets("fixed", 300), octets("user", 13_000))
OTHER_LINK_DATA = QueueLinkData(LINK_DATA.fixed, b"")


def link(name: str = "a", data: QueueLinkData = LINK_DATA) -> LinkRecord:
    return LinkRecord.of(octets(f"link {name}"), data)


def notifier(name: str = "a", service_id: bytes | None = None) -> NotifierRecord:
    return NotifierRecord(
        octets(f"notifier {name}"),
        Ed25519PublicKey(octets("notifier key", 32)),
        octets("notifier secret", 32),
        service_id,
    )


def head(sequence: int, **changes: Any) -> MessageHead:
    return evolve(MessageHead(sequence, octets(f"message {sequence}"), 1_700_000_000), **changes)


def body(sequence: int, size: int = 200) -> bytes:
    return octets(f"body {sequence}", size)


def message(sequence: int, name: str = "a", size: int = 200) -> PutMessage:
    return PutMessage(octets(f"recipient {name}"), head(sequence), body(sequence, size))


def notification(sequence: int, name: str = "a") -> NotificationRecord:
    return NotificationRecord(
        sequence,
        octets(f"notifier {name}"),
        1_700_000_000 + sequence,
        octets("nonce"),
        octets(f"sealed {sequence}", 144),
    )


def service(name: str = "a", **changes: Any) -> ServiceRecord:
    record = ServiceRecord(
        octets(f"service {name}"),
        ServiceRole.MESSAGING,
        octets(f"certificate {name}", 32),
        20_002,
    )
    return evolve(record, **changes)


@frozen
class Contents:
    """Everything in a store, comparable, whatever order it comes in where order means nothing."""

    queues: dict[bytes, QueueRecord]
    messages: dict[bytes, list[MessageHead]]
    bodies: dict[int, bytes]
    links: dict[bytes, QueueLinkData]
    services: dict[bytes, ServiceRecord]
    notifications: list[NotificationRecord]
    statistics: dict[str, int]


async def contents(store: Store) -> Contents:
    snapshot: Snapshot = await store.load()
    sequences = [head.sequence for heads in snapshot.messages.values() for head in heads]
    links = {
        record.recipient_id: await store.link_data(record.recipient_id)
        for record in snapshot.queues
    }
    found = Contents(
        {record.recipient_id: record for record in snapshot.queues},
        snapshot.messages,
        await store.bodies(sequences),
        {recipient_id: data for recipient_id, data in links.items() if data is not None},
        {record.service_id: record for record in snapshot.services},
        snapshot.notifications,
        snapshot.statistics,
    )
    assert len(found.queues) == len(snapshot.queues)
    assert len(found.services) == len(snapshot.services)
    return found
