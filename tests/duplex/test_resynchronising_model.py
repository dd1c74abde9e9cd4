"""New ratchets under everything that networks and programs do, in any order.

Two machines are connected.  Their programs ask for new ratchets at any time, by force too; networks
are slow, lose answers and repeat messages; and then routers lose messages, and programs go on with
older copies of their stores.  In the end both sides have the same ratchet and can send.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from simplex_trio.duplex.errors import CannotResynchronise, NotSynchronised
from simplex_trio.duplex.events import (
    DeliveryFailed,
    Integrity,
    MessageSent,
    PeerMessage,
    Problem,
    SecurityCodeChanged,
)
from simplex_trio.duplex.machine import resynchronising
from simplex_trio.duplex.machine.connection import Synchrony
from simplex_trio.duplex.machine.messages import ReceivedMessage
from simplex_trio.duplex.machine.resynchronising import (
    KEYS_REPLACED_AFTER,
    Decryption,
    resynchronise,
)
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.duplex.machine.work import Work
from simplex_trio.ratchet.x3dh import X3DHPrivateKeys
from simplex_trio.wire.duplex.x3dh_keys import X3DHKeys
from tests.duplex.machines import NOW, Machine
from tests.duplex.worlds import Answer, Queue, World

numbers = st.integers(0, 50)
sides = st.integers(0, 1)
faults = st.sampled_from([Answer.OK] * 6 + [Answer.LOST, Answer.NETWORK])

MAX_CALLS = 12
"""So many times at most programs have to ask when routers have lost messages."""


class Resynchronising(RuleBasedStateMachine):
    is_reference_there = False
    """Nothing is lost, and nothing is restored."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, list[int]] = {"a": [], "b": []}

    @initialize(pq=st.booleans())
    def connect(self, pq: bool) -> None:
        self.a, self.b = self.both = Machine("a"), Machine("b")
        self.world = World(self.a, self.b, capacity=8)
        ids = self.world.connect(self.a, self.b, pq=pq)
        self.ids = {"a": ids[0], "b": ids[1]}
        for machine in self.both:
            self.send_one(machine)
        self.world.settle()

    def id_of(self, machine: Machine) -> str:
        return self.ids[machine.name]

    def synchrony(self, machine: Machine) -> Synchrony:
        return machine.status(self.id_of(machine)).synchrony

    # --- programs -------------------------------------------------------------------------------

    @rule(side=sides, force=st.booleans())
    def ask(self, side: int, force: bool) -> None:
        machine = self.both[side]
        before = self.synchrony(machine)
        call = self.call(machine, force=force)
        if before is Synchrony.OK and not force:
            with pytest.raises(CannotResynchronise):
                call()
        else:
            call()

    def call(self, machine: Machine, *, force: bool) -> Callable[[], None]:
        return lambda: machine.on(
            self.id_of(machine), lambda step, c: resynchronise(step, c, force=force)
        )

    @rule(number=numbers)
    def time_passes(self, number: int) -> None:
        # Nothing is given up because it waits for too long.
        if number % 4 == 0 and self.both[0].now < NOW + 20 * KEYS_REPLACED_AFTER:
            self.an_hour_passes()

    def an_hour_passes(self) -> None:
        for machine in self.both:
            machine.now += KEYS_REPLACED_AFTER

    @rule(side=sides)
    def send(self, side: int) -> None:
        machine = self.both[side]
        if self.synchrony(machine) in (Synchrony.OK, Synchrony.ALLOWED):
            self.send_one(machine)
        else:
            with pytest.raises(NotSynchronised):
                self.world.send(machine, self.id_of(machine))

    def send_one(self, machine: Machine) -> None:
        connection_id = self.id_of(machine)
        body = b"%d" % (machine.connection(connection_id).row.last_message_id + 1)
        self.sent[machine.name].append(self.world.send(machine, connection_id, body))

    @rule(number=numbers, receipt=st.booleans())
    def acknowledge(self, number: int, receipt: bool) -> None:
        held = [
            (machine, message)
            for machine in self.both
            for message in machine.rows.find(ReceivedMessage)
        ]
        if held:
            machine, message = held[number % len(held)]
            self.world.acknowledge(
                machine, message.connection_id, message.message_id, b"" if receipt else None
            )

    # --- networks -------------------------------------------------------------------------------

    def works(self) -> list[tuple[Machine, Work]]:
        return [(machine, work) for machine in self.both for work in machine.all_work()]

    def waiting(self) -> list[Queue]:
        return [queue for queue in self.world.queues if queue.messages]

    @rule(number=numbers, answers=st.lists(faults, min_size=1, max_size=4))
    def work(self, number: int, answers: list[Answer]) -> None:
        for answer in answers:
            works = self.works()
            if works:
                self.world.do(*works[number % len(works)], answer)

    @rule(number=numbers, count=st.integers(1, 3))
    def deliver(self, number: int, count: int) -> None:
        for _ in range(count):
            if waiting := self.waiting():
                self.world.deliver(waiting[number % len(waiting)])

    @rule(number=numbers)
    def repeat(self, number: int) -> None:
        """A message is in the queue twice: its sender did not get the router's answer."""
        if waiting := self.waiting():
            queue = waiting[number % len(waiting)]
            body = queue.messages[-1][1]
            if body is not None and not queue.is_full:
                self.world.put(queue, body)

    @rule(side=sides)
    def restart(self, side: int) -> None:
        self.both[side].restart()

    @invariant()
    def what_is_held_back_waits_for_something(self) -> None:
        if not hasattr(self, "world"):
            return
        for machine in self.both:
            status = machine.status(self.id_of(machine))
            held = [each for each in machine.deliveries(self.id_of(machine)) if each.is_held]
            if status.synchrony in (Synchrony.OK, Synchrony.ALLOWED):
                assert not held
            else:
                assert not status.can_send

    # --- the end --------------------------------------------------------------------------------

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.settle()
            self.check_synchronised()
            self.check_messages()

    def settle(self) -> None:
        """The network is good, and programs acknowledge everything."""
        for _ in range(1000):
            before = self.world.progress()
            self.world.settle()
            for machine in self.both:
                for message in machine.rows.find(ReceivedMessage):
                    self.world.acknowledge(machine, message.connection_id, message.message_id)
            if before == self.world.progress() and not self.works():
                return

    def is_synchronised(self) -> bool:
        return all(self.synchrony(machine) is Synchrony.OK for machine in self.both)

    def check_synchronised(self) -> None:
        assert self.is_synchronised()
        codes = {machine.status(self.id_of(machine)).security_code for machine in self.both}
        assert len(codes) == 1
        for machine in self.both:
            assert machine.work(self.id_of(machine)) == []
            self.send_one(machine)
        self.settle()
        for machine in self.both:
            # The last of each side has come.
            peer = self.b if machine is self.a else self.a
            assert self.received(peer)[-1] == self.sent[machine.name][-1]
            row = machine.connection(self.id_of(machine)).row
            assert self.is_reference_there or (
                row.own_keys,
                row.other_ratchet,
            ) == (None, None)
            # Programs know the code.
            if changed := [e for e in machine.told if isinstance(e, SecurityCodeChanged)]:
                assert {changed[-1].security_code} == codes

    def received(self, machine: Machine) -> list[int]:
        return [int(event.body) for event in machine.told if isinstance(event, PeerMessage)]

    def check_messages(self) -> None:
        for machine, peer in ((self.a, self.b), (self.b, self.a)):
            came = [event for event in peer.told if isinstance(event, PeerMessage)]
            assert [int(event.body) for event in came] == self.sent[machine.name]
            assert all(event.integrity is Integrity.OK for event in came)
            accepted = [e.message_id for e in machine.told if isinstance(e, MessageSent)]
            assert accepted == self.sent[machine.name]
            assert not any(isinstance(event, DeliveryFailed) for event in machine.told)


