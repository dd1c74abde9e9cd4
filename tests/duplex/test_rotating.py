"""Moving queues to other routers, by one side or both, given up, begun again, and cut short."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from simplex_trio.duplex.errors import CannotRotate
from simplex_trio.duplex.events import (
    DeliveryFailed,
    Integrity,
    MessageSent,
    PeerMessage,
    Problem,
    QueueLost,
    RatchetBroken,
    ReceivingProblem,
    RotationPhase,
    RotationProgress,
    RotationSide,
)
from simplex_trio.duplex.machine.connection import Acknowledgement, ReceivingStatus, Synchrony
from simplex_trio.duplex.machine.deleting import delete, suspend
from simplex_trio.duplex.machine.delivering import MESSAGE_TIMEOUT, SendFailure, not_delivered
from simplex_trio.duplex.machine.messages import (
    Delivery,
    DeliveryKind,
    EarlyArrival,
    ReceivedMessage,
)
from simplex_trio.duplex.machine.ordering import WAIT_FOR_NEW_QUEUE, WAIT_FOR_OLD_QUEUE
from simplex_trio.duplex.machine.postponing import KEEP_DELETING, MIN_DELETE_FAILURES
from simplex_trio.duplex.machine.receiving import queue_lost, wait_for_turn
from simplex_trio.duplex.machine.resynchronising import resynchronise
from simplex_trio.duplex.machine.rotating import (
    MAX_TOLD,
    abort,
    can_rotate,
    new_queue_failed,
    rotate,
    say_again,
)
from simplex_trio.duplex.machine.sending import MAX_COPIES, drop_deliveries, enqueue
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.duplex.machine.work import (
    AcknowledgeMessage,
    CreateQueue,
    DeleteQueue,
    Deliver,
    DrainQueue,
    SecureAsReceiver,
    WaitForOther,
    Work,
)
from simplex_trio.wire.duplex.bodies import (
    QADD,
    QUSE,
    AddedQueue,
    MessageBody,
    QueueLocation,
    QueueUse,
    UnknownBody,
)
from simplex_trio.wire.queue_uris import QueueAddress, QueueURI
from simplex_trio.wire.versions import VersionRange
from tests.duplex.machines import Machine
from tests.duplex.worlds import SERVERS, Answer, Queue, World

OURS = [RotationPhase.STARTED, RotationPhase.CONFIRMED, RotationPhase.SECURED]
ALL = [*OURS, RotationPhase.COMPLETED]


class Pair:
    """Two connected machines; ``a`` moves its queue, which ``b`` sends to."""

    def __init__(self, *, capacity: int = 8, slow: str = "") -> None:
        self.a, self.b = Machine("a"), Machine("b")
        without = [machine for machine in (self.a, self.b) if machine.name in slow]
        self.world = World(self.a, self.b, capacity=capacity, without_modes=without)
        self.mine, self.theirs = self.world.connect(self.a, self.b)

    @property
    def sides(self) -> list[tuple[Machine, str]]:
        return [(self.a, self.mine), (self.b, self.theirs)]

    def rotate(self) -> None:
        self.a.on(self.mine, rotate)

    def phases(self, machine: Machine, side: RotationSide) -> list[RotationPhase]:
        return [
            event.phase
            for event in machine.told
            if isinstance(event, RotationProgress) and event.side is side
        ]

    @property
    def ours(self) -> list[RotationPhase]:
        return self.phases(self.a, RotationSide.RECEIVING)

    @property
    def theirs_told(self) -> list[RotationPhase]:
        return self.phases(self.b, RotationSide.SENDING)

    def queues(self, machine: Machine) -> list[Queue]:
        return [queue for queue in self.world.queues if queue.owner is machine]

    def go_on_until(
        self, done: Callable[[], bool], *, without: tuple[type[Work], ...] = ()
    ) -> None:
        """Do one thing after the other, except for works of some kinds."""
        for _ in range(200):
            if done():
                return
            for machine in (self.a, self.b):
                for work in machine.all_work():
                    if not isinstance(work, without) and not done():
                        self.world.do(machine, work)
            for queue in list(self.world.queues):
                if queue.messages and self.world.can_deliver(queue) and not done():
                    self.world.deliver(queue)
        raise AssertionError("it does not get there")

    def drains(self) -> list[Work]:
        """The looks at the old queue that are due."""
        return [work for work in self.a.work(self.mine) if isinstance(work, DrainQueue)]

    def secured(self) -> None:
        """Up to where the peer's program is told that the new queue takes messages."""
        self.rotate()
        self.go_on_until(lambda: RotationPhase.SECURED in self.theirs_told)

    def received(self, machine: Machine) -> list[bytes]:
        events = [event for event in machine.told if isinstance(event, PeerMessage)]
        assert all(event.integrity is Integrity.OK for event in events)
        return [event.body for event in events]

    def settle(self) -> None:
        """Until everything has come, with programs that acknowledge at once."""
        before: object = None
        while before != (before := self.world.progress()):
            self.world.settle()
            for machine in (self.a, self.b):
                for message in machine.rows.find(ReceivedMessage):
                    self.world.acknowledge(machine, message.connection_id, message.message_id)

    def check(self) -> None:
        """It goes on both ways, over one queue each."""
        self.settle()
        for (sender, out), (receiver, _) in (self.sides, self.sides[::-1]):
            self.world.send(sender, out, b"after all")
            self.settle()
            assert self.received(receiver)[-1] == b"after all"
            assert len(self.queues(sender)) == 1
            assert sender.work(out) == []
            assert sender.status(out).queued == 0
            assert not any(isinstance(event, ReceivingProblem) for event in sender.told)
            assert sender.rows.find(EarlyArrival) == []


