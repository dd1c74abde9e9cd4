"""Delivering messages: when they are tried again, when they are given up, and what is told."""

from __future__ import annotations

import pytest

from simplex_trio.duplex.events import (
    ConnectionFailed,
    ConnectionReady,
    DeliveryFailed,
    DeliveryWarning,
    Integrity,
    MessageSent,
    PeerMessage,
    Problem,
    SendingResumed,
)
from simplex_trio.duplex.machine.deleting import delete
from simplex_trio.duplex.machine.delivering import (
    MESSAGE_TIMEOUT,
    QUOTA_TIMEOUT,
    RESUMED_WAIT,
    SendFailure,
    delivered,
    not_delivered,
    outgoing,
)
from simplex_trio.duplex.machine.handshake import sender_secured
from simplex_trio.duplex.machine.messages import Delivery, DeliveryKind, SentMessage
from simplex_trio.duplex.machine.sending import enqueue, enqueue_message
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.duplex.machine.work import AcknowledgeMessage, Deliver, SecureAsSender
from simplex_trio.duplex.status import ConnectionState
from simplex_trio.errors import TooLarge
from simplex_trio.wire.duplex.bodies import QCONT, QueueLocation
from tests.duplex.machines import Machine
from tests.duplex.worlds import SERVERS, World


class Sender:
    """A connection that is ready, and whose messages a test delivers by hand."""

    def __init__(self, *, capacity: int = 8) -> None:
        self.a, self.b = Machine("a"), Machine("b")
        self.world = World(self.a, self.b, capacity=capacity)
        self.mine, self.theirs = self.world.connect(self.a, self.b)

    def send(self, body: bytes = b"hello") -> int:
        return self.world.send(self.a, self.mine, body)

    def fails(self, failure: SendFailure) -> float | None:
        """An attempt at the first message fails; how long to wait for the next one."""
        work = self.a.only(self.mine, Deliver)
        return self.a.on(self.mine, lambda step, c: not_delivered(step, c, work.delivery, failure))

    def waits(self, failure: SendFailure, count: int) -> list[float]:
        """The waits after so many failures, each after the one before."""
        waits = []
        for _ in range(count):
            wait = self.fails(failure)
            assert wait is not None
            waits.append(wait)
            self.a.now += wait
        return waits


@pytest.fixture
def sender() -> Sender:
    return Sender()


# --- waiting ------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [SendFailure.TEMPORARY, SendFailure.UNREACHABLE])
def test_waits_while_a_router_cannot_be_reached(sender: Sender, failure: SendFailure) -> None:
    sender.send()
    waits = sender.waits(failure, 20)
    assert waits[:7] == [2, 2, 2, 2, 2, 3, 4.5]
    assert waits[-1] == 120
    assert waits == sorted(waits)


def test_waits_while_the_queue_is_full(sender: Sender) -> None:
    sender.send()
    waits = sender.waits(SendFailure.QUOTA, 15)
    assert waits[:3] == [300, 450, 675]
    assert waits[-1] == 6 * 3600


def test_the_wait_is_kept_across_restarts(sender: Sender) -> None:
    sender.send()
    sender.waits(SendFailure.TEMPORARY, 8)
    wait = sender.a.only(sender.mine, Deliver).delivery.wait
    sender.a.restart()
    assert sender.a.only(sender.mine, Deliver).delivery.wait == wait


def test_the_peer_has_read_its_queue(sender: Sender) -> None:
    message_id = sender.send()
    sender.waits(SendFailure.QUOTA, 3)
    sender.a.news()
    [queue] = sender.a.connection(sender.mine).sending.values()
    location = QueueLocation(queue.server, queue.sender_id)
    own_queue = sender.world.queue_of(sender.a, sender.mine)
    # A peer that says so again and again is heard once.
    for _ in range(3):
        sender.b.on(sender.theirs, lambda step, c: enqueue(step, c, QCONT(location)))
        sender.world.do_all(sender.b)
        sender.world.deliver(own_queue)
        sender.world.do(sender.a, sender.a.only(sender.mine, AcknowledgeMessage))
    resumed = [e for e in sender.a.news() if isinstance(e, SendingResumed)]
    assert [e.connection_id for e in resumed] == [sender.mine]
    assert sender.a.only(sender.mine, Deliver).delivery.wait == RESUMED_WAIT
    # Its router may still say that the queue is full, for a moment.
    assert sender.fails(SendFailure.QUOTA) == RESUMED_WAIT
    sender.world.do_all(sender.a)
    assert MessageSent(sender.mine, message_id, proxied=False) in sender.a.news()


