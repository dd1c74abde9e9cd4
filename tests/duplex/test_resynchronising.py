"""New ratchets: who begins, who answers, and what becomes of messages meanwhile."""

from __future__ import annotations

from random import Random

import pytest
from attrs import evolve

from simplex_trio.duplex.errors import CannotResynchronise, NotSynchronised
from simplex_trio.duplex.events import (
    DeliveryFailed,
    Integrity,
    MessageSent,
    PeerMessage,
    Problem,
    RatchetBroken,
    ReceiptReceived,
    ReceivingProblem,
    ResynchronisationFailed,
    ResynchronisationRequested,
    Resynchronised,
    SecurityCodeChanged,
)
from simplex_trio.duplex.machine.connection import Synchrony
from simplex_trio.duplex.machine.delivering import (
    MESSAGE_TIMEOUT,
    QUOTA_TIMEOUT,
    SendFailure,
    not_delivered,
)
from simplex_trio.duplex.machine.messages import Delivery, DeliveryKind
from simplex_trio.duplex.machine.resynchronising import restored, resynchronise
from simplex_trio.duplex.machine.rotating import can_rotate
from simplex_trio.duplex.machine.sending import enqueue_message, expire_held
from simplex_trio.duplex.machine.step import Moment, OpenConnection, Spoken, Step
from simplex_trio.duplex.machine.work import Deliver
from simplex_trio.ratchet.x3dh import security_code
from simplex_trio.wire.versions import VersionRange
from tests.duplex.machines import Machine
from tests.duplex.worlds import Answer, World

OLD = Spoken(agent=VersionRange(2, 2))
E2E_2 = Spoken(ratchet=VersionRange(2, 2))


class Careful(Machine):
    """A machine whose program wants to be asked."""

    def moment(self) -> Moment:
        return evolve(super().moment(), answers_ratchet_keys=False)


class Pair:
    """Two machines that are connected, of which ``b`` has joined."""

    def __init__(
        self, a: Machine | None = None, b: Machine | None = None, *, pq: bool = False
    ) -> None:
        self.a = Machine("a") if a is None else a
        self.b = Machine("b") if b is None else b
        self.world = World(self.a, self.b)
        ids = self.world.connect(self.a, self.b, pq=pq)
        self.ids = {id(self.a): ids[0], id(self.b): ids[1]}

    def id_of(self, machine: Machine) -> str:
        return self.ids[id(machine)]

    def ask(self, machine: Machine, *, force: bool = True) -> None:
        machine.on(self.id_of(machine), lambda step, c: resynchronise(step, c, force=force))

    def send(self, machine: Machine, body: bytes = b"hello") -> int:
        return self.world.send(machine, self.id_of(machine), body)

    def settle(self) -> None:
        """Deliver everything, and acknowledge it."""
        before: object = None
        while before != (before := self.world.progress()):
            self.world.settle()
            for machine in (self.a, self.b):
                for event in [e for e in machine.told if isinstance(e, PeerMessage)]:
                    c = machine.connection(event.connection_id)
                    if any(q.held_message_id == event.message_id for q in c.receiving.values()):
                        self.world.acknowledge(
                            machine, event.connection_id, event.message_id, b"seen"
                        )

    def synchrony(self, machine: Machine) -> Synchrony:
        return machine.status(self.id_of(machine)).synchrony

    def messages(self, machine: Machine) -> list[PeerMessage]:
        return [event for event in machine.told if isinstance(event, PeerMessage)]

    def check(self) -> None:
        """Both sides have the same ratchet, and messages go both ways."""
        for machine in (self.a, self.b):
            assert self.synchrony(machine) is Synchrony.OK
        codes = {m.status(self.id_of(m)).security_code for m in (self.a, self.b)}
        assert len(codes) == 1
        for machine, peer in ((self.a, self.b), (self.b, self.a)):
            self.send(machine, b"afterwards")
            self.settle()
            last = self.messages(peer)[-1]
            assert (last.body, last.integrity) == (b"afterwards", Integrity.OK)

    def go_back(self, machine: Machine, copy: bytes) -> None:
        machine.database.connection.deserialize(copy)
        machine.database.connection.execute("PRAGMA foreign_keys = ON")
        machine.restart()