@pytest.fixture
def pair() -> Pair:
    return Pair()


# --- from beginning to end ----------------------------------------------------------------------


@pytest.mark.parametrize("slow", ["", "a", "b", "ab"])
def test_what_is_told(slow: str) -> None:
    pair = Pair(slow=slow)
    before = pair.a.status(pair.mine)
    pair.rotate()
    assert pair.a.status(pair.mine).rotations[0].phase is None
    pair.settle()
    assert (pair.ours, pair.theirs_told) == (ALL, ALL)
    after, peer = pair.a.status(pair.mine), pair.b.status(pair.theirs)
    assert (before.receives_from, after.receives_from) == ((SERVERS[0],), (SERVERS[1],))
    assert peer.sends_to == (SERVERS[1],)
    assert after.rotations == peer.rotations == ()
    told = [event for event in pair.a.told if isinstance(event, RotationProgress)]
    assert {(event.from_server, event.to_server) for event in told} == {SERVERS}
    pair.check()


def test_the_status_meanwhile(pair: Pair) -> None:
    pair.rotate()
    seen: dict[str, list[RotationPhase | None]] = {"a": [], "b": []}

    def look() -> bool:
        for machine, connection_id in pair.sides:
            phases = seen[machine.name]
            for rotation in machine.status(connection_id).rotations:
                assert (rotation.from_server, rotation.to_server) in ((SERVERS[0], None), SERVERS)
                if rotation.phase not in phases:
                    phases.append(rotation.phase)
        return RotationPhase.COMPLETED in pair.ours

    pair.go_on_until(look)
    assert seen["a"] == [None, *OURS]
    assert seen["b"] == [RotationPhase.STARTED, RotationPhase.SECURED]


def test_both_sides_at_once(pair: Pair) -> None:
    for machine, connection_id in pair.sides:
        machine.on(connection_id, rotate)
    for turn in range(3):
        for machine, connection_id in pair.sides:
            pair.world.send(machine, connection_id, b"%d" % turn)
    pair.settle()
    for machine in (pair.a, pair.b):
        assert pair.phases(machine, RotationSide.RECEIVING) == ALL
        assert pair.phases(machine, RotationSide.SENDING) == ALL
        assert pair.received(machine) == [b"0", b"1", b"2"]
    pair.check()


def test_again_and_again(pair: Pair) -> None:
    for _ in range(4):
        pair.rotate()
        pair.settle()
    assert pair.ours == ALL * 4
    pair.check()


# --- what cannot be moved -----------------------------------------------------------------------


def test_what_cannot_be_moved(pair: Pair) -> None:
    offered = pair.world.invite(pair.a).connection_id
    address = pair.world.address(pair.a).connection_id
    deleted, _ = pair.world.connect(pair.a, pair.b)
    pair.a.on(deleted, lambda step, c: delete(step, c, after_delivery=True))
    suspended, _ = pair.world.connect(pair.a, pair.b)
    pair.a.on(suspended, suspend)
    for connection_id in (offered, address, deleted, suspended):
        if pair.a.is_known(connection_id):
            with pytest.raises(CannotRotate):
                pair.a.on(connection_id, rotate)
            assert not can_rotate(pair.a.connection(connection_id))
        with pytest.raises(CannotRotate):
            pair.a.on(pair.mine, abort)
    assert can_rotate(pair.a.connection(pair.mine))
    pair.rotate()
    assert not can_rotate(pair.a.connection(pair.mine))
    pair.rotate()  # before its queue is made that changes nothing
    assert len(pair.a.connection(pair.mine).receiving) == 2