class Losing(Resynchronising):
    """Routers lose messages, and programs go on with older copies of their stores."""

    def __init__(self) -> None:
        super().__init__()
        self.copies: dict[str, bytes] = {}

    @rule(number=numbers)
    def lose(self, number: int) -> None:
        waiting = self.waiting()
        if waiting and number % 3 == 0:
            queue = waiting[number % len(waiting)]
            if queue.messages[-1][1] is not None:
                queue.messages.pop()

    @rule(side=sides)
    def copy(self, side: int) -> None:
        machine = self.both[side]
        self.copies[machine.name] = machine.database.connection.serialize()

    @rule(side=sides, number=numbers)
    def go_back(self, side: int, number: int) -> None:
        machine = self.both[side]
        copy = self.copies.get(machine.name)
        if copy is not None and number % 4 == 0:
            machine.database.connection.deserialize(copy)
            machine.database.connection.execute("PRAGMA foreign_keys = ON")
            machine.restart()

    def settle(self) -> None:
        super().settle()
        for _ in range(MAX_CALLS):
            if self.works_both_ways():
                return
            self.an_hour_passes()
            # A program asks where its own side says that something is wrong.
            for machine in self.both:
                if self.synchrony(machine) is not Synchrony.OK:
                    self.call(machine, force=True)()
                    super().settle()
                    break

    def works_both_ways(self) -> bool:
        """Whether both sides say that all is well, after each has sent something."""
        if not self.is_synchronised():
            return False
        for machine in self.both:
            self.send_one(machine)
            super().settle()
        return self.is_synchronised()

    def check_messages(self) -> None:
        for machine in self.both:
            for event in machine.told:
                assert not isinstance(event, DeliveryFailed) or (
                    event.problem is Problem.DECRYPTION
                )


