"""SEND: who may, how much fits, and when the recipient gets it."""

from __future__ import annotations

import pytest
from attrs import evolve

from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.core.replies import DeferredMessage
from simplex_trio.router.core.transaction import Transaction
from simplex_trio.wire.errors.values import Blocked, BlockingReason, Code
from simplex_trio.wire.smp.commands import KEY as KEY_COMMAND
from simplex_trio.wire.smp.commands import OFF, SKEY
from simplex_trio.wire.smp.messages import OK
from simplex_trio.wire.smp.new_queue import ContactRequest, MessagingRequest
from tests.router.core.bench import KEY, NOW, OTHER_KEY, Bench, BenchClient, OwnedQueue, error

QUOTA = 3


def setup(policy: QueuePolicy | None = None) -> tuple[Bench, BenchClient, OwnedQueue]:
    bench = Bench(policy)
    client = bench.client()
    return bench, client, client.create(MessagingRequest(), subscribe=False)


def drain(client: BenchClient, queue: OwnedQueue) -> list[DeferredMessage]:
    """Take all messages of a queue by subscribing and acknowledging."""
    client.subscribe(queue)
    (event,) = client.take_events()
    delivery = event.payload
    found = []
    while isinstance(delivery, DeferredMessage):
        found.append(delivery)
        delivery = client.acknowledge(queue, delivery.head.message_id)
    assert delivery == OK()
    return found


def test_messages_keep_their_order_and_time() -> None:
    bench, client, queue = setup()
    for second in range(3):
        bench.now += second
        assert client.send(queue, b"%d" % second) == OK()
    found = drain(client, queue)
    bodies = [bench.kept.all_messages[delivery.head.sequence][1] for delivery in found]
    assert bodies == [b"0", b"1", b"2"]
    assert [delivery.head.received_at for delivery in found] == [NOW, NOW + 1, NOW + 3]
    assert bench.state.queues.message_count == 0
    assert not bench.kept.messages
    assert bench.state.counters[Count.MESSAGES_SENT] == 3
    assert bench.state.counters[Count.MESSAGES_RECEIVED] == 3


@pytest.mark.parametrize(
    ("version", "most"), [(6, 16088), (7, 16088), (8, 16064), (10, 16064), (11, 16048), (20, 16048)]
)
def test_longest_message(version: int, most: int) -> None:
    bench = Bench()
    client = bench.client(version)
    queue = client.create(MessagingRequest() if version >= 9 else None)
    assert client.send(queue, bytes(most)) == OK()
    assert error(client.send(queue, bytes(most + 1))) is Code.LARGE_MSG
    assert bench.state.counters[Count.SENDS_TOO_LARGE] == 1


def test_who_may_send() -> None:
    _, client, queue = setup()
    assert client.send(queue) == OK()
    assert error(client.send(queue, key=OTHER_KEY)) is Code.AUTH  # the queue has no key yet
    assert client.ask(SKEY(OTHER_KEY.public), queue.sender_id, OTHER_KEY) == OK()
    assert client.send(queue, key=OTHER_KEY) == OK()
    assert error(client.send(queue)) is Code.AUTH
    assert error(client.send(queue, key=KEY)) is Code.AUTH


def test_unknown_queue() -> None:
    bench, client, queue = setup()
    stranger = OwnedQueue(b"?" * 24, b"?" * 24, KEY, queue.box_key, queue.ids)
    assert error(client.send(stranger)) is Code.AUTH
    assert error(client.send(stranger, key=KEY)) is Code.AUTH
    assert bench.state.counters[Count.SENDS_UNAUTHORIZED] == 2


def test_suspended_queue() -> None:
    _, client, queue = setup()
    client.send(queue)
    assert client.ask(OFF(), queue.recipient_id, KEY) == OK()
    assert error(client.send(queue)) is Code.AUTH
    assert len(drain(client, queue)) == 1


def test_blocked_queue() -> None:
    bench, client, queue = setup()
    blocked = Blocked(BlockingReason.SPAM)
    block(bench, queue, blocked)
    assert error(client.send(queue)) == blocked
    assert error(client.subscribe(queue)) == blocked
    assert client.ask(OFF(), queue.recipient_id, KEY) == OK()


def block(bench: Bench, queue: OwnedQueue, blocked: Blocked) -> None:
    """What an operator does."""
    found = bench.state.queues.for_recipient(queue.recipient_id)
    assert found is not None
    bench.state.queues.replace(Transaction(), found, evolve(found.record, status=blocked))


# --- quota --------------------------------------------------------------------------------------


def test_quota_turns_into_a_notice() -> None:
    bench, client, queue = setup(QueuePolicy(quota=QUOTA))
    for _ in range(QUOTA):
        assert client.send(queue) == OK()
    bench.now += 5
    assert error(client.send(queue)) is Code.QUOTA
    assert error(client.send(queue)) is Code.QUOTA
    *received, notice = [delivery.head for delivery in drain(client, queue)]
    assert len(received) == QUOTA
    assert notice.is_quota_notice
    assert notice.received_at == bench.now
    assert bench.state.counters[Count.SENDS_OVER_QUOTA] == 2
    assert bench.state.counters[Count.MESSAGES_RECEIVED] == QUOTA


