"""Handshakes of every kind, with a fault at every place where there can be one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attrs import frozen

from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionEvent,
    ConnectionReady,
    InvitationReady,
    JoinSent,
    PeerInfo,
    PeerMessage,
    RequestReceived,
)
from simplex_trio.duplex.machine.work import Work
from simplex_trio.duplex.status import ConnectionState
from tests.duplex.machines import Crash, Machine
from tests.duplex.worlds import Answer, Queue, World


@frozen
class Kind:
    """A way to become connected."""

    short: bool = False
    pq: bool = False
    address: bool = False
    decides: bool = False
    """Whether the requester's program accepts the answer."""
    slow: str = ""
    """Whose routers know of no modes."""

    def __str__(self) -> str:
        kind = "address" if self.address else "invitation"
        parts = [kind, "short" * self.short, "pq" * self.pq, "decides" * self.decides]
        parts.append(f"slow-{self.slow}" * bool(self.slow))
        return "-".join(filter(None, parts))


KINDS = [
    Kind(),
    Kind(short=True, pq=True),
    Kind(slow="ab", pq=True),
    Kind(slow="a"),
    Kind(slow="b"),
    Kind(address=True, short=True, pq=True),
    Kind(address=True),
    Kind(address=True, slow="ab"),
    Kind(address=True, decides=True, short=True, pq=True),
    Kind(address=True, decides=True, slow="ab"),
]

EXPECTED = (
    InvitationReady,
    JoinSent,
    RequestReceived,
    ConfirmationReceived,
    PeerInfo,
    ConnectionReady,
    PeerMessage,
)


class Handshake(World):
    """A handshake with one fault, after which the other side goes on alone as far as it can."""

    def __init__(self, kind: Kind, fault: Answer | None, place: int) -> None:
        a, b = Machine("a"), Machine("b")
        slow = [machine for machine in (a, b) if machine.name in kind.slow]
        super().__init__(a, b, without_modes=slow)
        self.a, self.b = a, b
        self.kind = kind
        self.fault = fault
        self.place = place
        self.count = 0
        self.waits: Machine | None = None
        """Who has had the fault, and does nothing before the other side has done everything."""

    def _is_faulty(self) -> bool:
        self.count += 1
        return self.count - 1 == self.place

    def do(self, machine: Machine, work: Work, answer: Answer = Answer.OK) -> None:
        if machine is self.waits:
            return
        if self.fault is not None and self._is_faulty():
            answer = self.fault
            self.waits = machine
        super().do(machine, work, answer)

    def deliver(self, queue: Queue, *, crash: bool = False) -> None:
        if self.fault is None and self._is_faulty():
            with pytest.raises(Crash):
                super().deliver(queue, crash=True)
            queue.owner.restart()
        super().deliver(queue, crash=crash)

    def settle(self) -> None:
        super().settle()
        while self.waits is not None:
            self.waits = None
            super().settle()

    def run(self) -> tuple[str, str]:
        """Connect both sides, and return the ids of the connection."""
        if not self.kind.address:
            return self.connect(self.a, self.b, short=self.kind.short, pq=self.kind.pq)
        ready = self.address(self.a, short=self.kind.short, pq=self.kind.pq)
        link = ready.short_link or ready.link
        joined = self.join(self.b, link, pq=self.kind.pq, decides=self.kind.decides)
        self.settle()
        [request] = (e for e in self.a.news() if isinstance(e, RequestReceived))
        accepted = self.accept_request(self.a, request.request_id)
        self.settle()
        if self.kind.decides:
            self._decide(accepted, joined)
        return accepted, joined

    def _decide(self, accepted: str, joined: str) -> None:
        assert self.a.status(accepted).state is not ConnectionState.READY
        assert self.b.status(joined).state is ConnectionState.CONFIRMED
        assert once(self.b, ConfirmationReceived)
        assert [e for e in self.b.told if isinstance(e, PeerInfo | InvitationReady)] == []
        self.accept(self.b, joined, b"decided")
        self.settle()
        [info] = (e for e in self.a.told if isinstance(e, PeerInfo))
        assert info.info == b"decided"

    def _created(self, machine: Machine, connection_id: str) -> InvitationReady:
        self.settle()
        return super()._created(machine, connection_id)


def places(kind: Kind, fault: Answer | None) -> Iterator[Handshake]:
    """Handshakes with a fault at each place in turn."""
    place = 0
    while True:
        handshake = Handshake(kind, fault, place)
        yield handshake
        if handshake.count <= place:
            return
        place += 1


def check(world: Handshake, a: str, b: str) -> None:
    sides = ((world.a, a), (world.b, b))
    for machine, connection_id in sides:
        assert machine.status(connection_id).state is ConnectionState.READY
        assert [type(event) for event in machine.told if not isinstance(event, EXPECTED)] == []
        assert once(machine, ConnectionReady)
        assert machine.all_work() == []
    for (machine, mine), (peer, theirs) in (sides, sides[::-1]):
        peer.news()
        message_id = world.send(machine, mine, b"hello")
        world.settle()
        received = peer.news_of(PeerMessage)
        assert (received.body, received.skipped) == (b"hello", 0)
        assert received.integrity.value == "ok"
        world.acknowledge(peer, theirs, received.message_id)
        machine.news()
        assert message_id == machine.status(mine).last_message_id
    world.settle()
    assert not any(queue.messages for queue in world.queues)
    assert world.a.status(a).security_code == world.b.status(b).security_code


def once(machine: Machine, kind: type[ConnectionEvent]) -> bool:
    return len([event for event in machine.told if isinstance(event, kind)]) == 1


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_answer_of_a_router_lost_once(kind: Kind) -> None:
    for handshake in places(kind, Answer.LOST):
        check(handshake, *handshake.run())


some_kinds = pytest.mark.parametrize(
    "kind",
    [
        Kind(short=True, pq=True),
        Kind(slow="ab"),
        Kind(address=True, short=True),
        Kind(address=True, decides=True, short=True),
    ],
    ids=str,
)


@some_kinds
def test_every_router_not_reached_once(kind: Kind) -> None:
    for handshake in places(kind, Answer.NETWORK):
        check(handshake, *handshake.run())


@some_kinds
def test_a_crash_at_every_delivery(kind: Kind) -> None:
    for handshake in places(kind, None):
        check(handshake, *handshake.run())


def test_room_in_a_queue_is_told_after_hello() -> None:
    a, b = Machine("a"), Machine("b")
    world = World(a, b, without_modes=(a, b))
    ready = world.invite(a)
    joined = world.join(b, ready.link)
    world.settle()
    world.accept(a, ready.connection_id)
    world.do_all(a)
    world.put(world.queue_of(a, ready.connection_id), None)
    world.deliver(world.queue_of(a, ready.connection_id))
    world.do_all(a)
    assert a.status(ready.connection_id).state is ConnectionState.WAITING
    world.settle()
    for machine, connection_id in ((a, ready.connection_id), (b, joined)):
        assert machine.status(connection_id).state is ConnectionState.READY
        assert machine.status(connection_id).queued == 0
        assert not [event for event in machine.told if not isinstance(event, EXPECTED)]
