"""The machine under everything that networks, peers and programs do, in any order.

Two machines are connected through unreliable routers.  At every moment each connection has a way
on: there is work for it, or it waits for the peer or the program in a state that says so, or it has
failed and the program was told.  Numbers never repeat and none gets lost.  When the network is good
again, every message that was not given up has come once, in order.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from simplex_trio.duplex.errors import CannotRotate, CannotSend
from simplex_trio.duplex.events import (
    ConnectionEvent,
    ConnectionFailed,
    ConnectionReady,
    DeliveryFailed,
    Integrity,
    MessageSent,
    PeerMessage,
    ReceivingProblem,
    RotationSide,
)
from simplex_trio.duplex.machine.connection import Acknowledgement, Connection
from simplex_trio.duplex.machine.deleting import delete
from simplex_trio.duplex.machine.messages import EarlyArrival, ReceivedMessage, Request
from simplex_trio.duplex.machine.rotating import abort, rotate
from simplex_trio.duplex.machine.sending import enqueue_message
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.duplex.machine.work import Deliver, Work
from simplex_trio.duplex.status import ConnectionState
from tests.duplex.machines import Crash, Machine
from tests.duplex.worlds import Answer, World

GOES_ON_BY_ITSELF = {ConnectionState.CREATING, ConnectionState.JOINING, ConnectionState.DELETING}
"""States in which a connection waits for nobody, so that it must have work."""

WAITS = {
    ConnectionState.OFFERED,
    ConnectionState.ADDRESS,
    ConnectionState.CONFIRMED,
    ConnectionState.WAITING,
    ConnectionState.READY,
}
"""States that say whose turn it is, if there is no work."""

MAX_CONNECTIONS = 3

numbers = st.integers(0, 50)
machines = st.integers(0, 1)
faults = st.sampled_from([Answer.OK] * 6 + [Answer.LOST, Answer.LOST, Answer.NETWORK])


class Unreliable(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[tuple[str, str], tuple[int, int]] = {}
        """The last numbers of each connection."""
        self.sent: dict[tuple[str, str], list[int]] = {}
        """Ids that programs got for their messages."""
        self.links: list[tuple[str, bool]] = []
        """Links, and whether they are for many."""
        self.joined: set[str] = set()
        self.refused: set[tuple[str, str]] = set()
        """Connections that a router has refused something for."""

    @initialize(
        slow=st.sampled_from(["", "", "a", "b", "ab"]),
        pq=st.booleans(),
        begin=st.sampled_from(["connected", "joined", "asked", "nothing"]),
    )
    def start(self, slow: str, pq: bool, begin: str) -> None:
        self.a, self.b = Machine("a"), Machine("b")
        without = [machine for machine in (self.a, self.b) if machine.name in slow]
        self.world = World(self.a, self.b, capacity=3, without_modes=without)
        self.both = (self.a, self.b)
        self.pq = pq
        if begin == "connected":
            self.world.connect(self.a, self.b, pq=pq)
        elif begin != "nothing":
            self.create(1, short=True, address=begin == "asked")
            self.join(0, 0)

    # --- choosing -------------------------------------------------------------------------------

    def connections(self, machine: Machine) -> list[Connection]:
        return sorted(machine.connections(), key=lambda row: (row.created_at, row.connection_id))

    def works(self) -> list[tuple[Machine, Work]]:
        return [(machine, work) for machine in self.both for work in machine.all_work()]

    def pick(self, number: int, those: list[tuple[Machine, str]]) -> tuple[Machine, str] | None:
        return those[number % len(those)] if those else None

    def all_connections(self) -> list[tuple[Machine, str]]:
        return [
            (machine, row.connection_id)
            for machine in self.both
            for row in self.connections(machine)
        ]

    # --- programs -------------------------------------------------------------------------------

    @precondition(lambda self: len(self.links) < MAX_CONNECTIONS)
    @rule(number=machines, short=st.booleans(), address=st.booleans())
    def create(self, number: int, short: bool, address: bool) -> None:
        machine = self.both[number]
        short = short and machine not in self.world.without_modes
        make = self.world.address if address else self.world.invite
        ready = make(machine, short=short, pq=self.pq)
        self.links.append((ready.short_link or ready.link, address))

    @rule(number=numbers, machine=machines, decides=st.booleans())
    def join(self, number: int, machine: int, decides: bool = False) -> None:
        left = [link for link, _ in self.links if link not in self.joined]
        if left:
            link = left[number % len(left)]
            self.joined.add(link)
            self.world.join(self.both[machine], link, pq=self.pq, decides=decides)

    @rule()
    def accept(self) -> None:
        for machine, connection_id in self.all_connections():
            if machine.status(connection_id).state is ConnectionState.CONFIRMED:
                self.world.accept(machine, connection_id)
                self.world.accept(machine, connection_id)  # which changes nothing
        for machine in self.both:
            for request in machine.rows.find(Request):
                self.world.accept_request(machine, request.request_id)

    @rule(number=numbers, pq=st.sampled_from([None, None, True, False]), count=st.integers(1, 3))
    def send(self, number: int, pq: bool | None, count: int) -> None:
        found = self.pick(number, self.all_connections())
        if found is None:
            return
        machine, connection_id = found
        status = machine.status(connection_id)
        wanted = pq if self.pq else None

        def decide(step: Step, c: OpenConnection) -> int:
            body = b"%d" % (c.row.last_message_id + 1)
            return enqueue_message(step, c, body, None, notify=True, pq=wanted)

        if status.can_send:
            ids = self.sent.setdefault(self.key(*found), [])
            ids += [machine.on(connection_id, decide) for _ in range(count)]
            assert ids == sorted(set(ids))
        elif not machine.connection(connection_id).sending:
            with pytest.raises(CannotSend):
                machine.on(connection_id, decide)

    @rule(number=numbers, receipt=st.booleans(), crash=st.booleans())
    def acknowledge(self, number: int, receipt: bool, crash: bool) -> None:
        held = [
            (machine, message)
            for machine in self.both
            for message in machine.rows.find(ReceivedMessage)
        ]
        if not held:
            return
        machine, message = held[number % len(held)]
        call = (machine, message.connection_id, message.message_id, b"" if receipt else None)
        if crash:
            with pytest.raises(Crash):
                self.world.acknowledge(*call, crash=True)
            machine.restart()
        else:
            self.world.acknowledge(*call)

    @rule(number=numbers, after_delivery=st.booleans())
    def delete(self, number: int, after_delivery: bool) -> None:
        found = self.pick(number, self.all_connections())
        # Deleting is rare, or there is little to see.
        if found is not None and number % 10 == 0:
            machine, connection_id = found
            machine.on(
                connection_id,
                lambda step, c: delete(step, c, after_delivery=after_delivery),
            )
            self.refused.update(self.key(*each) for each in self.all_connections())

    @rule(number=numbers, gives_up=st.booleans())
    def rotate(self, number: int, gives_up: bool) -> None:
        """Move a queue, or think better of it."""
        found = self.pick(number, self.all_connections())
        if found is not None:
            machine, connection_id = found
            with suppress(CannotRotate):
                machine.on(connection_id, abort if gives_up and number % 3 == 0 else rotate)

    # --- networks -------------------------------------------------------------------------------

    @rule(number=numbers, answers=st.lists(faults, min_size=2, max_size=5))
    def work(self, number: int, answers: list[Answer]) -> None:
        for answer in answers:
            works = self.works()
            if works:
                self.world.do(*works[number % len(works)], answer)

    @rule(number=numbers)
    def stale_work(self, number: int) -> None:
        """Its answer comes when the same has been done again meanwhile."""
        works = self.works()
        if works:
            machine, work = works[number % len(works)]
            self.world.do(machine, work)
            self.world.do(machine, work)

    @rule(number=numbers, crash=st.booleans(), again=st.booleans())
    def deliver(self, number: int, crash: bool, again: bool) -> None:
        queues = [queue for queue in self.world.queues if queue.messages]
        if not queues:
            return
        queue = queues[number % len(queues)]
        if crash:
            with pytest.raises(Crash):
                self.world.deliver(queue, crash=True)
            queue.owner.restart()
        for _ in range(1 + again):
            self.world.deliver(queue)
        for other in queues:
            if number % 2 and other is not queue:
                self.world.deliver(other)

    @rule(number=numbers)
    def duplicate(self, number: int) -> None:
        """A message is in the queue twice: its sender did not get the router's answer."""
        queues = [queue for queue in self.world.queues if queue.messages]
        if queues:
            queue = queues[number % len(queues)]
            body = queue.messages[-1][1]
            if body is not None and not queue.is_full:
                self.world.put(queue, body)

    @rule(number=machines)
    def restart(self, number: int) -> None:
        self.both[number].restart()

    # --- what is always true --------------------------------------------------------------------

    @staticmethod
    def key(machine: Machine, connection_id: str) -> tuple[str, str]:
        return machine.name, connection_id

    @invariant()
    def each_connection_has_a_way_on(self) -> None:
        for machine, connection_id in self.all_connections():
            state = machine.status(connection_id).state
            work = machine.work(connection_id)
            failed = self.count(machine, connection_id, ConnectionFailed)
            if state in GOES_ON_BY_ITSELF:
                assert work, state
            elif state is ConnectionState.FAILED:
                assert failed == 1
            else:
                assert state in WAITS
                assert failed == 0
            ready = self.count(machine, connection_id, ConnectionReady)
            assert ready == machine.connection(connection_id).row.ready
            has_work = connection_id in machine.rows.connections_with_work()
            assert has_work == bool(work)

    @invariant()
    def nothing_that_is_queued_lacks_work(self) -> None:
        for machine, connection_id in self.all_connections():
            c = machine.connection(connection_id)
            work = machine.work(connection_id)
            lanes = [each.lane for each in work]
            assert len(lanes) == len(set(lanes))
            for number in {each.queue for each in machine.deliveries(connection_id)}:
                assert any(each.number == number for each in work if isinstance(each, Deliver)) or (
                    c.sending[number].status.value == 1
                )
            for queue in c.receiving.values():
                early = machine.rows.get(EarlyArrival, connection_id, queue.number)
                assert (early is not None) == (queue.acknowledgement is Acknowledgement.EARLY)
                if queue.acknowledgement is Acknowledgement.HELD and not queue.held_message_id:
                    state = machine.status(connection_id).state
                    assert state in (ConnectionState.CONFIRMED, ConnectionState.FAILED)
                elif queue.acknowledgement is Acknowledgement.HELD:
                    held = (ReceivedMessage, connection_id, queue.held_message_id)
                    assert machine.rows.get(*held) is not None

    @invariant()
    def numbers_go_up(self) -> None:
        for machine, connection_id in self.all_connections():
            row = machine.connection(connection_id).row
            before = self.counts.get(self.key(machine, connection_id), (0, 0))
            now = row.last_message_id, row.last_sent
            assert now >= before
            self.counts[self.key(machine, connection_id)] = now
            told = [
                event.message_id
                for event in self.told(machine, connection_id)
                if isinstance(event, PeerMessage)
            ]
            assert told == sorted(set(told))
            sent = self.sent.get(self.key(machine, connection_id), [])
            assert not set(told) & set(sent)

    def told(self, machine: Machine, connection_id: str) -> list[object]:
        return [
            event
            for event in machine.told
            if isinstance(event, ConnectionEvent) and event.connection_id == connection_id
        ]

    def count(self, machine: Machine, connection_id: str, kind: type[object]) -> int:
        return sum(isinstance(event, kind) for event in self.told(machine, connection_id))

    # --- the end --------------------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.go_on_until_nothing_is_left()
        if not self.refused:
            problems = [
                (machine.name, event.problem)
                for machine in self.both
                for event in machine.told
                if isinstance(event, ReceivingProblem | ConnectionFailed)
            ]
            assert problems == []
        for machine, connection_id in self.all_connections():
            status = machine.status(connection_id)
            assert status.queued == 0
            if not self.refused:
                # The peer may think of a move that this side has given up, and nothing else.
                assert len(machine.connection(connection_id).receiving) == 1
                assert all(each.side is RotationSide.SENDING for each in status.rotations)
            assert machine.work(connection_id) == []
            if not self.refused:
                assert status.state in (
                    ConnectionState.READY,
                    ConnectionState.OFFERED,
                    ConnectionState.ADDRESS,
                    ConnectionState.WAITING,
                )
            self.check_messages(machine, connection_id)

    def go_on_until_nothing_is_left(self) -> None:
        """The network is good, and programs answer everything."""
        before: object = None
        while before != (before := self.world.progress()):
            self.world.settle()
            for machine in self.both:
                for row in self.connections(machine):
                    if machine.status(row.connection_id).state is ConnectionState.CONFIRMED:
                        self.world.accept(machine, row.connection_id)
                for request in machine.rows.find(Request):
                    self.world.accept_request(machine, request.request_id)
                for message in machine.rows.find(ReceivedMessage):
                    self.world.acknowledge(machine, message.connection_id, message.message_id)

    def check_messages(self, machine: Machine, connection_id: str) -> None:
        received = [e for e in self.told(machine, connection_id) if isinstance(e, PeerMessage)]
        assert all(event.integrity is Integrity.OK for event in received)
        assert len({event.sender_message_id for event in received}) == len(received)
        bodies = [int(event.body) for event in received]
        assert bodies == sorted(bodies)
        peers = [
            (peer, row)
            for peer in self.both
            for row in peer.connections()
            if row.connection_id != connection_id
            and row.ratchet is not None
            and self.is_peer(machine, connection_id, row)
        ]
        for peer, row in peers:
            ids = self.sent.get(self.key(peer, row.connection_id), [])
            events = self.told(peer, row.connection_id)
            given_up = {
                number
                for event in events
                if isinstance(event, DeliveryFailed)
                for number in event.message_ids
            }
            assert bodies == [each for each in ids if each not in given_up]
            accepted = [event.message_id for event in events if isinstance(event, MessageSent)]
            assert accepted == [each for each in ids if each not in given_up]

    def is_peer(self, machine: Machine, connection_id: str, row: Connection) -> bool:
        mine = machine.connection(connection_id).row.ratchet
        assert row.ratchet is not None
        return mine is not None and mine.security_hash == row.ratchet.security_hash


TestMachine = Unreliable.TestCase
TestMachine.settings = settings(max_examples=settings().max_examples // 4, stateful_step_count=60)
