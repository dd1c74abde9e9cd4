"""What the store refuses is undone, and answered with an error."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve

from simplex_trio.crypto.hashes import sender_id
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.core.replies import DeferredMessage
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.commands import (
    ACK,
    DEL,
    LDEL,
    LKEY,
    LSET,
    NDEL,
    NEW,
    NKEY,
    NSUB,
    OFF,
    PING,
    QUE,
    RKEY,
    SEND,
    SKEY,
    SUB,
)
from simplex_trio.wire.smp.commands import KEY as KEY_COMMAND
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.messages import END, ERR, INFO, OK, PONG, SOK
from simplex_trio.wire.smp.new_queue import (
    ContactLink,
    ContactRequest,
    MessagingRequest,
    NotifierKeys,
)
from tests.router.core.bench import (
    DH_KEY,
    KEY,
    OTHER_KEY,
    STORE_FAILED,
    Bench,
    BenchClient,
    OwnedQueue,
    error,
    messages,
)

NOTIFIER_KEY = Ed25519PrivateKey(b"\x09" * 32)
CORRELATION_ID = b"\x0c" * 24
LINK = ContactLink(b"link", sender_id(CORRELATION_ID), QueueLinkData(b"fixed", b"user"))
OTHER_DATA = QueueLinkData(b"fixed", b"other")

Give = Callable[[BenchClient, OwnedQueue], object]


def contact_queue(bench: Bench) -> tuple[BenchClient, OwnedQueue]:
    """A queue with all that a queue can have, and two messages, one of which was delivered."""
    client = bench.client()
    queue = client.create(ContactRequest(LINK), correlation_id=CORRELATION_ID)
    client.add_notifier(queue, NOTIFIER_KEY)
    client.send(queue, b"first", notify=True)
    client.send(queue, b"second")
    return client, queue


def fingerprint(bench: Bench) -> object:
    """All that a router knows of what it should have stored."""
    state = bench.state
    return (
        sorted((queue.record.recipient_id, repr(queue.messages)) for queue in state.queues),
        {queue.record.recipient_id: queue.record for queue in state.queues},
        [queue.unstored for queue in state.queues],
        state.queues.message_count,
        state.queues.notifier_count,
        len(state.notifications),
        len(state.services),
    )


COMMANDS: dict[str, Give] = {
    "NEW": lambda client, _: client.give(NEW(KEY.public, DH_KEY.public), key=KEY),
    "KEY": lambda c, q: c.give(KEY_COMMAND(OTHER_KEY.public), q.recipient_id, KEY),
    "RKEY": lambda c, q: c.give(RKEY((OTHER_KEY.public,)), q.recipient_id, KEY),
    "LSET": lambda c, q: c.give(LSET(b"link", OTHER_DATA), q.recipient_id, KEY),
    "LDEL": lambda c, q: c.give(LDEL(), q.recipient_id, KEY),
    "NKEY": lambda c, q: c.give(
        NKEY(NotifierKeys(OTHER_KEY.public, DH_KEY.public)), q.recipient_id, KEY
    ),
    "NDEL": lambda c, q: c.give(NDEL(), q.recipient_id, KEY),
    "OFF": lambda c, q: c.give(OFF(), q.recipient_id, KEY),
    "DEL": lambda c, q: c.give(DEL(), q.recipient_id, KEY),
    "SEND": lambda c, q: c.give(SEND(MessageFlags(notification=True), b"x"), q.sender_id),
    "ACK": lambda c, q: c.give(ACK(delivered_to(c, q)), q.recipient_id, KEY),
}


def delivered_to(client: BenchClient, queue: OwnedQueue) -> bytes:
    delivered = client.client.recipient.subscribed[queue.recipient_id].delivered
    assert delivered is not None
    return delivered


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_has_happened(name: str) -> None:
    bench = Bench()
    client, queue = contact_queue(bench)
    client.take_events()
    before = fingerprint(bench)
    bench.hold = True
    COMMANDS[name](client, queue)
    assert bench.waiting[0].transaction
    bench.refuse()
    assert client.answers == [STORE_FAILED]
    assert fingerprint(bench) == before
    assert not client.events
    client.answers.clear()
    bench.hold = False
    COMMANDS[name](client, queue)  # and now it can
    (answer,) = client.answers
    assert not isinstance(answer, str | ERR)


@pytest.mark.parametrize("first", COMMANDS)
@pytest.mark.parametrize("second", COMMANDS)
def test_what_builds_on_it_has_not_happened_either(first: str, second: str) -> None:
    bench = Bench()
    client, queue = contact_queue(bench)
    client.take_events()
    before = fingerprint(bench)
    bench.hold = True
    COMMANDS[first](client, queue)
    COMMANDS[second](client, queue)
    bench.refuse()
    assert STORE_FAILED in client.answers
    assert all(answer == STORE_FAILED or isinstance(answer, ERR) for answer in client.answers)
    assert fingerprint(bench) == before
    assert not client.events


def test_acknowledged_message_is_still_the_one_to_acknowledge() -> None:
    bench = Bench()
    client, queue = contact_queue(bench)
    message_id = delivered_to(client, queue)
    bench.hold = True
    client.give(ACK(message_id), queue.recipient_id, KEY)
    client.give(ACK(message_id), queue.recipient_id, KEY)  # while the first is being stored
    bench.refuse()
    first, second = client.answers
    client.answers.clear()
    assert first == STORE_FAILED
    assert error(second) is Code.NO_MSG
    bench.hold = False
    assert isinstance(client.acknowledge(queue, message_id), DeferredMessage)


def test_message_that_is_not_stored_is_not_delivered() -> None:
    bench = Bench()
    client, other = bench.client(), bench.client()
    queue = client.create()
    bench.hold = True
    client.give_send(queue)
    other.give(SUB(), queue.recipient_id, KEY)
    bench.refuse()
    assert client.answers == [STORE_FAILED]
    assert messages(client.events) == [END]
    assert other.answers == [SOK()]
    assert not other.events
    bench.hold = False
    client.answers.clear()
    client.send(queue)
    assert messages(other.events) == [DeferredMessage]


def test_commands_that_need_no_store_are_answered() -> None:
    bench = Bench()
    client, queue = contact_queue(bench)
    bench.now += 86400  # so that the use of the queue is noted
    client.take_events()
    bench.hold = True
    client.give(SUB(), queue.recipient_id, KEY)
    client.give(QUE(), queue.recipient_id, KEY)
    client.give(PING())
    bench.refuse()
    subscribed, info, pong = client.answers
    assert subscribed == SOK()
    assert isinstance(info, INFO)
    assert pong == PONG()
    assert messages(client.events) == [DeferredMessage]


def test_queue_deleted_while_a_client_subscribes() -> None:
    bench = Bench()
    client, other = bench.client(), bench.client()
    queue = client.create()
    bench.hold = True
    other.give(SUB(), queue.recipient_id, KEY)
    client.give(DEL(), queue.recipient_id, KEY)
    bench.store()
    assert error(other.answers[0]) is Code.AUTH
    assert client.answers == [OK()]
    assert bench.state.recipients.queue_count == 0


def test_association_with_a_service() -> None:
    bench = Bench()
    client = bench.client()
    queue = client.create()
    notifier_id = client.add_notifier(queue, NOTIFIER_KEY)
    service = bench.client(service=(b"S" * 24, ServiceRole.MESSAGING))
    notifier = bench.client(service=(b"N" * 24, ServiceRole.NOTIFIER))
    before = fingerprint(bench)
    bench.hold = True
    service.give(SUB(), queue.recipient_id, KEY)
    notifier.give(NSUB(), notifier_id, NOTIFIER_KEY)
    bench.refuse()
    assert service.answers == notifier.answers == [STORE_FAILED]
    assert fingerprint(bench) == before
    assert not client.events
    bench.hold = False
    client.send(queue)
    assert messages(client.events) == [DeferredMessage]


def test_quota_notice() -> None:
    bench = Bench(QueuePolicy(quota=1))
    client = bench.client()
    queue = client.create(subscribe=False)
    client.send(queue)
    before = fingerprint(bench)
    bench.hold = True
    client.give_send(queue)
    client.give_send(queue)
    bench.refuse()
    assert client.answers[0] == STORE_FAILED
    assert fingerprint(bench) == before


def test_securing_through_a_link() -> None:
    bench = Bench()
    client = bench.client()
    queue = client.create(MessagingRequest())
    client.ask(LSET(b"link", OTHER_DATA), queue.recipient_id, KEY)
    bench.hold = True
    client.give(LKEY(OTHER_KEY.public), b"link", OTHER_KEY)
    client.give(SKEY(OTHER_KEY.public), queue.sender_id, OTHER_KEY)
    bench.refuse()
    assert client.answers == [STORE_FAILED, STORE_FAILED]
    client.answers.clear()
    bench.hold = False
    assert client.send(queue) == OK()


def test_records_are_never_changed_in_place() -> None:
    bench = Bench()
    client, queue = contact_queue(bench)
    record = bench.kept.queues[queue.recipient_id]
    copy = evolve(record)
    COMMANDS["KEY"](client, queue)
    assert record == copy
