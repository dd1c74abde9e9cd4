"""SUB, GET and ACK: one message at a time, to one connection at a time."""

from __future__ import annotations

import pytest

from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.delivery import delivery_failed
from simplex_trio.router.core.replies import DeferredMessage
from simplex_trio.wire.errors.values import Cmd, Code, CommandErrorKind
from simplex_trio.wire.smp.commands import ACK, DEL, GET, QUE
from simplex_trio.wire.smp.messages import DELD, END, INFO, OK, SOK
from simplex_trio.wire.smp.queue_info import SubscriptionState
from tests.router.core.bench import OTHER_KEY, Bench, BenchClient, OwnedQueue, error, messages

PROHIBITED = Cmd(CommandErrorKind.PROHIBITED)


def setup(*, subscribe: bool = True) -> tuple[Bench, BenchClient, OwnedQueue]:
    bench = Bench()
    client = bench.client()
    return bench, client, client.create(subscribe=subscribe)


def body(bench: Bench, said: object) -> bytes:
    assert isinstance(said, DeferredMessage), said
    return bench.kept.messages[said.head.sequence][2]


def delivered(client: BenchClient) -> DeferredMessage:
    """The one message that the client was given."""
    (event,) = client.take_events()
    assert isinstance(event.payload, DeferredMessage)
    return event.payload


# --- the three occasions to deliver -------------------------------------------------------------


def test_waiting_subscriber_gets_a_message_at_once() -> None:
    bench, client, queue = setup()
    client.send(queue, b"now")
    (event,) = client.events
    assert event.entity_id == queue.recipient_id
    assert body(bench, event.payload) == b"now"


def test_subscribing_delivers_the_first_message_after_the_answer() -> None:
    bench, client, queue = setup(subscribe=False)
    client.send(queue, b"first")
    client.send(queue, b"second")
    assert client.subscribe(queue) == SOK()
    assert body(bench, delivered(client)) == b"first"


def test_acknowledging_delivers_the_next_message_as_the_answer() -> None:
    bench, client, queue = setup()
    client.send(queue, b"first")
    client.send(queue, b"second")
    first = delivered(client)
    second = client.acknowledge(queue, first.head.message_id)
    assert body(bench, second) == b"second"
    assert isinstance(second, DeferredMessage)
    assert client.acknowledge(queue, second.head.message_id) == OK()
    assert not client.events


def test_one_unacknowledged_message_at_most() -> None:
    _, client, queue = setup()
    for _ in range(3):
        client.send(queue)
    delivered(client)


def test_subscribing_again_delivers_again() -> None:
    _, client, queue = setup()
    client.send(queue)
    first = delivered(client)
    assert client.subscribe(queue) == SOK()
    assert delivered(client).head is first.head
    client.acknowledge(queue, first.head.message_id)
    assert client.subscribe(queue) == SOK()
    assert not client.events


def test_unknown_queue_and_wrong_key() -> None:
    _, client, queue = setup()
    stranger = OwnedQueue(b"?" * 24, b"", OTHER_KEY, queue.box_key, queue.ids)
    assert error(client.subscribe(stranger)) is Code.AUTH
    wrong = OwnedQueue(queue.recipient_id, b"", OTHER_KEY, queue.box_key, queue.ids)
    assert error(client.subscribe(wrong)) is Code.AUTH


# --- ACK ----------------------------------------------------------------------------------------


def test_acknowledging_what_was_not_delivered() -> None:
    bench, client, queue = setup()
    assert error(client.acknowledge(queue, b"\x01" * 24)) is Code.NO_MSG
    client.send(queue)
    delivery = delivered(client)
    assert error(client.acknowledge(queue, b"\x01" * 24)) is Code.NO_MSG
    other = bench.client()
    assert error(other.acknowledge(queue, delivery.head.message_id)) is Code.NO_MSG
    assert client.acknowledge(queue, delivery.head.message_id) == OK()
    assert error(client.acknowledge(queue, delivery.head.message_id)) is Code.NO_MSG


def test_acknowledging_nothing_in_particular_deletes_nothing() -> None:
    _, client, queue = setup()
    client.send(queue)
    first = delivered(client)
    again = client.acknowledge(queue, b"")
    assert isinstance(again, DeferredMessage)
    assert again.head is first.head


def test_acknowledging_what_has_gone_meanwhile() -> None:
    bench, client, queue = setup()
    client.send(queue, b"first")
    first = delivered(client)
    other = bench.client()
    other.subscribe(queue)
    delivery = delivered(other)
    client.subscribe(queue)  # takes the subscription back
    client.take_events()
    assert error(other.acknowledge(queue, delivery.head.message_id)) is Code.NO_MSG
    assert client.acknowledge(queue, first.head.message_id) == OK()


# --- GET ----------------------------------------------------------------------------------------


def test_getting() -> None:
    bench, client, queue = setup(subscribe=False)
    assert client.ask(GET(), queue.recipient_id, queue.key) == OK()
    client.send(queue, b"first")
    client.send(queue, b"second")
    assert not client.events
    delivery = client.ask(GET(), queue.recipient_id, queue.key)
    assert body(bench, delivery) == b"first"
    assert client.ask(GET(), queue.recipient_id, queue.key)
    assert isinstance(delivery, DeferredMessage)
    assert client.acknowledge(queue, delivery.head.message_id) == OK()  # never the next one
    assert body(bench, client.ask(GET(), queue.recipient_id, queue.key)) == b"second"
    assert bench.state.counters[Count.MESSAGES_GOT] == 3


