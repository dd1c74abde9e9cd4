"""Notifiers: who is told of messages, when, and what waits for them."""

from __future__ import annotations

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.expiry import expire_notifications
from simplex_trio.router.core.notification_delivery import catch_up
from simplex_trio.router.core.notifications import MAX_PENDING
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.core.replies import DeferredMessage
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.smp.bodies import NotificationMeta
from simplex_trio.wire.smp.commands import DEL, NDEL, NKEY, NSUB
from simplex_trio.wire.smp.messages import DELD, END, NID, NMSG, OK, SOK
from simplex_trio.wire.smp.new_queue import NotifierKeys
from tests.router.core.bench import (
    DH_KEY,
    KEY,
    OTHER_KEY,
    Bench,
    BenchClient,
    OwnedQueue,
    error,
    messages,
)

NOTIFIER_KEY = Ed25519PrivateKey(b"\x09" * 32)


def setup() -> tuple[Bench, BenchClient, OwnedQueue, BenchClient, bytes]:
    bench = Bench(QueuePolicy(quota=1000))
    owner = bench.client()
    queue = owner.create()
    notifier_id = owner.add_notifier(queue, NOTIFIER_KEY)
    return bench, owner, queue, bench.client(), notifier_id


def subscribe(notifier: BenchClient, notifier_id: bytes) -> None:
    assert notifier.ask(NSUB(), notifier_id, NOTIFIER_KEY) == SOK()


def test_subscribed_notifier_is_told_at_once() -> None:
    bench, owner, queue, notifier, notifier_id = setup()
    subscribe(notifier, notifier_id)
    owner.send(queue, notify=True)
    (event,) = notifier.events
    assert event.entity_id == notifier_id
    assert isinstance(event.payload, NMSG)
    assert not bench.kept.notifications
    assert bench.state.counters[Count.NOTIFICATIONS_SENT] == 1


def test_what_is_told_can_be_read_by_the_recipient_only() -> None:
    bench, owner, queue, notifier, _ = setup()
    answer = owner.ask(
        NKEY(NotifierKeys(NOTIFIER_KEY.public, DH_KEY.public)), queue.recipient_id, KEY
    )
    assert isinstance(answer, NID)
    subscribe(notifier, answer.ids.notifier_id)
    owner.send(queue, notify=True)
    (event,) = notifier.events
    assert isinstance(event.payload, NMSG)
    key = BoxKey.agree(DH_KEY, answer.ids.dh_key)
    meta = NotificationMeta.open(key, event.payload.nonce, event.payload.sealed)
    (delivered,) = [
        each.payload for each in owner.events if isinstance(each.payload, DeferredMessage)
    ]
    assert meta == NotificationMeta(delivered.head.message_id, bench.now)


def test_only_messages_that_ask_for_it() -> None:
    _, owner, queue, notifier, notifier_id = setup()
    subscribe(notifier, notifier_id)
    owner.send(queue)
    assert not notifier.events


def test_notifications_wait_for_the_notifier() -> None:
    bench, owner, queue, notifier, notifier_id = setup()
    for _ in range(3):
        owner.send(queue, notify=True)
    assert len(bench.kept.notifications) == len(bench.state.notifications) == 3
    subscribe(notifier, notifier_id)
    assert messages(notifier.events) == [NMSG] * 3
    assert not bench.kept.notifications
    assert len(bench.state.notifications) == 0


def test_pending_notifications_survive_a_restart() -> None:
    bench, owner, queue, _, notifier_id = setup()
    owner.send(queue, notify=True)
    bench.restart()
    notifier = bench.client()
    subscribe(notifier, notifier_id)
    assert messages(notifier.events) == [NMSG]


def test_only_the_latest_wait() -> None:
    bench, owner, queue, notifier, notifier_id = setup()
    for _ in range(MAX_PENDING + 5):
        owner.send(queue, notify=True)
    assert len(bench.kept.notifications) == MAX_PENDING
    subscribe(notifier, notifier_id)
    assert len(notifier.events) == MAX_PENDING


def test_notifier_that_does_not_read_is_told_later() -> None:
    bench, owner, queue, notifier, notifier_id = setup()
    subscribe(notifier, notifier_id)
    notifier.has_room = False
    owner.send(queue, notify=True)
    assert not notifier.events
    assert notifier.client.notifier.missed
    notifier.has_room = True
    catch_up(bench.state, notifier.client.notifier)
    bench.settle()
    assert messages(notifier.events) == [NMSG]
    assert not notifier.client.notifier.missed
    assert not bench.kept.notifications