def test_a_full_queue_is_read_and_goes_on() -> None:
    sender = Sender(capacity=2)
    sent = [sender.send(b"%d" % number) for number in range(8)]
    sender.world.settle()
    for _ in sent:
        received = sender.b.told[-1]
        assert isinstance(received, PeerMessage)
        sender.world.acknowledge(sender.b, sender.theirs, received.message_id)
        sender.world.settle()
    told = [e.message_id for e in sender.a.told if isinstance(e, MessageSent)]
    assert told == sent


def test_two_full_queues_do_not_wait_for_each_other() -> None:
    """What says that a queue is read is behind all that is too much for the other one."""
    sender = Sender(capacity=1)
    a, b, world = sender.a, sender.b, sender.world
    ends = ((a, sender.mine), (b, sender.theirs))
    for machine, connection_id in ends:
        for number in range(2):
            world.send(machine, connection_id, b"%d" % number)
            world.do(machine, machine.only(connection_id, Deliver))
    for machine, connection_id in ends:
        queue = world.queue_of(machine, connection_id)
        machine.news()
        world.deliver(queue)
        message = machine.news_of(PeerMessage)
        world.acknowledge(machine, connection_id, message.message_id)
        world.do(machine, machine.only(connection_id, AcknowledgeMessage))
        assert machine.only(connection_id, Deliver).delivery.wait == 300
        world.deliver(queue)  # the notice that it was full
        assert machine.only(connection_id, Deliver).delivery.wait == RESUMED_WAIT


# --- giving up ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "timeout", "problem"),
    [
        (SendFailure.TEMPORARY, MESSAGE_TIMEOUT, Problem.NETWORK),
        (SendFailure.UNREACHABLE, MESSAGE_TIMEOUT, Problem.NETWORK),
        (SendFailure.QUOTA, QUOTA_TIMEOUT, Problem.QUOTA),
    ],
)
def test_messages_that_have_waited_too_long(
    sender: Sender, failure: SendFailure, timeout: float, problem: Problem
) -> None:
    first, second = sender.send(), sender.send()
    sender.a.on(
        sender.mine, lambda step, c: enqueue(step, c, QCONT(QueueLocation(SERVERS[0], b"q")))
    )
    sender.a.now += 10
    third = sender.send()
    sender.a.now += timeout - 11
    assert sender.fails(failure) is not None
    sender.a.news()
    sender.a.now += 1
    assert sender.fails(failure) is None
    # All that are as old are given up together, and what is not the program's is not told.
    assert sender.a.news_of(DeliveryFailed) == DeliveryFailed(sender.mine, (first, second), problem)
    assert [each.message_id for each in sender.a.deliveries(sender.mine)] == [third]


@pytest.mark.parametrize(
    ("failure", "problem"),
    [(SendFailure.GONE, Problem.QUEUE_GONE), (SendFailure.REFUSED, Problem.REFUSED)],
)
def test_messages_that_are_refused_are_given_up_one_by_one(
    sender: Sender, failure: SendFailure, problem: Problem
) -> None:
    first, second = sender.send(), sender.send()
    assert sender.fails(failure) is None
    assert sender.a.news_of(DeliveryFailed) == DeliveryFailed(sender.mine, (first,), problem)
    assert sender.a.only(sender.mine, Deliver).delivery.message_id == second
    sender.world.do_all(sender.a)
    assert sender.a.news_of(MessageSent).message_id == second
    sender.world.settle()
    # The peer sees that one is missing.
    [received] = (event for event in sender.b.told if isinstance(event, PeerMessage))
    assert received.skipped == 1


def test_messages_of_the_agents_own_are_given_up_silently(sender: Sender) -> None:
    location = QueueLocation(SERVERS[0], b"q")
    sender.a.on(sender.mine, lambda step, c: enqueue(step, c, QCONT(location)))
    sender.fails(SendFailure.UNREACHABLE)
    sender.fails(SendFailure.GONE)
    assert sender.a.news() == []
    assert sender.a.work(sender.mine) == []


def test_a_handshake_that_is_given_up() -> None:
    for failure, after, problem in (
        (SendFailure.GONE, 0, Problem.QUEUE_GONE),
        (SendFailure.REFUSED, 0, Problem.REFUSED),
        (SendFailure.TEMPORARY, MESSAGE_TIMEOUT, Problem.NETWORK),
        (SendFailure.QUOTA, QUOTA_TIMEOUT, Problem.QUOTA),
    ):
        a, b = Machine("a"), Machine("b")
        world = World(a, b)
        joined = world.join(b, world.invite(a).link)
        while not any(isinstance(work, Deliver) for work in b.work(joined)):
            for work in b.work(joined):
                world.do(b, work)
        delivery = b.only(joined, Deliver).delivery
        assert delivery.kind is DeliveryKind.CONFIRMATION
        if after:
            assert _fails(b, joined, failure) is not None
        b.now += after
        assert _fails(b, joined, failure) is None
        assert b.told == [ConnectionFailed(joined, problem)]
        assert b.status(joined).state is ConnectionState.FAILED
        assert b.work(joined) == []