def test_it_is_too_late_once_the_peer_may_use_the_new_queue(pair: Pair) -> None:
    pair.rotate()
    pair.go_on_until(lambda: RotationPhase.SECURED in pair.ours)
    for call in (rotate, abort):
        with pytest.raises(CannotRotate):
            pair.a.on(pair.mine, call)
    pair.check()


# --- given up -----------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [None, *OURS[:2]])
@pytest.mark.parametrize("again", [False, True])
def test_given_up_at_any_moment(pair: Pair, at: RotationPhase | None, again: bool) -> None:
    pair.rotate()
    pair.go_on_until(lambda: at is None or at in pair.ours)
    pair.world.send(pair.b, pair.theirs, b"meanwhile")
    if again:
        pair.rotate()
    else:
        pair.a.on(pair.mine, abort)
    aborted = [RotationPhase.ABORTED] if at is not None or not again else []
    assert pair.ours[-1:] == aborted
    pair.world.send(pair.b, pair.theirs, b"and later")
    pair.settle()
    assert pair.received(pair.a) == [b"meanwhile", b"and later"]
    if again:
        assert pair.ours[-4:] == ALL
        assert pair.theirs_told[-1] is RotationPhase.COMPLETED
    pair.check()
    assert pair.a.connection(pair.mine).row.rotation_ended_at == (0 if again else int(pair.a.now))


def test_a_queue_that_was_made_too_late_is_not_taken_for_the_next_one(pair: Pair) -> None:
    pair.rotate()
    create = pair.a.only(pair.mine, CreateQueue)
    pair.a.on(pair.mine, abort)
    pair.rotate()
    assert pair.a.only(pair.mine, CreateQueue).number == create.number
    pair.world.do(pair.a, create)
    assert pair.a.connection(pair.mine).receiving[2].status is ReceivingStatus.PLANNED
    pair.world.queues.pop()  # which the work deletes on its router
    pair.check()
    assert pair.ours[-4:] == ALL


def test_the_new_queue_is_gone_before_it_is_secured(pair: Pair) -> None:
    pair.rotate()
    pair.go_on_until(lambda: RotationPhase.CONFIRMED in pair.ours)
    pair.world.do(pair.a, pair.a.only(pair.mine, SecureAsReceiver), Answer.GONE)
    assert pair.ours[-1] is RotationPhase.FAILED
    pair.check()
    pair.rotate()
    pair.check()
    assert pair.ours[-4:] == ALL


def test_no_router_makes_the_new_queue(pair: Pair) -> None:
    pair.rotate()
    pair.a.on(pair.mine, lambda step, c: new_queue_failed(step, c, 2, Problem.REFUSED))
    told = pair.a.told[-1]
    assert isinstance(told, RotationProgress)
    assert (told.phase, told.problem, told.to_server) == (
        RotationPhase.FAILED,
        Problem.REFUSED,
        None,
    )
    pair.check()


def test_the_new_queue_is_lost(pair: Pair) -> None:
    pair.rotate()
    pair.go_on_until(lambda: RotationPhase.STARTED in pair.ours)
    pair.a.on(pair.mine, lambda step, c: queue_lost(step, c, 2, deleted=True))
    assert pair.ours[-1] is RotationPhase.FAILED
    assert not any(isinstance(event, QueueLost) for event in pair.a.told)
    pair.check()


def test_the_old_queue_is_lost_when_it_is_not_needed(pair: Pair) -> None:
    pair.rotate()
    pair.go_on_until(lambda: bool(pair.drains()), without=(DrainQueue,))
    pair.a.on(pair.mine, lambda step, c: queue_lost(step, c, 1, deleted=True))
    assert not any(isinstance(event, QueueLost) for event in pair.a.told)
    pair.check()
    assert pair.ours == ALL


def test_the_peer_is_gone(pair: Pair) -> None:
    """The offer is refused, so the new queue is of no use."""
    pair.rotate()
    pair.go_on_until(lambda: RotationPhase.STARTED in pair.ours, without=(Deliver,))
    [queue] = pair.queues(pair.b)
    pair.world.queues.remove(queue)
    pair.world.settle()
    assert pair.ours == [RotationPhase.STARTED, RotationPhase.FAILED]
    assert len(pair.queues(pair.a)) == 1


def test_the_answer_to_an_offer_is_refused(pair: Pair) -> None:
    pair.rotate()
    pair.go_on_until(lambda: RotationPhase.STARTED in pair.theirs_told)
    pair.b.on(pair.theirs, lambda step, c: _fails(step, c, SendFailure.GONE))
    assert pair.theirs_told == [RotationPhase.STARTED, RotationPhase.FAILED]
    assert len(pair.b.connection(pair.theirs).sending) == 1