@pytest.mark.parametrize("pq", [False, True])
@pytest.mark.parametrize("side", [0, 1])
def test_one_side_asks_and_the_other_answers(side: int, pq: bool) -> None:
    for seed in range(4):  # both roles occur
        pair = Pair(
            Machine("a", random=Random(seed).randbytes),
            Machine("b", random=Random(-1 - seed).randbytes),
            pq=pq,
        )
        asking, answering = (pair.a, pair.b) if side == 0 else (pair.b, pair.a)
        before = asking.status(pair.id_of(asking)).security_code
        pair.ask(asking)
        assert pair.synchrony(asking) is Synchrony.STARTED
        assert asking.news() == []
        pair.settle()
        code = asking.status(pair.id_of(asking)).security_code
        assert code != before
        for machine in (asking, answering):
            changed, done = machine.news()
            assert isinstance(changed, SecurityCodeChanged)
            assert changed.security_code == code
            assert isinstance(done, Resynchronised)
        pair.check()
        assert asking.status(pair.id_of(asking)).pq is pq


def test_it_has_to_be_forced_if_nothing_is_wrong() -> None:
    pair = Pair()
    with pytest.raises(CannotResynchronise):
        pair.ask(pair.a, force=False)
    pair.ask(pair.a)
    keys = pair.a.deliveries(pair.id_of(pair.a))
    pair.ask(pair.a, force=False)
    pair.ask(pair.a)  # the key is still to be sent
    assert pair.a.deliveries(pair.id_of(pair.a)) == keys


@pytest.mark.parametrize("machine", ["a", "b"])
def test_peers_of_version_2_get_no_key(machine: str) -> None:
    pair = Pair(Machine("a", spoken=OLD)) if machine == "a" else Pair(b=Machine("b", spoken=OLD))
    for each in (pair.a, pair.b):
        with pytest.raises(CannotResynchronise):
            pair.ask(each)
        assert each.deliveries(pair.id_of(each)) == []


def test_a_connection_that_is_not_ready() -> None:
    a, b = Machine("a"), Machine("b")
    world = World(a, b)
    made = world.invite(a)
    with pytest.raises(CannotResynchronise):
        a.on(made.connection_id, lambda step, c: resynchronise(step, c, force=True))
    address = world.address(a)
    with pytest.raises(CannotResynchronise):
        a.on(address.connection_id, lambda step, c: resynchronise(step, c, force=True))


@pytest.mark.parametrize(
    ("spoken_a", "spoken_b"), [(E2E_2, E2E_2), (E2E_2, Spoken()), (Spoken(), E2E_2)]
)
@pytest.mark.parametrize("pq", [False, True])
def test_encryption_of_version_2(spoken_a: Spoken, spoken_b: Spoken, pq: bool) -> None:
    pair = Pair(Machine("a", spoken=spoken_a), Machine("b", spoken=spoken_b), pq=pq)
    for machine in (pair.a, pair.b, pair.a):
        pair.ask(machine)
        pair.settle()
        pair.check()
    pair.ask(pair.a)
    pair.ask(pair.b)
    pair.settle()
    pair.check()


def test_both_ask_at_once() -> None:
    pair = Pair(pq=True)
    pair.ask(pair.a)
    pair.ask(pair.b)
    pair.settle()
    assert sum(isinstance(each, SecurityCodeChanged) for each in pair.a.news()) == 1
    pair.check()


# --- messages -----------------------------------------------------------------------------------


def test_nothing_is_sent_meanwhile() -> None:
    pair = Pair()
    assert pair.a.look(lambda step: can_rotate(step.connection(pair.id_of(pair.a))))
    pair.ask(pair.a)
    with pytest.raises(NotSynchronised):
        pair.send(pair.a)
    assert not pair.a.status(pair.id_of(pair.a)).can_send
    assert not pair.a.look(lambda step: can_rotate(step.connection(pair.id_of(pair.a))))
    pair.settle()
    assert pair.a.look(lambda step: can_rotate(step.connection(pair.id_of(pair.a))))
    pair.check()


