"""Deleting and suspending connections, and acknowledging what they have received."""

from __future__ import annotations

import pytest

from simplex_trio.duplex.errors import CannotAcknowledge
from simplex_trio.duplex.events import (
    ConnectionDeleted,
    ConnectionFailed,
    ConnectionSuspended,
    DeliveryFailed,
    InvitationReady,
    MessageSent,
    PeerMessage,
    Problem,
    ReceiptReceived,
    UserDeleted,
)
from simplex_trio.duplex.machine.acknowledging import acknowledged
from simplex_trio.duplex.machine.connection import Acknowledgement
from simplex_trio.duplex.machine.creating import plan_invitation
from simplex_trio.duplex.machine.deleting import delete, delete_user, suspend
from simplex_trio.duplex.machine.messages import LeavingUser, ReceivedMessage
from simplex_trio.duplex.machine.postponing import KEEP_DELETING, MIN_DELETE_FAILURES
from simplex_trio.duplex.machine.work import (
    AcknowledgeMessage,
    CreateQueue,
    DeleteQueue,
    Deliver,
    SecureAsSender,
    SuspendQueue,
)
from simplex_trio.duplex.status import ConnectionState
from tests.duplex.machines import Machine
from tests.duplex.worlds import Answer, World


class Pair:
    """Two machines that are connected."""

    def __init__(self, *, capacity: int = 8) -> None:
        self.a, self.b = Machine("a"), Machine("b")
        self.world = World(self.a, self.b, capacity=capacity)
        self.mine, self.theirs = self.world.connect(self.a, self.b)

    def delete(self, *, after_delivery: bool = False) -> None:
        self.a.on(self.mine, lambda step, c: delete(step, c, after_delivery=after_delivery))

    def delete_fails(self) -> None:
        """The router cannot be reached when the queue is to be deleted."""
        self.world.do(self.a, self.a.only(self.mine, DeleteQueue), Answer.AWAY)

    def message(self) -> PeerMessage:
        """A message that ``a`` has received and not acknowledged."""
        self.world.send(self.b, self.theirs)
        self.world.settle()
        [message] = (event for event in self.a.news() if isinstance(event, PeerMessage))
        return message

    def acknowledge(self, message: PeerMessage, receipt: bytes | None = None) -> None:
        self.world.acknowledge(self.a, self.mine, message.message_id, receipt)


@pytest.fixture
def pair() -> Pair:
    return Pair()


# --- deleting -----------------------------------------------------------------------------------


def test_deleting_at_once(pair: Pair) -> None:
    pair.world.send(pair.a, pair.mine)
    pair.message()
    pair.delete()
    assert pair.a.status(pair.mine).state is ConnectionState.DELETING
    assert [type(work) for work in pair.a.work(pair.mine)] == [DeleteQueue]
    pair.a.restart()
    pair.delete()  # which changes nothing
    pair.world.do_all(pair.a)
    assert pair.a.news() == [ConnectionDeleted(pair.mine)]
    assert not pair.a.is_known(pair.mine)
    for table in ("receiving_queues", "sending_queues", "deliveries", "received_messages"):
        (count,) = pair.a.database.connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert count == 0, table
    assert not [e for e in pair.a.stored_events() if isinstance(e, PeerMessage)]


def test_the_peer_of_a_deleted_connection(pair: Pair) -> None:
    pair.delete()
    pair.world.settle()
    pair.b.news()
    message_id = pair.world.send(pair.b, pair.theirs)
    pair.world.settle()
    failed = DeliveryFailed(pair.theirs, (message_id,), Problem.QUEUE_GONE)
    assert pair.b.news() == [failed]


def test_what_comes_while_a_connection_is_deleted(pair: Pair) -> None:
    pair.world.send(pair.b, pair.theirs)
    pair.world.do_all(pair.b)
    queue = pair.world.queue_of(pair.a, pair.mine)
    pair.delete()
    pair.world.deliver(queue)
    queue.messages.appendleft((b"garbage", b"garbage"))
    pair.world.deliver(queue)
    queue.messages.appendleft((b"the queue was full", None))
    pair.world.deliver(queue)
    assert pair.a.news() == []
    assert [type(work) for work in pair.a.work(pair.mine)] == [DeleteQueue]