def _fails(step: Step, c: OpenConnection, failure: SendFailure, queue: int = 1) -> float | None:
    delivery = step.rows.find(Delivery, connection_id=c.connection_id, queue=queue)[0]
    return not_delivered(step, c, delivery, failure)


def test_the_new_queue_is_gone_when_it_is_tested(pair: Pair) -> None:
    pair.secured()
    pair.world.send(pair.b, pair.theirs, b"goes on")
    for _ in pair.b.rows.find(Delivery, connection_id=pair.theirs, queue=2):
        if 2 in pair.b.connection(pair.theirs).sending:
            pair.b.on(pair.theirs, lambda step, c: _fails(step, c, SendFailure.GONE, 2))
    assert pair.theirs_told[-1] is RotationPhase.FAILED
    pair.world.do_all(pair.b)
    assert not any(isinstance(event, DeliveryFailed) for event in pair.b.told)
    assert any(isinstance(event, MessageSent) for event in pair.b.told)


# --- messages under way -------------------------------------------------------------------------


def test_what_the_old_queue_holds_is_never_dropped() -> None:
    """The program does not acknowledge, while everything else goes on."""
    pair = Pair(capacity=20)
    for number in range(3):
        pair.world.send(pair.b, pair.theirs, b"%d" % number)
    pair.rotate()
    pair.world.settle()
    assert pair.received(pair.a) == [b"0"]
    assert pair.ours == [RotationPhase.STARTED]  # the answer is behind them
    pair.settle()
    assert pair.received(pair.a) == [b"0", b"1", b"2"]
    assert pair.ours == ALL


def test_the_old_queue_stays_until_its_messages_are_acknowledged() -> None:
    pair = Pair(capacity=20)
    pair.rotate()
    pair.go_on_until(lambda: RotationPhase.SECURED in pair.ours)
    for number in range(3):
        pair.world.send(pair.b, pair.theirs, b"%d" % number)
    pair.world.settle()
    # They were sent to the old queue before the new one could be used, and are in both.
    assert pair.theirs_told == ALL
    assert pair.ours == OURS
    assert [queue.number for queue in pair.queues(pair.a)] == [1, 2]
    assert not any(isinstance(work, DeleteQueue) for work in pair.a.work(pair.mine))
    pair.settle()
    assert pair.received(pair.a) == [b"0", b"1", b"2"]
    assert pair.ours == ALL
    pair.check()


def test_a_sender_whose_old_router_is_away(pair: Pair) -> None:
    """What has not reached the old queue goes through the new one, and is called sent once."""
    pair.secured()
    ids = [pair.world.send(pair.b, pair.theirs, b"%d" % number) for number in range(4)]
    for work in pair.b.work(pair.theirs):
        if isinstance(work, Deliver) and work.number == 1:
            pair.world.do(pair.b, work, Answer.NETWORK)

    def do_new() -> None:
        for work in pair.b.work(pair.theirs):
            if isinstance(work, Deliver) and work.number == 2:
                pair.world.do(pair.b, work)

    while RotationPhase.COMPLETED not in pair.theirs_told:
        do_new()
    assert list(pair.b.connection(pair.theirs).sending) == [2]
    pair.check()
    told = [event.message_id for event in pair.b.told if isinstance(event, MessageSent)]
    assert told[: len(ids)] == ids
    assert pair.received(pair.a)[:4] == [b"0", b"1", b"2", b"3"]


def test_messages_are_given_up_when_neither_queue_takes_them(pair: Pair) -> None:
    pair.secured()
    message_id = pair.world.send(pair.b, pair.theirs, b"lost")
    pair.b.now += MESSAGE_TIMEOUT
    for queue in (1, 2):
        assert not any(isinstance(event, DeliveryFailed) for event in pair.b.told)

        def give_up(step: Step, c: OpenConnection, queue: int = queue) -> None:
            delivery = step.rows.get(Delivery, c.connection_id, queue, message_id)
            assert delivery is not None
            not_delivered(step, c, delivery, SendFailure.UNREACHABLE)

        pair.b.on(pair.theirs, give_up)
    failed = [event for event in pair.b.told if isinstance(event, DeliveryFailed)]
    assert failed == [DeliveryFailed(pair.theirs, (message_id,), Problem.NETWORK)]
    # What is about the move is never too old.
    pair.settle()
    assert pair.ours == pair.theirs_told == ALL