@pytest.mark.parametrize("first", [Answer.LOST, Answer.NETWORK, None])
def test_what_is_queued_arrives_once_and_in_order(first: Answer | None) -> None:
    """Whatever has become of the first one."""
    pair = Pair()
    ids = [pair.send(pair.a, b"%d" % number) for number in range(4)]
    if first is not None:
        work = pair.a.only(pair.id_of(pair.a), Deliver)
        pair.world.do(pair.a, work, first)
    pair.ask(pair.a)
    held = [each.message_id for each in pair.a.deliveries(pair.id_of(pair.a)) if each.is_held]
    assert held == ids[1:]
    pair.settle()
    came = pair.messages(pair.b)
    assert [event.body for event in came] == [b"0", b"1", b"2", b"3"]
    assert all(event.integrity is Integrity.OK for event in came)
    told = pair.a.told
    assert [e.message_id for e in told if isinstance(e, MessageSent)] == ids
    assert [e.message_id for e in told if isinstance(e, ReceiptReceived)] == ids
    pair.check()


def test_what_a_loss_of_power_may_hide_is_not_encrypted_again() -> None:
    """Routers may have it, though the store does not know: it would come twice."""
    pair = Pair()
    ids = [pair.send(pair.a, b"%d" % number) for number in range(3)]
    pair.a.restart()
    pair.a.now += 1
    ids.append(pair.send(pair.a, b"3"))
    pair.ask(pair.a)
    held = [each.message_id for each in pair.a.deliveries(pair.id_of(pair.a)) if each.is_held]
    assert held == ids[3:]
    pair.settle()
    assert [event.body for event in pair.messages(pair.b)] == [b"0", b"1", b"2", b"3"]
    pair.check()


def test_a_body_that_is_shared_is_held_back() -> None:
    pair = Pair()
    connection_id = pair.id_of(pair.a)

    def broadcast(step: Step, c: OpenConnection) -> None:
        number = step.rows.add_body(b"shared")
        for _ in range(2):
            enqueue_message(step, c, b"shared", number, notify=True, pq=None)

    pair.a.on(connection_id, broadcast)
    pair.ask(pair.a)
    pair.settle()
    assert [event.body for event in pair.messages(pair.b)] == [b"shared", b"shared"]
    count = pair.a.database.connection.execute("SELECT count(*) FROM bodies").fetchone()
    assert count == (0,)


def test_receipts_wait() -> None:
    pair = Pair()
    message_id = pair.send(pair.a)
    pair.world.settle()
    [message] = pair.messages(pair.b)
    pair.ask(pair.b)
    pair.world.acknowledge(pair.b, message.connection_id, message.message_id, b"seen")
    assert [each.is_held for each in pair.b.deliveries(pair.id_of(pair.b))] == [False, True]
    pair.settle()
    receipts = [event for event in pair.a.told if isinstance(event, ReceiptReceived)]
    assert [event.message_id for event in receipts] == [message_id]


def test_what_is_held_back_for_too_long_is_given_up() -> None:
    pair = Pair()
    ids = [pair.send(pair.a) for _ in range(3)]
    pair.ask(pair.a)
    pair.a.now += QUOTA_TIMEOUT + 1
    before = pair.a.now - QUOTA_TIMEOUT
    pair.a.news()
    pair.a.on(pair.id_of(pair.a), lambda step, c: expire_held(step, c, before))
    failed = pair.a.news_of(DeliveryFailed)
    assert failed.message_ids == tuple(ids[1:])


@pytest.mark.parametrize("failure", [SendFailure.GONE, SendFailure.TEMPORARY])
def test_a_key_that_cannot_be_sent(failure: SendFailure) -> None:
    pair = Pair()
    connection_id = pair.id_of(pair.a)
    pair.ask(pair.a)
    pair.a.now += MESSAGE_TIMEOUT
    work = pair.a.only(connection_id, Deliver)
    pair.a.on(connection_id, lambda step, c: not_delivered(step, c, work.delivery, failure))
    assert pair.a.news_of(ResynchronisationFailed).problem is failure.problem
    assert pair.synchrony(pair.a) is Synchrony.REQUIRED
    pair.ask(pair.a, force=False)
    pair.settle()
    pair.check()


