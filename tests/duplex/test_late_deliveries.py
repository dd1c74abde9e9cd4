"""Routers that answer ACK sooner than they deliver what SUB has asked for."""

from __future__ import annotations

import pytest

from simplex_trio.client.smp.queues import MessageReceived
from simplex_trio.duplex.events import PeerMessage
from simplex_trio.duplex.machine.connection import Acknowledgement
from simplex_trio.duplex.machine.work import AcknowledgeMessage
from simplex_trio.duplex.work.subscriptions import arrived
from simplex_trio.wire.smp.flags import MessageFlags

from .machines import Machine
from .worlds import World


@pytest.mark.parametrize("comes_late", [True, False])
def test_a_message_that_comes_behind_the_next_one_changes_nothing(comes_late: bool) -> None:
    a, b = Machine("a"), Machine("b")
    world = World(a, b)
    mine, theirs = world.connect(a, b)
    for body in (b"first", b"second"):
        world.send(b, theirs, body)
    world.do_all(b)
    (queue,) = (each for each in world.queues if each.owner is a)
    first, second = queue.messages

    def deliver(message: tuple[bytes, bytes | None], acknowledged: bytes | None) -> None:
        broker_id, body = message
        assert body is not None
        event = MessageReceived(b"", broker_id, int(a.now), MessageFlags(False), body)
        a.step(lambda step: arrived(step, mine, queue.number, event, acknowledged))

    deliver(first, None)
    (told,) = (each for each in a.told if isinstance(each, PeerMessage))
    world.acknowledge(a, mine, told.message_id)
    assert [type(work) for work in a.work(mine)] == [AcknowledgeMessage]
    # The acknowledgement is sent, and before that is known:
    if comes_late:
        deliver(second, first[0])
        deliver(first, first[0])
    else:
        deliver(first, first[0])
        deliver(second, first[0])
    row = a.connection(mine).receiving[queue.number]
    assert (row.broker_id, row.acknowledgement) == (second[0], Acknowledgement.HELD)
    bodies = [each.body for each in a.told if isinstance(each, PeerMessage)]
    assert bodies == [b"first", b"second"]