def test_a_message_that_was_given_up_does_not_come_later(pair: Pair) -> None:
    pair.rotate()
    pair.go_on_until(lambda: RotationPhase.STARTED in pair.theirs_told)
    message_id = pair.world.send(pair.b, pair.theirs, b"refused")

    def refuse(step: Step, c: OpenConnection) -> None:
        delivery = step.rows.get(Delivery, c.connection_id, 1, message_id)
        assert delivery is not None
        not_delivered(step, c, delivery, SendFailure.REFUSED)

    pair.b.on(pair.theirs, refuse)
    failed = [event for event in pair.b.told if isinstance(event, DeliveryFailed)]
    assert failed == [DeliveryFailed(pair.theirs, (message_id,), Problem.REFUSED)]
    assert not any(each.message_id == message_id for each in pair.b.deliveries(pair.theirs))


def test_a_peer_that_never_goes_on_takes_up_little_room() -> None:
    pair = Pair(capacity=2 * MAX_COPIES)
    pair.rotate()
    pair.go_on_until(lambda: RotationPhase.CONFIRMED in pair.theirs_told)
    pair.a.on(pair.mine, abort)
    for number in range(MAX_COPIES + 20):
        pair.world.send(pair.b, pair.theirs, b"%d" % number)
        pair.world.do_all(pair.b)
    kept = pair.b.deliveries(pair.theirs)
    assert len(kept) == MAX_COPIES
    assert all(each.is_taken and each.queue == 2 for each in kept)
    assert pair.b.status(pair.theirs).queued == 0
    pair.rotate()  # which replaces the queue that the peer has in mind
    pair.settle()
    assert pair.ours[-4:] == ALL
    assert pair.b.deliveries(pair.theirs) == []
    assert len(pair.received(pair.a)) == MAX_COPIES + 20


# --- the order of two queues --------------------------------------------------------------------


class Early(Pair):
    """The peer is one that copies nothing, as other agents do: something waits in the old queue."""

    def __init__(self) -> None:
        super().__init__(capacity=20)
        self.rotate()
        self.go_on_until(lambda: RotationPhase.SECURED in self.ours)
        self.world.send(self.b, self.theirs, b"first")
        self.world.do_all(self.b)
        old, new = self.queues(self.a)
        self.old, self.new = old, new
        self.world.do_all(self.a)
        [offer] = self.queues(self.b)
        while offer.messages:
            self.world.deliver(offer)
            for work in self.b.work(self.theirs):
                if isinstance(work, AcknowledgeMessage):
                    self.world.do(self.b, work)
        copies = [each for each in self.b.deliveries(self.theirs) if each.is_taken]
        self.b.on(self.theirs, lambda step, c: drop_deliveries(step, c, copies))
        self.world.do_all(self.b)  # QTEST, which is behind "first"
        self.world.send(self.b, self.theirs, b"second")
        self.world.do_all(self.b)

    def do(self, kind: type[Work], answer: Answer = Answer.OK) -> None:
        for work in self.a.work(self.mine):
            if isinstance(work, kind):
                self.world.do(self.a, work, answer)


def test_a_message_waits_for_the_one_before_it() -> None:
    pair = Early()
    pair.world.deliver(pair.new)
    assert pair.a.connection(pair.mine).receiving[2].acknowledgement is Acknowledgement.EARLY
    pair.a.restart()
    pair.world.deliver(pair.new)  # the router delivers it again, which changes nothing
    assert len(pair.a.rows.find(EarlyArrival)) == 1
    pair.world.deliver(pair.old)
    assert pair.received(pair.a) == [b"first"]
    assert pair.a.rows.find(EarlyArrival) == []
    pair.settle()
    assert pair.received(pair.a) == [b"first", b"second"]
    assert pair.ours == ALL


def test_a_key_in_the_new_queue_waits_for_what_the_old_one_has_left() -> None:
    pair = Pair(capacity=20)
    pair.secured()

    def deliver(number: int) -> None:
        for work in pair.b.work(pair.theirs):
            if isinstance(work, Deliver) and work.number == number:
                pair.world.do(pair.b, work)

    for body in (b"first", b"second"):
        pair.world.send(pair.b, pair.theirs, body)
        deliver(1)  # the new router is slow
    copies = [each for each in pair.b.deliveries(pair.theirs) if each.is_taken]
    pair.b.on(pair.theirs, lambda step, c: drop_deliveries(step, c, copies))  # as other agents do
    pair.b.on(pair.theirs, lambda step, c: resynchronise(step, c, force=True))
    for _ in range(3):
        deliver(2)
    _, new = pair.queues(pair.a)
    while new.messages and not pair.a.rows.find(EarlyArrival):  # now the old router is slow
        pair.world.deliver(new)
        for work in pair.a.work(pair.mine):
            if isinstance(work, AcknowledgeMessage):
                pair.world.do(pair.a, work)
    assert pair.a.connection(pair.mine).row.synchrony is Synchrony.OK
    pair.settle()
    assert pair.received(pair.a) == [b"first", b"second"]
    assert not any(isinstance(event, DeliveryFailed) for event in pair.b.told)
    assert pair.a.rows.find(EarlyArrival) == []
    assert pair.a.connection(pair.mine).row.synchrony is Synchrony.OK