def test_a_router_that_cannot_be_reached_is_left_to_itself(pair: Pair) -> None:
    pair.delete()
    for _ in range(MIN_DELETE_FAILURES):
        pair.delete_fails()
    pair.a.now += KEEP_DELETING - 1
    pair.delete_fails()
    assert pair.a.is_known(pair.mine)
    pair.a.now += 1
    pair.delete_fails()
    assert pair.a.news() == [ConnectionDeleted(pair.mine)]


def test_a_router_that_is_away_for_minutes_deletes_its_queue_afterwards(pair: Pair) -> None:
    pair.delete()
    for _ in range(3 * MIN_DELETE_FAILURES):
        pair.delete_fails()
        pair.a.now += 60
    pair.world.settle()
    assert pair.a.news() == [ConnectionDeleted(pair.mine)]
    message_id = pair.world.send(pair.b, pair.theirs)
    pair.world.settle()
    failed = DeliveryFailed(pair.theirs, (message_id,), Problem.QUEUE_GONE)
    assert pair.b.news() == [failed], "the queue is there, and nothing is read from it"


def test_a_program_that_was_not_running_still_deletes_its_queue(pair: Pair) -> None:
    pair.delete()
    pair.delete_fails()
    pair.a.now += KEEP_DELETING
    for _ in range(MIN_DELETE_FAILURES - 1):
        assert pair.a.is_known(pair.mine)
        pair.delete_fails()
    assert pair.a.news() == [ConnectionDeleted(pair.mine)]


def test_deleting_what_has_no_queue_yet() -> None:
    a = Machine("a")
    b = Machine("b")
    world = World(a, b)
    joined = world.join(b, world.invite(a).link)
    assert b.only(joined, CreateQueue)
    b.on(joined, lambda step, c: delete(step, c, after_delivery=True))
    assert b.told == [ConnectionDeleted(joined)]
    assert not b.is_known(joined)


def test_deleting_what_has_failed() -> None:
    a, b = Machine("a"), Machine("b")
    world = World(a, b)
    joined = world.join(b, world.invite(a).link)
    world.queues.clear()
    world.settle()
    assert b.news() == [ConnectionFailed(joined, Problem.QUEUE_GONE)]
    b.on(joined, lambda step, c: delete(step, c, after_delivery=True))
    world.settle()
    assert not b.is_known(joined)


def test_deleting_after_delivery() -> None:
    pair = Pair(capacity=1)
    sent = [pair.world.send(pair.a, pair.mine, b"%d" % number) for number in range(3)]
    held = pair.message()
    pair.a.news()
    pair.delete(after_delivery=True)
    # What the program holds it will not acknowledge any more.
    assert pair.a.rows.find(ReceivedMessage) == []
    with pytest.raises(CannotAcknowledge):
        pair.acknowledge(held)
    for _ in range(10):
        pair.world.settle()
        for message in pair.b.rows.find(ReceivedMessage):
            pair.world.acknowledge(pair.b, pair.theirs, message.message_id)
        if pair.a.is_known(pair.mine):
            # Nor is it told of what still comes.
            pair.world.send(pair.b, pair.theirs, b"late")
    told = pair.a.told
    assert [e.message_id for e in told if isinstance(e, MessageSent)] == sent
    assert told[-1] == ConnectionDeleted(pair.mine)
    assert not [e for e in told if isinstance(e, PeerMessage) and e.body == b"late"]
    assert [e.body for e in pair.b.told if isinstance(e, PeerMessage)] == [b"0", b"1", b"2"]


def test_deleting_at_once_what_was_to_be_delivered_first(pair: Pair) -> None:
    pair.world.send(pair.a, pair.mine)
    pair.delete(after_delivery=True)
    assert any(isinstance(work, Deliver) for work in pair.a.work(pair.mine))
    pair.delete()
    assert [type(work) for work in pair.a.work(pair.mine)] == [DeleteQueue]


# --- suspending ---------------------------------------------------------------------------------


