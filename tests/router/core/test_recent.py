"""Bodies that are kept at hand: how many, and for how long."""

from __future__ import annotations

from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.core.recent import ENTRY_SIZE, MAX_BODIES, MAX_BYTES, RecentBodies
from simplex_trio.router.store.records import MessageHead
from simplex_trio.wire.smp.commands import ACK, DEL, SUB
from simplex_trio.wire.smp.messages import OK, SOK
from tests.router.core.bench import NOW, Bench, BenchClient, OwnedQueue


def test_empty_bodies_count_too() -> None:
    recent = RecentBodies()
    for sequence in range(2 * MAX_BODIES):
        recent.put(sequence, b"")
    assert len(recent) == MAX_BODIES
    assert recent.get(2 * MAX_BODIES - 1) == b""
    assert recent.get(0) is None


def test_bytes_of_bodies_and_of_entries_are_bounded() -> None:
    recent = RecentBodies(max_bytes=10 * (ENTRY_SIZE + 1))
    for sequence in range(100):
        recent.put(sequence, b"x")
    assert len(recent) == 10
    recent.put(100, bytes(MAX_BYTES))
    assert len(recent) == 0
    assert recent.size == 0


def test_what_is_forgotten_makes_room() -> None:
    recent = RecentBodies()
    recent.put(1, b"body")
    recent.put(2, b"another")
    recent.forget(MessageHead(sequence, b"", NOW) for sequence in (1, 3))
    assert recent.get(1) is None
    assert recent.get(2) == b"another"
    assert recent.size == ENTRY_SIZE + len(b"another")


# --- leaving ------------------------------------------------------------------------------------


def with_messages(bench: Bench, count: int = 3) -> tuple[BenchClient, OwnedQueue]:
    client = bench.client()
    queue = client.create(subscribe=False)
    for _ in range(count):
        assert client.send(queue, b"") == OK()
    assert len(bench.state.recent_bodies) == count
    return client, queue


def test_acknowledged_bodies_leave() -> None:
    bench = Bench()
    client, queue = with_messages(bench)
    assert client.ask(SUB(), queue.recipient_id, queue.key) == SOK()
    for head in list(bench.state.queues.for_recipient(queue.recipient_id).messages):  # type: ignore[union-attr]
        client.ask(ACK(head.message_id), queue.recipient_id, queue.key)
    assert len(bench.state.recent_bodies) == 0


def test_bodies_of_a_deleted_queue_leave() -> None:
    bench = Bench()
    client, queue = with_messages(bench)
    assert client.ask(DEL(), queue.recipient_id, queue.key) == OK()
    assert len(bench.state.recent_bodies) == 0


def test_expired_bodies_leave() -> None:
    bench = Bench(QueuePolicy(message_ttl=10))
    client, queue = with_messages(bench)
    bench.now += 11
    assert client.send(queue) == OK()
    assert len(bench.state.recent_bodies) == 1