def test_nothing_is_accepted_until_the_notice_is_taken() -> None:
    _, client, queue = setup(QueuePolicy(quota=QUOTA))
    for _ in range(QUOTA + 1):
        client.send(queue)
    client.subscribe(queue)
    (event,) = client.take_events()
    delivery = event.payload
    for _ in range(QUOTA):
        assert isinstance(delivery, DeferredMessage)
        assert error(client.send(queue)) is Code.QUOTA
        delivery = client.acknowledge(queue, delivery.head.message_id)
    assert isinstance(delivery, DeferredMessage)
    assert delivery.head.is_quota_notice
    assert error(client.send(queue)) is Code.QUOTA
    assert client.acknowledge(queue, delivery.head.message_id) == OK()
    assert client.send(queue) == OK()


def test_below_quota_there_is_room_again() -> None:
    _, client, queue = setup(QueuePolicy(quota=QUOTA))
    for _ in range(QUOTA):
        client.send(queue)
    client.subscribe(queue)
    (event,) = client.take_events()
    assert isinstance(event.payload, DeferredMessage)
    client.acknowledge(queue, event.payload.head.message_id)
    assert client.send(queue) == OK()


def test_full_queue_stays_closed_over_a_restart() -> None:
    bench, client, queue = setup(QueuePolicy(quota=QUOTA))
    for _ in range(QUOTA + 1):
        client.send(queue)
    bench.restart()
    client = bench.client()
    assert error(client.send(queue)) is Code.QUOTA
    assert len(drain(client, queue)) == QUOTA + 1
    assert client.send(queue) == OK()


# --- expiry while sending -----------------------------------------------------------------------


def test_expired_messages_make_room() -> None:
    bench, client, queue = setup(QueuePolicy(quota=2, message_ttl=100))
    client.send(queue, b"old")
    bench.now += 50
    client.send(queue, b"newer")
    bench.now += 51
    assert client.send(queue, b"newest") == OK()
    bodies = [body for _, _, body in bench.kept.messages.values()]
    assert bodies == [b"newer", b"newest"]
    assert bench.state.counters[Count.MESSAGES_EXPIRED] == 1


def test_messages_wait_for_three_weeks_unless_configured() -> None:
    bench, client, queue = setup(QueuePolicy(quota=2))
    client.send(queue, b"old")
    bench.now += 21 * 86400
    client.send(queue, b"newer")
    assert [body for _, _, body in bench.kept.messages.values()] == [b"old", b"newer"]
    bench.now += 1
    client.send(queue, b"newest")
    assert [body for _, _, body in bench.kept.messages.values()] == [b"newer", b"newest"]


def test_quota_notice_does_not_expire() -> None:
    bench, client, queue = setup(QueuePolicy(quota=1, message_ttl=100))
    client.send(queue)
    client.send(queue)
    bench.now += 1000
    assert error(client.send(queue)) is Code.QUOTA
    (notice,) = drain(client, queue)
    assert notice.head.is_quota_notice


# --- securing -----------------------------------------------------------------------------------


def test_only_messaging_queues_are_secured_by_their_sender() -> None:
    client = Bench().client()
    for request in (None, ContactRequest()):
        queue = client.create(request)
        answer = client.ask(SKEY(OTHER_KEY.public), queue.sender_id, OTHER_KEY)
        assert error(answer) is Code.AUTH


def test_a_queue_is_secured_once() -> None:
    bench, client, queue = setup()
    assert client.ask(SKEY(OTHER_KEY.public), queue.sender_id, OTHER_KEY) == OK()
    assert client.ask(SKEY(OTHER_KEY.public), queue.sender_id, OTHER_KEY) == OK()
    assert error(client.ask(SKEY(KEY.public), queue.sender_id, KEY)) is Code.AUTH
    assert error(client.ask(KEY_COMMAND(KEY.public), queue.recipient_id, KEY)) is Code.AUTH
    same = client.ask(KEY_COMMAND(OTHER_KEY.public), queue.recipient_id, KEY)
    assert same == OK()
    assert bench.state.counters[Count.QUEUES_SECURED] == 1


def test_who_secures_must_have_the_key() -> None:
    _, client, queue = setup()
    assert error(client.ask(SKEY(OTHER_KEY.public), queue.sender_id, KEY)) is Code.AUTH


@pytest.mark.parametrize("request_", [None, MessagingRequest(), ContactRequest()])
def test_owners_secure_queues_of_any_kind(request_: MessagingRequest | None) -> None:
    client = Bench().client()
    queue = client.create(request_)
    assert client.ask(KEY_COMMAND(OTHER_KEY.public), queue.recipient_id, KEY) == OK()
    assert client.send(queue, key=OTHER_KEY) == OK()
