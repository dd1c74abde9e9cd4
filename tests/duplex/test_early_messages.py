"""Messages that a joiner sends before the initiator's program has accepted it."""

from __future__ import annotations

from typing import TypeVar

import pytest

from simplex_trio.duplex.events import (
    ConnectionEvent,
    ConnectionReady,
    Integrity,
    PeerMessage,
    ReceiptReceived,
    ReceivingProblem,
)
from simplex_trio.duplex.machine.work import AcknowledgeMessage, SecureAsSender
from tests.duplex.machines import Machine
from tests.duplex.worlds import World

EventT = TypeVar("EventT", bound=ConnectionEvent)


def told(machine: Machine, kind: type[EventT]) -> list[EventT]:
    return [event for event in machine.told if isinstance(event, kind)]


@pytest.mark.parametrize("slow", ["", "b"])
def test_they_come_once_it_is_accepted_and_get_receipts(slow: str) -> None:
    a, b = Machine("a"), Machine("b")
    world = World(a, b, without_modes=[each for each in (a, b) if each.name in slow])
    ready = world.invite(a)
    mine, theirs = ready.connection_id, world.join(b, ready.link)
    world.settle()
    sent = world.send(b, theirs, b"early")
    world.settle()
    assert not told(a, PeerMessage)
    # After a restart the router delivers the confirmation again, which changes nothing.
    a.restart()
    world.deliver(world.queue_of(a, mine))
    world.settle()

    world.accept(a, mine)
    # The router is slow with the peer's queue, and quick with this side's.
    while a.all_work() and not told(a, PeerMessage):
        for work in a.all_work():
            if not isinstance(work, SecureAsSender):
                world.do(a, work)
        if world.can_deliver(world.queue_of(a, mine)):
            world.deliver(world.queue_of(a, mine))
    (message,) = told(a, PeerMessage)
    world.acknowledge(a, mine, message.message_id, b"seen")
    world.settle()
    (receipt,) = told(b, ReceiptReceived)
    assert (receipt.message_id, receipt.intact) == (sent, True)

    world.send(a, mine, b"late")
    world.settle()
    (late,) = told(b, PeerMessage)
    assert (late.integrity, late.skipped) == (Integrity.OK, 0)
    for machine in (a, b):
        assert len(told(machine, ConnectionReady)) == 1
        assert not told(machine, ReceivingProblem)


def test_a_full_queue_is_not_told_of_before_the_confirmation() -> None:
    a, b = Machine("a"), Machine("b")
    world = World(a, b, without_modes=[a, b])
    ready = world.invite(a)
    mine, theirs = ready.connection_id, world.join(b, ready.link)
    world.settle()
    # Repetitions of the peer's confirmation have filled the queue, which is still to be secured.
    world.accept(a, mine)
    queue = world.queue_of(a, mine)
    for work in a.work(mine):
        if isinstance(work, AcknowledgeMessage):
            world.do(a, work)
    world.put(queue, None)
    world.deliver(queue)
    world.settle()
    for machine, connection_id in ((a, mine), (b, theirs)):
        assert len(told(machine, ConnectionReady)) == 1
        assert not told(machine, ReceivingProblem)
        assert machine.work(connection_id) == []