def test_nothing_is_missing_once_the_old_queue_is_empty() -> None:
    pair = Early()
    pair.old.messages.clear()  # its router has lost it
    pair.world.deliver(pair.new)
    pair.do(AcknowledgeMessage)
    pair.do(DrainQueue)
    assert pair.a.rows.find(EarlyArrival) == []
    pair.world.settle()
    told = [event for event in pair.a.told if isinstance(event, PeerMessage)]
    assert [event.body for event in told] == [b"second"]
    assert pair.ours == ALL


def test_an_old_router_that_is_away_does_not_hold_up_messages_for_long() -> None:
    pair = Early()
    pair.world.deliver(pair.new)
    begun = pair.a.now

    def wait() -> float | None:
        return pair.a.on(pair.mine, lambda step, c: wait_for_turn(step, c, 2))

    assert wait() == WAIT_FOR_OLD_QUEUE
    pair.a.now = begun + WAIT_FOR_OLD_QUEUE - 1
    pair.do(DrainQueue, Answer.NETWORK)
    assert wait() == 1
    pair.a.now += 1
    assert wait() is None
    pair.do(AcknowledgeMessage)
    pair.world.deliver(pair.new)
    told = [event for event in pair.a.told if isinstance(event, PeerMessage)]
    assert [event.body for event in told] == [b"second"]
    # What comes from there later still comes.
    pair.world.deliver(pair.old)
    told = [event for event in pair.a.told if isinstance(event, PeerMessage)]
    assert [(event.body, event.integrity) for event in told][1:] == [(b"first", Integrity.BAD_ID)]
    # The next one is the one after the second.
    pair.world.send(pair.b, pair.theirs, b"third")
    pair.settle()
    last = [event for event in pair.a.told if isinstance(event, PeerMessage)][-1]
    assert (last.body, last.integrity) == (b"third", Integrity.OK)


def test_a_message_waits_for_the_test_of_the_new_queue() -> None:
    pair = Pair(capacity=20)
    pair.secured()
    pair.world.send(pair.b, pair.theirs, b"in both")
    old, new = pair.queues(pair.a)
    for work in pair.b.work(pair.theirs):
        if isinstance(work, Deliver) and work.number == 1:
            pair.world.do(pair.b, work)
    while old.messages and not pair.a.rows.find(EarlyArrival):
        pair.world.deliver(old)
        for work in pair.a.work(pair.mine):
            if isinstance(work, AcknowledgeMessage):
                pair.world.do(pair.a, work)
    assert pair.a.on(pair.mine, lambda step, c: wait_for_turn(step, c, 1)) == WAIT_FOR_NEW_QUEUE
    pair.world.do_all(pair.b)
    pair.settle()
    assert pair.received(pair.a) == [b"in both"]
    assert new.messages == old.messages
    assert pair.ours == ALL


def test_an_old_queue_that_cannot_be_looked_at_is_given_up_in_the_end(pair: Pair) -> None:
    pair.rotate()
    pair.go_on_until(lambda: bool(pair.drains()), without=(DrainQueue,))
    begun = pair.a.now
    for number in range(MIN_DELETE_FAILURES + 1):
        assert not pair.a.connection(pair.mine).receiving[1].is_deleted
        [work] = pair.drains()
        pair.a.now = begun + KEEP_DELETING * number / MIN_DELETE_FAILURES
        pair.world.do(pair.a, work, Answer.NETWORK)
    assert pair.a.connection(pair.mine).receiving[1].is_deleted
    pair.check()
    assert pair.ours == ALL


# --- endings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [None, *OURS])
@pytest.mark.parametrize("who", ["owner", "sender"])
@pytest.mark.parametrize("after_delivery", [True, False])
def test_deleted_at_any_moment(
    pair: Pair, at: RotationPhase | None, who: str, after_delivery: bool
) -> None:
    pair.rotate()
    pair.go_on_until(lambda: at is None or at in pair.ours)
    machine, connection_id = pair.sides[who == "sender"]
    pair.world.send(machine, connection_id, b"the last")
    machine.on(connection_id, lambda step, c: delete(step, c, after_delivery=after_delivery))
    machine.news()
    pair.settle()
    assert not machine.is_known(connection_id)
    assert pair.queues(machine) == []
    assert not any(isinstance(event, RotationProgress) for event in machine.news())
    other = pair.b if machine is pair.a else pair.a
    assert pair.received(other) == [b"the last"] * after_delivery
    for left, connection_id in pair.sides:
        if left.is_known(connection_id):
            left.on(connection_id, lambda step, c: delete(step, c, after_delivery=False))
    pair.settle()
    assert pair.world.queues == []