def test_what_is_held_back_is_given_up_if_the_peer_is_gone() -> None:
    pair = Pair()
    connection_id = pair.id_of(pair.a)
    ids = [pair.send(pair.a) for _ in range(3)]
    pair.ask(pair.a)
    for _ in range(2):
        work = pair.a.only(connection_id, Deliver)
        pair.world.do(pair.a, work, Answer.GONE)
    told = [event for event in pair.a.told if isinstance(event, DeliveryFailed)]
    assert [event.message_ids for event in told] == [(ids[0],), tuple(ids[1:])]
    assert pair.a.deliveries(connection_id) == []


def test_numbers_of_keys_are_no_gap() -> None:
    pair = Pair()
    for _ in range(3):
        pair.ask(pair.a)
        pair.settle()
        pair.ask(pair.b)
        pair.settle()
        pair.check()
    problems = [e for m in (pair.a, pair.b) for e in m.told if isinstance(e, ReceivingProblem)]
    assert problems == []
    for machine, peer in ((pair.a, pair.b), (pair.b, pair.a)):
        row, other = (m.connection(pair.id_of(m)).row for m in (machine, peer))
        assert row.last_sent == other.last_received
        assert row.sent_hash == other.received_hash


# --- keys ---------------------------------------------------------------------------------------


def test_a_key_that_comes_again() -> None:
    pair = Pair()
    queue = pair.world.queue_of(pair.b, pair.id_of(pair.b))
    pair.ask(pair.a)
    pair.world.do_all(pair.a)
    body = queue.messages[-1][1]
    pair.world.put(queue, body)
    pair.settle()
    pair.world.put(queue, body)
    pair.settle()
    assert sum(isinstance(each, SecurityCodeChanged) for each in pair.b.news()) == 1
    pair.check()


def test_a_degenerate_key() -> None:
    pair = Pair()
    queue = pair.world.queue_of(pair.b, pair.id_of(pair.b))
    pair.ask(pair.a)
    connection_id = pair.id_of(pair.a)

    def spoil(step: Step, c: OpenConnection) -> None:
        [delivery] = step.rows.find(Delivery, connection_id=connection_id)
        assert delivery.kind is DeliveryKind.RATCHET_KEY
        keys = c.row.own_keys
        assert keys is not None
        bad = delivery.plaintext.replace(keys.second.public.raw, bytes(56))
        step.rows.update(delivery, evolve(delivery, plaintext=bad))

    pair.a.on(connection_id, spoil)
    before = pair.b.connection(pair.id_of(pair.b)).row
    pair.world.do_all(pair.a)
    pair.world.deliver(queue)
    assert pair.b.news_of(ReceivingProblem).problem is Problem.MALFORMED
    assert pair.b.connection(pair.id_of(pair.b)).row == before
    assert pair.b.deliveries(pair.id_of(pair.b)) == []


def test_the_last_code_alone_waits_to_be_taken() -> None:
    pair = Pair()
    for _ in range(5):
        pair.ask(pair.a)
        pair.settle()
    codes = [e for e in pair.b.stored_events() if isinstance(e, SecurityCodeChanged)]
    ratchet = pair.b.connection(pair.id_of(pair.b)).row.ratchet
    assert ratchet is not None
    assert [event.security_code for event in codes] == [security_code(ratchet.security_hash)]


def test_the_program_is_asked() -> None:
    pair = Pair(b=Careful("b"))
    before = pair.b.status(pair.id_of(pair.b)).security_code
    pair.ask(pair.a)
    pair.settle()
    assert isinstance(pair.b.news_of(ResynchronisationRequested), ResynchronisationRequested)
    pair.a.now += 3600
    pair.ask(pair.a)
    pair.settle()
    assert pair.b.news() == []  # it is told once
    assert pair.b.status(pair.id_of(pair.b)).security_code == before
    pair.send(pair.b, b"by the old one")
    pair.settle()
    assert pair.messages(pair.a)[-1].body == b"by the old one"
    pair.ask(pair.b, force=False)
    pair.settle()
    pair.check()