def _fails(machine: Machine, connection_id: str, failure: SendFailure) -> float | None:
    delivery = machine.deliveries(connection_id)[0]
    return machine.on(connection_id, lambda step, c: not_delivered(step, c, delivery, failure))


# --- warnings -----------------------------------------------------------------------------------


def test_each_problem_is_warned_of_once(sender: Sender) -> None:
    message_id = sender.send()
    for failure, problem in (
        (SendFailure.TEMPORARY, None),
        (SendFailure.UNREACHABLE, Problem.NETWORK),
        (SendFailure.UNREACHABLE, None),
        (SendFailure.TEMPORARY, None),
        (SendFailure.QUOTA, Problem.QUOTA),
        (SendFailure.QUOTA, None),
        (SendFailure.UNREACHABLE, Problem.NETWORK),
    ):
        sender.fails(failure)
        expected = [DeliveryWarning(sender.mine, message_id, problem)] if problem else []
        assert sender.a.news() == expected


# --- bytes and bodies ---------------------------------------------------------------------------


def test_each_attempt_sends_the_same_bytes(sender: Sender) -> None:
    sender.send()

    def bytes_of_attempt() -> bytes:
        work = sender.a.only(sender.mine, Deliver)
        return outgoing(work.sending, work.delivery, work.body, sender.a.spoken).body

    first = bytes_of_attempt()
    sender.waits(SendFailure.TEMPORARY, 3)
    sender.a.restart()
    sender.send()
    assert bytes_of_attempt() == first


def test_a_shared_body_is_kept_until_the_last_message_with_it_is_sent() -> None:
    a, b = Machine("a"), Machine("b")
    world = World(a, b)
    connections = [world.connect(a, b)[0] for _ in range(2)]

    def broadcast(step: Step) -> None:
        number = step.rows.add_body(b"to all")
        for connection_id in connections:
            c = step.connection(connection_id)
            enqueue_message(step, c, b"to all", number, notify=True, pq=None)
        step.rows.drop_unused_body(number)

    a.step(broadcast)

    def bodies() -> int:
        (count,) = a.database.connection.execute("SELECT count(*) FROM bodies").fetchone()
        return int(count)

    for left, connection_id in ((1, connections[0]), (0, connections[1])):
        assert bodies() == 1
        world.do(a, a.only(connection_id, Deliver))
        assert bodies() == left
    world.settle()
    assert [e.body for e in b.told if isinstance(e, PeerMessage)] == [b"to all"] * 2


def test_a_message_that_is_too_long_uses_up_nothing(sender: Sender) -> None:
    before = sender.a.connection(sender.mine).row
    with pytest.raises(TooLarge):
        sender.send(bytes(20_000))
    assert sender.a.connection(sender.mine).row == before
    sender.send()
    sender.world.settle()
    received = sender.b.told[-1]
    assert isinstance(received, PeerMessage)
    assert received.integrity is Integrity.OK


def test_what_is_told_when_a_router_has_taken_a_message(sender: Sender) -> None:
    message_id = sender.send()
    delivery = sender.a.only(sender.mine, Deliver).delivery

    def decide(step: Step, c: OpenConnection) -> None:
        delivered(step, c, delivery, proxied=True)

    sender.a.on(sender.mine, decide)
    assert sender.a.news() == [MessageSent(sender.mine, message_id, proxied=True)]
    [kept] = sender.a.rows.find(SentMessage, connection_id=sender.mine)
    assert kept.message_id == message_id
    assert sender.a.rows.find(Delivery, connection_id=sender.mine) == []


def test_answers_that_come_after_the_connection_was_deleted() -> None:
    a, b = Machine("a"), Machine("b")
    world = World(a, b)
    joined = world.join(b, world.invite(a).link)
    secure = b.only(joined, SecureAsSender)
    [create] = (work for work in b.work(joined) if not isinstance(work, SecureAsSender))
    world.do(b, create)
    b.on(joined, lambda step, c: delete(step, c, after_delivery=False))
    b.on(joined, lambda step, c: sender_secured(step, c, secure.number))
    world.settle()
    assert not b.is_known(joined)
    assert not any(isinstance(event, ConnectionReady) for event in b.told)