@pytest.mark.parametrize("at", [None, *OURS])
def test_suspended_at_any_moment(pair: Pair, at: RotationPhase | None) -> None:
    pair.rotate()
    pair.go_on_until(lambda: at is None or at in pair.ours)
    pair.a.on(pair.mine, suspend)
    pair.settle()
    assert all(queue.is_suspended for queue in pair.queues(pair.a))
    assert pair.a.status(pair.mine).is_suspended
    assert (pair.ours[-1] is RotationPhase.ABORTED) is (at is not RotationPhase.SECURED)
    assert not any(isinstance(work, WaitForOther) for work in pair.a.work(pair.mine))


# --- what peers may say -------------------------------------------------------------------------


def _says(pair: Pair, body: MessageBody) -> list[Problem]:
    """What the first machine's program is told when the second says this."""
    pair.a.news()
    pair.a.rows.delete_events([number for number, _ in pair.a.rows.events_after(0, -1)])
    pair.b.on(pair.theirs, lambda step, c: enqueue(step, c, body))
    pair.settle()
    return [event.problem for event in pair.a.news() if isinstance(event, ReceivingProblem)]


def test_offers_that_make_no_sense(pair: Pair) -> None:
    queue = pair.b.connection(pair.theirs).main_receiving
    assert queue is not None
    assert queue.server is not None
    here = QueueLocation(queue.server, queue.sender_id)
    nowhere = QueueLocation(SERVERS[0], b"nowhere")
    address = QueueAddress(SERVERS[0], b"new", queue.e2e_key.public)
    spoken = pair.b.spoken.client

    def offer(uri: QueueURI, replaces: QueueLocation | None) -> list[Problem]:
        return _says(pair, QADD((AddedQueue(uri, replaces),)))

    assert offer(QueueURI(spoken, address), None) == [Problem.UNEXPECTED]
    assert offer(QueueURI(spoken, address), nowhere) == [Problem.UNEXPECTED]
    assert offer(QueueURI(VersionRange(90, 99), address), here) == [Problem.VERSION]
    known = QueueAddress(here.server, here.sender_id, queue.e2e_key.public)
    assert offer(QueueURI(spoken, known), here) == []
    assert _says(pair, QUSE((QueueUse(nowhere, primary=True),))) == [Problem.UNEXPECTED]
    assert len(pair.a.connection(pair.mine).sending) == 1


def test_messages_of_newer_agents_hold_up_nothing(pair: Pair) -> None:
    pair.rotate()
    pair.go_on_until(lambda: RotationPhase.STARTED in pair.theirs_told)
    assert _says(pair, UnknownBody(b"QE", b"whatever it means")) == [Problem.UNKNOWN_KIND]
    assert pair.ours == ALL


@pytest.mark.parametrize("at", ALL)
def test_everything_is_said_again(pair: Pair, at: RotationPhase) -> None:
    """As after a new ratchet: what was said before may have got lost with the old one."""
    pair.rotate()
    pair.go_on_until(lambda: at in pair.ours)
    for machine, connection_id in pair.sides:
        machine.on(connection_id, say_again)
    pair.settle()
    assert (pair.ours, pair.theirs_told[-1]) == (ALL, RotationPhase.COMPLETED)
    pair.check()


def test_an_offer_is_said_again_though_an_answer_is_queued(pair: Pair) -> None:
    """What is still queued is about the peer's queue, and the offer of this side's was lost."""
    for machine, connection_id in pair.sides:
        machine.on(connection_id, rotate)
    (theirs,) = pair.queues(pair.b)
    while not theirs.messages:
        for work in pair.a.all_work():
            pair.world.do(pair.a, work)
    theirs.messages.clear()
    answers = RotationSide.SENDING
    pair.go_on_until(lambda: RotationPhase.STARTED in pair.phases(pair.a, answers))
    assert {each.kind for each in pair.a.deliveries(pair.mine)} == {DeliveryKind.ROTATION}
    pair.a.on(pair.mine, say_again)
    for _ in range(2 * WAIT_FOR_NEW_QUEUE):
        pair.settle()
    for machine in (pair.a, pair.b):
        assert pair.phases(machine, RotationSide.RECEIVING) == ALL
        assert len(pair.queues(machine)) == 1