def test_getting_and_subscribing_exclude_each_other_on_one_connection() -> None:
    bench, client, queue = setup()
    assert error(client.ask(GET(), queue.recipient_id, queue.key)) == PROHIBITED
    other = bench.client()
    assert other.ask(GET(), queue.recipient_id, queue.key) == OK()
    assert error(other.subscribe(queue)) == PROHIBITED
    assert not client.events  # the subscription is where it was


def test_getting_is_no_subscription() -> None:
    bench, client, queue = setup(subscribe=False)
    client.ask(GET(), queue.recipient_id, queue.key)
    assert not bench.state.recipients.is_subscribed(client.client.recipient)
    other = bench.client()
    other.subscribe(queue)
    assert not client.events
    assert bench.state.recipients.is_subscribed(other.client.recipient)


# --- moving -------------------------------------------------------------------------------------


def test_subscription_moves_to_who_asks_last() -> None:
    bench, client, queue = setup()
    other = bench.client()
    assert other.subscribe(queue) == SOK()
    assert client.take_events()[0].payload == END()
    client.send(queue)
    assert not client.events
    assert messages(other.events) == [DeferredMessage]
    assert client.subscribe(queue) == SOK()
    assert messages(other.events) == [DeferredMessage, END]


def test_message_that_was_not_acknowledged_comes_again_elsewhere() -> None:
    bench, client, queue = setup()
    client.send(queue)
    delivery = delivered(client)
    other = bench.client()
    other.subscribe(queue)
    assert delivered(other).head is delivery.head
    assert error(client.acknowledge(queue, delivery.head.message_id)) is Code.NO_MSG


def test_disconnected_subscriber_gets_nothing() -> None:
    bench, client, queue = setup()
    client.disconnect()
    bench.client().send(queue)
    assert not client.events
    assert bench.state.recipients.queue_count == 0


def test_displaced_subscriber_that_disconnects_takes_nothing_along() -> None:
    bench, client, queue = setup()
    other = bench.client()
    other.subscribe(queue)
    client.disconnect()
    bench.client().send(queue)
    assert messages(other.events) == [DeferredMessage]


def test_deleted_by_another_connection() -> None:
    bench, client, queue = setup()
    bench.client().ask(DEL(), queue.recipient_id, queue.key)
    (event,) = client.events
    assert (event.entity_id, event.payload) == (queue.recipient_id, DELD())
    assert not client.client.recipient.subscribed
    assert error(client.subscribe(queue)) is Code.AUTH


def test_deleted_by_the_subscriber_itself() -> None:
    bench, client, queue = setup()
    client.ask(DEL(), queue.recipient_id, queue.key)
    assert not client.events
    assert not bench.state.recipients.is_subscribed(client.client.recipient)


# --- what could not be written ------------------------------------------------------------------


def test_next_message_takes_the_place_of_one_that_is_gone() -> None:
    bench, client, queue = setup()
    client.send(queue, b"first")
    first = delivered(client)
    client.send(queue, b"second")
    internal = bench.state.queues.for_recipient(queue.recipient_id)
    assert internal is not None
    del internal.messages[0]
    delivery_failed(bench.state, first)
    assert body(bench, delivered(client)) == b"second"


def test_message_that_cannot_be_read_waits() -> None:
    bench, client, queue = setup()
    client.send(queue)
    delivery_failed(bench.state, delivered(client))
    assert not client.events
    client.send(queue)
    delivered(client)


# --- QUE ----------------------------------------------------------------------------------------


def test_queue_info() -> None:
    bench, client, queue = setup(subscribe=False)
    info = client.ask(QUE(), queue.recipient_id, queue.key)
    assert isinstance(info, INFO)
    assert info.info.subscription is None
    assert info.info.first_message is None
    assert (info.info.size, info.info.secured, info.info.has_notifier) == (0, False, False)

    client.add_notifier(queue, OTHER_KEY)
    client.send(queue)
    client.subscribe(queue)
    delivery = delivered(client)
    info = client.ask(QUE(), queue.recipient_id, queue.key)
    assert isinstance(info, INFO)
    assert info.info.has_notifier
    assert info.info.size == 1
    first, subscription = info.info.first_message, info.info.subscription
    assert first is not None
    assert subscription is not None
    assert first.received_at.timestamp() == bench.now
    assert subscription.delivered == first.message_id
    assert subscription.state is SubscriptionState.NONE
    client.acknowledge(queue, delivery.head.message_id)

    other = bench.client()
    other.ask(GET(), queue.recipient_id, queue.key)
    info = other.ask(QUE(), queue.recipient_id, queue.key)
    assert isinstance(info, INFO)
    assert info.info.subscription is not None
    assert info.info.subscription.state is SubscriptionState.PROHIBITED


@pytest.mark.parametrize("command", [ACK(b"x"), DEL(), GET(), QUE()])
def test_owners_only(command: ACK | DEL | GET | QUE) -> None:
    _, client, queue = setup()
    assert error(client.ask(command, queue.recipient_id, OTHER_KEY)) is Code.AUTH
    assert error(client.ask(command, queue.sender_id, queue.key)) is Code.AUTH
    assert client.send(queue) == OK()