class Reference(Resynchronising):
    is_reference_there = True
    """One side does as the reference's agent, which takes no key while it is agreed."""

    @initialize(side=sides)
    def choose(self, side: int) -> None:
        self.side = side
        self.patch = pytest.MonkeyPatch()
        take_key, begin_again = resynchronising._take_key, resynchronising._begin_again
        proven = resynchronising._proven
        self.races = False
        before: list[X3DHPrivateKeys] = []

        def take(step: Step, c: OpenConnection, peer: X3DHKeys) -> None:
            if self.is_reference(c) and self.races and before:
                c.change(own_keys=before.pop())
                self.races = False
            if self.is_reference(c) and c.row.synchrony is Synchrony.AGREED:
                c.change(synchrony=Synchrony.REQUIRED, own_keys=None)
            else:
                take_key(step, c, peer)
            if self.is_reference(c):
                # It takes no key twice, and has one ratchet.
                c.change(peer_key_hash=None, other_ratchet=None, old_ratchet=None)

        def begin(step: Step, c: OpenConnection) -> None:
            if self.is_reference(c):
                before[:] = [c.row.own_keys] if c.row.own_keys is not None else []
                resynchronising._start(step, c)
                c.change(earlier_keys=None)
            else:
                begin_again(step, c)

        def prove(step: Step, c: OpenConnection, shown: Decryption) -> None:
            if self.is_reference(c):
                c.change(own_keys=None, earlier_keys=None)
            proven(step, c, shown)

        self.patch.setattr(resynchronising, "_take_key", take)
        self.patch.setattr(resynchronising, "_begin_again", begin)
        self.patch.setattr(resynchronising, "_proven", prove)

    @rule()
    def race(self) -> None:
        """The next key is taken with the key before the one that was made meanwhile, and sent."""
        self.races = True

    def is_reference(self, c: OpenConnection) -> bool:
        return hasattr(self, "ids") and c.connection_id == self.ids["ab"[self.side]]

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            if hasattr(self, "patch"):
                self.patch.undo()


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (1, 1, 0), (0, 0, 1)])
@pytest.mark.parametrize("pq", [False, True])
def test_both_sides_replace_their_keys(order: tuple[int, ...], pq: bool) -> None:
    """Each side answers keys of the other that the next ones replace."""
    state = Resynchronising()
    state.connect(pq=pq)
    for side in (1, 0):
        state.ask(side=side, force=True)
    for _ in range(4):
        for work in state.works():
            state.world.do(*work)
    state.an_hour_passes()
    for side in order:
        state.ask(side=side, force=True)
    state.teardown()


for case in (Resynchronising, Losing, Reference):
    case.TestCase.settings = settings(
        max_examples=settings().max_examples // 8, stateful_step_count=40
    )

TestResynchronising = Resynchronising.TestCase
TestLosing = Losing.TestCase
TestReference = Reference.TestCase