def test_suspending(pair: Pair) -> None:
    pair.world.send(pair.b, pair.theirs, b"before")
    pair.world.do_all(pair.b)
    pair.a.on(pair.mine, suspend)
    pair.a.on(pair.mine, suspend)
    assert pair.a.news() == []
    pair.world.do(pair.a, pair.a.only(pair.mine, SuspendQueue), Answer.LOST)
    pair.a.restart()
    pair.world.do(pair.a, pair.a.only(pair.mine, SuspendQueue))
    assert pair.a.news() == [ConnectionSuspended(pair.mine)]
    pair.a.on(pair.mine, suspend)
    assert pair.a.news() == []
    assert pair.a.status(pair.mine).is_suspended
    assert pair.a.work(pair.mine) == []
    pair.b.news()
    late = pair.world.send(pair.b, pair.theirs, b"after")
    pair.world.settle()
    assert pair.b.news() == [DeliveryFailed(pair.theirs, (late,), Problem.QUEUE_GONE)]
    assert [e.body for e in pair.a.told if isinstance(e, PeerMessage)] == [b"before"]


def test_suspending_what_has_no_queue_yet() -> None:
    a, b = Machine("a"), Machine("b")
    world = World(a, b)
    joined = world.join(b, world.invite(a).link)
    b.on(joined, suspend)
    world.do(b, b.only(joined, CreateQueue))
    assert b.news() == []
    world.do(b, b.only(joined, SuspendQueue))
    assert b.news() == [ConnectionSuspended(joined)]


def test_suspending_what_has_failed() -> None:
    a, b = Machine("a"), Machine("b")
    world = World(a, b)
    joined = world.join(b, world.invite(a).link)
    world.do(b, b.only(joined, SecureAsSender), Answer.GONE)
    b.news()
    b.on(joined, suspend)
    assert b.news() == [ConnectionSuspended(joined)]
    assert b.work(joined) == []


def test_a_connection_that_is_deleted_meanwhile_is_not_called_suspended(pair: Pair) -> None:
    pair.a.on(pair.mine, suspend)
    work = pair.a.only(pair.mine, SuspendQueue)
    pair.delete()
    pair.world.do(pair.a, work)
    assert pair.a.news() == []


# --- acknowledging ------------------------------------------------------------------------------


def test_the_router_is_told_after_the_program_has_acknowledged(pair: Pair) -> None:
    message = pair.message()
    assert pair.a.work(pair.mine) == []
    pair.acknowledge(message)
    assert [type(work) for work in pair.a.work(pair.mine)] == [AcknowledgeMessage]
    assert not [e for e in pair.a.stored_events() if isinstance(e, PeerMessage)]
    with pytest.raises(CannotAcknowledge):
        pair.acknowledge(message)
    pair.world.do_all(pair.a)
    [queue] = pair.a.connection(pair.mine).receiving.values()
    assert queue.acknowledgement is Acknowledgement.NONE


def test_a_message_that_is_not_acknowledged_comes_again_as_it_was(pair: Pair) -> None:
    message = pair.message()
    pair.a.restart()
    pair.world.deliver(pair.world.queue_of(pair.a, pair.mine))
    assert pair.a.news() == []
    assert [e for e in pair.a.stored_events() if isinstance(e, PeerMessage)] == [message]
    assert pair.a.work(pair.mine) == []


def test_a_router_that_has_lost_the_acknowledgement(pair: Pair) -> None:
    message = pair.message()
    pair.acknowledge(message)
    queue = pair.world.queue_of(pair.a, pair.mine)
    kept = queue.messages[0]
    pair.world.do_all(pair.a)
    queue.messages.appendleft(kept)
    pair.world.deliver(queue)
    assert pair.a.news() == []
    assert [type(work) for work in pair.a.work(pair.mine)] == [AcknowledgeMessage]
    pair.world.settle()


def test_an_acknowledgement_of_another_message_changes_nothing(pair: Pair) -> None:
    message = pair.message()
    pair.acknowledge(message)
    pair.a.on(pair.mine, lambda step, c: acknowledged(step, c, 1, b"another"))
    pair.a.on(pair.mine, lambda step, c: acknowledged(step, c, 9, b"another"))
    assert [type(work) for work in pair.a.work(pair.mine)] == [AcknowledgeMessage]