def test_a_program_that_has_asked_itself_is_not_asked() -> None:
    pair = Pair(Careful("a"), Careful("b"))
    pair.ask(pair.a)
    pair.ask(pair.b)
    pair.settle()
    pair.check()


# --- older stores -------------------------------------------------------------------------------


@pytest.mark.parametrize("asks", ["a", "b"])
def test_a_store_that_is_older_than_it_is_known_to_be(asks: str) -> None:
    """Of what the peer sent meanwhile nothing can be decrypted, and it learns of that."""
    pair = Pair(pq=True)
    for _ in range(2):
        pair.send(pair.a)
        pair.send(pair.b)
        pair.settle()
    copy = pair.b.database.connection.serialize()
    for _ in range(3):
        pair.send(pair.a)
        pair.send(pair.b)
        pair.settle()
    pair.go_back(pair.b, copy)
    pair.b.news()
    lost = [pair.send(pair.a, b"lost") for _ in range(2)]
    pair.settle()
    problem, broken = pair.b.news()
    assert isinstance(problem, ReceivingProblem)
    assert isinstance(broken, RatchetBroken)
    assert broken.must_resynchronise
    with pytest.raises(NotSynchronised):
        pair.send(pair.b)
    pair.a.news()
    pair.ask(pair.b if asks == "b" else pair.a)
    pair.settle()
    failed = [event for event in pair.a.news() if isinstance(event, DeliveryFailed)]
    assert [(event.message_ids, event.problem) for event in failed] == [
        (tuple(lost), Problem.DECRYPTION)
    ]
    pair.check()


def test_a_store_that_was_restored_knowingly() -> None:
    """Nothing is encrypted with keys that were used, and what was queued is not sent twice."""
    pair = Pair()
    pair.send(pair.b, b"before")
    pair.settle()
    queued = [pair.send(pair.b, b"queued %d" % number) for number in range(3)]
    copy = pair.b.database.connection.serialize()
    pair.settle()
    pair.go_back(pair.b, copy)
    pair.b.on(pair.id_of(pair.b), restored)
    with pytest.raises(NotSynchronised):
        pair.send(pair.b)
    assert pair.b.told[-1] == RatchetBroken(pair.id_of(pair.b), must_resynchronise=True)
    pair.ask(pair.b, force=False)
    deliveries = pair.b.deliveries(pair.id_of(pair.b))
    assert [each.message_id for each in deliveries if not each.is_held][:3] == queued
    pair.settle()
    bodies = [event.body for event in pair.messages(pair.a)]
    assert bodies == [b"before", b"queued 0", b"queued 1", b"queued 2"]
    pair.check()


def test_a_damaged_message_alone_stops_nothing() -> None:
    pair = Pair()
    queue = pair.world.queue_of(pair.b, pair.id_of(pair.b))
    connection_id = pair.id_of(pair.a)
    pair.send(pair.a, b"damaged")

    def damage(step: Step, c: OpenConnection) -> None:
        [delivery] = step.rows.find(Delivery, connection_id=connection_id)
        assert delivery.sending_key is not None
        key = bytearray(delivery.sending_key)
        key[10] ^= 1  # of the message's key, so that the header is as it was
        step.rows.update(delivery, evolve(delivery, sending_key=bytes(key)))

    pair.a.on(connection_id, damage)
    pair.world.do_all(pair.a)
    pair.world.deliver(queue)
    _, broken = pair.b.news()
    assert isinstance(broken, RatchetBroken)
    assert not broken.must_resynchronise
    assert pair.synchrony(pair.b) is Synchrony.ALLOWED
    pair.send(pair.b, b"goes on")
    pair.send(pair.a, b"and on")
    pair.settle()
    assert pair.synchrony(pair.b) is Synchrony.OK
    assert isinstance(pair.b.news()[0], Resynchronised | PeerMessage | MessageSent)
    pair.check()