def test_a_peer_cannot_fill_the_store_with_events(pair: Pair) -> None:
    for _ in range(MAX_TOLD // 4 + 3):
        pair.rotate()
        pair.settle()
    events = [each for each in pair.b.stored_events() if isinstance(each, RotationProgress)]
    assert len(events) == MAX_TOLD
    assert pair.ours == ALL * (MAX_TOLD // 4 + 3)  # which this side's program has asked for
    assert pair.b.status(pair.theirs).rotations == ()


@pytest.mark.parametrize("at", ALL)
@pytest.mark.parametrize("who", ["owner", "sender"])
def test_a_new_ratchet_meanwhile(pair: Pair, at: RotationPhase, who: str) -> None:
    """What got lost with the old one is said again, and nothing begins before there is one."""
    pair.rotate()
    pair.go_on_until(lambda: at in pair.ours)
    machine, connection_id = pair.sides[who == "sender"]
    machine.on(connection_id, lambda step, c: resynchronise(step, c, force=True))
    if at is RotationPhase.COMPLETED:
        with pytest.raises(CannotRotate):
            machine.on(connection_id, rotate)
    for _ in range(2 * WAIT_FOR_NEW_QUEUE):
        pair.settle()
    assert pair.ours == ALL
    assert pair.theirs_told[-1] is RotationPhase.COMPLETED
    for sender, out in pair.sides:
        pair.world.send(sender, out, b"after all")
        pair.settle()
    for receiver in (pair.a, pair.b):
        events = [event for event in receiver.told if isinstance(event, PeerMessage)]
        assert [event.body for event in events] == [b"after all"]
        assert len(pair.queues(receiver)) == 1


def test_a_key_that_the_old_queue_takes_with_it(pair: Pair) -> None:
    """The peer deletes it before it has read the key, which is in the new queue as well."""
    pair.rotate()
    pair.go_on_until(lambda: RotationPhase.STARTED in pair.theirs_told)
    pair.b.on(pair.theirs, lambda step, c: resynchronise(step, c, force=True))
    keys = [
        each.queue
        for each in pair.b.deliveries(pair.theirs)
        if each.kind is DeliveryKind.RATCHET_KEY
    ]
    assert keys == [1, 2]
    for _ in range(2 * WAIT_FOR_NEW_QUEUE):
        pair.settle()
    assert pair.ours == ALL
    assert pair.b.status(pair.theirs).can_send


def test_what_the_ratchet_before_has_left_in_the_new_queue(pair: Pair) -> None:
    """It comes when there is a new ratchet: that the sender uses the queue can still be seen."""
    pair.secured()
    new = pair.queues(pair.a)[-1]
    pair.go_on_until(lambda: bool(new.messages), without=(DrainQueue,))
    pair.b.on(pair.theirs, lambda step, c: resynchronise(step, c, force=True))
    for _ in range(10):
        for machine, connection_id in pair.sides:
            for work in machine.work(connection_id):
                pair.world.do(machine, work)
        for queue in pair.world.queues:
            if queue is not new and queue.messages and pair.world.can_deliver(queue):
                pair.world.deliver(queue)
    assert pair.a.status(pair.mine).synchrony is Synchrony.OK
    assert pair.ours == ALL[:-1]
    pair.check()
    assert pair.ours == ALL
    assert not any(isinstance(event, RatchetBroken) for event in pair.a.told)
    (left,) = pair.a.connection(pair.mine).receiving.values()
    assert not left.awaits_key


# --- crashes ------------------------------------------------------------------------------------


def test_a_crash_after_every_step(pair: Pair) -> None:
    """Whatever was stored is enough to go on, and what was done twice does no harm."""
    pair.rotate()
    for turn in range(100):
        if pair.ours == ALL and not pair.a.all_work() and not pair.b.all_work():
            break
        for machine in (pair.a, pair.b):
            for work in machine.all_work():
                pair.world.do(machine, work, Answer.LOST if turn % 2 else Answer.OK)
                machine.restart()
        for queue in list(pair.world.queues):
            if queue.messages:
                pair.world.deliver(queue)
                pair.world.deliver(queue)
                queue.owner.restart()
    pair.settle()
    # Queues whose making was not noticed are left to their routers.
    pair.world.queues[:] = [
        queue
        for queue in pair.world.queues
        if any(
            each.recipient_id == queue.recipient_id
            for each in queue.owner.connection(queue.connection_id).receiving.values()
        )
    ]
    pair.check()
    assert pair.ours == ALL