def test_a_router_that_has_dropped_a_message_that_was_held(pair: Pair) -> None:
    first = pair.message()
    queue = pair.world.queue_of(pair.a, pair.mine)
    queue.messages.popleft()
    second = pair.message()
    pair.acknowledge(first)
    assert pair.a.work(pair.mine) == []
    pair.acknowledge(second)
    assert [type(work) for work in pair.a.work(pair.mine)] == [AcknowledgeMessage]


def test_receipts(pair: Pair) -> None:
    message = pair.message()
    pair.b.news()
    pair.acknowledge(message, b"seen")
    pair.world.settle()
    sent = pair.b.status(pair.theirs).last_message_id
    assert pair.b.news() == [ReceiptReceived(pair.theirs, sent - 1, intact=True, info=b"seen")]


def test_peers_without_receipts_are_sent_none(pair: Pair) -> None:
    message = pair.message()
    pair.a.on(pair.mine, lambda step, c: c.change(agent_version=3))
    pair.acknowledge(message, b"seen")
    assert [type(work) for work in pair.a.work(pair.mine)] == [AcknowledgeMessage]


# --- users --------------------------------------------------------------------------------------


def of_users(*users: str) -> tuple[Machine, World, list[str]]:
    """A machine with an invitation of each of these users."""
    a = Machine("a")
    world = World(a)
    made = [
        a.step(
            lambda step, user=user: (
                plan_invitation(  # type: ignore[misc]
                    step, user=user, info=b"", pq=False, offers_kem=False, wants_link=False
                ).connection_id
            )
        )
        for user in users
    ]
    world.settle()
    a.news()
    return a, world, made


@pytest.mark.parametrize("restarts", [False, True])
def test_deleting_a_user(restarts: bool) -> None:
    a, world, (first, other, second) = of_users("x", "y", "x")
    a.step(lambda step: delete_user(step, "x", after_delivery=False))
    if restarts:
        a.restart()
    assert a.news() == []
    world.do(a, a.only(first, DeleteQueue))
    assert a.news() == [ConnectionDeleted(first)]
    if restarts:
        a.restart()
    world.settle()
    assert a.news() == [ConnectionDeleted(second), UserDeleted("x")]
    assert a.is_known(other)
    assert a.rows.find(LeavingUser) == []


def test_deleting_a_user_without_connections() -> None:
    a, _, _ = of_users("y")
    a.step(lambda step: delete_user(step, "x", after_delivery=False))
    assert a.news() == [UserDeleted("x")]


def test_a_user_who_is_deleted_twice_and_comes_back() -> None:
    a, world, (first,) = of_users("x")
    a.step(lambda step: delete_user(step, "x", after_delivery=False))
    planned = a.step(
        lambda step: (
            plan_invitation(
                step, user="x", info=b"", pq=False, offers_kem=False, wants_link=False
            ).connection_id
        )
    )
    a.step(lambda step: delete_user(step, "x", after_delivery=True))
    assert a.news() == [ConnectionDeleted(planned)]
    made = a.step(
        lambda step: (
            plan_invitation(
                step, user="x", info=b"", pq=False, offers_kem=False, wants_link=False
            ).connection_id
        )
    )
    world.settle()
    assert [e for e in a.news() if not isinstance(e, InvitationReady)] == [
        ConnectionDeleted(first),
        UserDeleted("x"),
    ]
    assert a.is_known(made)


def test_what_is_queued_by_a_user_who_is_deleted_is_delivered_first(pair: Pair) -> None:
    message_id = pair.world.send(pair.a, pair.mine)
    pair.a.step(lambda step: delete_user(step, "", after_delivery=True))
    assert pair.a.news() == []
    pair.world.do_all(pair.a)
    told = pair.a.news()
    assert told[1:] == [ConnectionDeleted(pair.mine), UserDeleted("")]
    assert isinstance(told[0], MessageSent)
    assert told[0].message_id == message_id