def test_notifier_that_goes_while_a_message_is_stored() -> None:
    bench, owner, queue, notifier, notifier_id = setup()
    subscribe(notifier, notifier_id)
    bench.hold = True
    owner.give_send(queue, notify=True)
    notifier.disconnect()
    bench.store()
    assert len(bench.kept.notifications) == 1
    bench.hold = False
    again = bench.client()
    subscribe(again, notifier_id)
    assert messages(again.events) == [NMSG]


def test_notifier_that_comes_while_a_message_is_stored() -> None:
    bench, owner, queue, notifier, notifier_id = setup()
    bench.hold = True
    notifier.give(NSUB(), notifier_id, NOTIFIER_KEY)
    owner.give_send(queue, notify=True)
    bench.store()
    assert messages(notifier.events) == [NMSG]
    assert not bench.kept.notifications


def test_old_notifications_are_dropped() -> None:
    bench, owner, queue, notifier, notifier_id = setup()
    owner.send(queue, notify=True)
    bench.now += 86400
    owner.send(queue, notify=True)
    bench.submit(expire_notifications(bench.state, bench.now + 1))
    assert len(bench.kept.notifications) == 1
    assert bench.state.counters[Count.NOTIFICATIONS_EXPIRED] == 1
    subscribe(notifier, notifier_id)
    assert len(notifier.events) == 1


# --- notifiers come and go ----------------------------------------------------------------------


def test_unknown_notifier_and_wrong_key() -> None:
    _, _, queue, notifier, notifier_id = setup()
    assert error(notifier.ask(NSUB(), b"?" * 24, NOTIFIER_KEY)) is Code.AUTH
    assert error(notifier.ask(NSUB(), notifier_id, OTHER_KEY)) is Code.AUTH
    assert error(notifier.ask(NSUB(), queue.recipient_id, KEY)) is Code.AUTH


def test_another_notifier_takes_the_place_of_the_first() -> None:
    bench, owner, queue, notifier, notifier_id = setup()
    owner.send(queue, notify=True)
    subscribe(notifier, notifier_id)
    notifier.take_events()
    other_id = owner.add_notifier(queue, NOTIFIER_KEY)
    assert other_id != notifier_id
    (event,) = notifier.events
    assert (event.entity_id, event.payload) == (notifier_id, DELD())
    assert error(notifier.ask(NSUB(), notifier_id, NOTIFIER_KEY)) is Code.AUTH
    assert bench.state.queues.notifier_count == 1


def test_removing_a_notifier() -> None:
    bench, owner, queue, notifier, notifier_id = setup()
    subscribe(notifier, notifier_id)
    assert owner.ask(NDEL(), queue.recipient_id, KEY) == OK()
    assert owner.ask(NDEL(), queue.recipient_id, KEY) == OK()
    assert messages(notifier.events) == [DELD]
    assert error(notifier.ask(NSUB(), notifier_id, NOTIFIER_KEY)) is Code.AUTH
    assert bench.state.counters[Count.NOTIFIERS_DELETED] == 1


def test_removing_a_notifier_drops_what_waits_for_it() -> None:
    bench, owner, queue, _, _ = setup()
    owner.send(queue, notify=True)
    owner.ask(NDEL(), queue.recipient_id, KEY)
    assert not bench.kept.notifications


def test_deleted_queue() -> None:
    _, owner, queue, notifier, notifier_id = setup()
    subscribe(notifier, notifier_id)
    owner.ask(DEL(), queue.recipient_id, KEY)
    (event,) = notifier.events
    assert (event.entity_id, event.payload) == (notifier_id, DELD())


def test_subscription_moves_to_who_asks_last() -> None:
    bench, owner, queue, notifier, notifier_id = setup()
    subscribe(notifier, notifier_id)
    other = bench.client()
    subscribe(other, notifier_id)
    (event,) = notifier.take_events()
    assert (event.entity_id, event.payload) == (notifier_id, END())
    owner.send(queue, notify=True)
    assert not notifier.events
    assert messages(other.events) == [NMSG]
    subscribe(other, notifier_id)  # again
    assert not notifier.events
