"""What waits to be written to one client."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from simplex_trio.router.core.replies import Event
from simplex_trio.router.outbox import MAX_NOTIFICATIONS, Outbox, Outgoing
from simplex_trio.wire.smp.messages import NMSG, OK, PONG, PRES


def answer(number: int) -> Outgoing:
    return Outgoing(b"%d" % number, b"", OK())


async def test_entries_keep_their_order() -> None:
    outbox = Outbox(10)
    outbox.put_answers((), [answer(1), answer(2)], [Event(b"q", PONG())])
    outbox.put_event(Event(b"r", PONG()))
    ((first, second, third, fourth),) = await outbox.take()
    assert (first.correlation_id, second.correlation_id) == (b"1", b"2")
    assert (third.entity_id, fourth.entity_id) == (b"q", b"r")
    assert [each.is_answer for each in (first, second, third, fourth)] == [True, True, False, False]


async def test_refusals_have_a_block_of_their_own() -> None:
    outbox = Outbox(10)
    outbox.put_answers((), [answer(1)])
    outbox.put_answers([answer(2), answer(3)], [answer(4)])
    outbox.put_answers([answer(5)], [])
    groups = await outbox.take()
    assert [[each.correlation_id for each in group] for group in groups if group] == [
        [b"1"],
        [b"2", b"3"],
        [b"4"],
        [b"5"],
    ]


async def test_a_few_blocks_at_a_time() -> None:
    outbox = Outbox(100)
    big = [Outgoing(b"x", b"", PRES(bytes(16000))) for _ in range(20)]
    outbox.put_answers((), big)
    taken = []
    for _ in range(3):
        taken.append(sum(map(len, await outbox.take())))
    assert taken == [8, 8, 4]


async def test_taking_waits() -> None:
    outbox = Outbox(10)
    taken: list[object] = []

    async def take() -> None:
        taken.append(await outbox.take())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await wait_all_tasks_blocked()
        assert not taken
        outbox.put_answers((), [answer(1)])
    assert len(taken) == 1


async def test_readers_wait_for_answers_to_be_written() -> None:
    outbox = Outbox(2)
    outbox.take_in(3)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.wait_for_room)
        outbox.put_answers((), [answer(1)])
        outbox.put_event(Event(b"q", PONG()))
        outbox.written(await outbox.take())
        await wait_all_tasks_blocked()
        assert nursery.child_tasks  # two commands are still on their way
        outbox.put_answers((), [Outgoing(b"", b"", OK())])  # an empty correlation id is one, too
        outbox.written(await outbox.take())


async def test_too_full_for_notifications() -> None:
    outbox = Outbox(10)
    for _ in range(MAX_NOTIFICATIONS):
        assert outbox.has_room
        outbox.put_event(Event(b"n", NMSG(bytes(24), b"x")))
    assert not outbox.has_room


async def test_nothing_is_kept_after_the_end() -> None:
    outbox = Outbox(10)
    outbox.put_answers((), [answer(1)])
    outbox.close()
    outbox.put_event(Event(b"q", PONG()))
    outbox.put_answers([answer(2)], [answer(3)])
    assert len(outbox) == 0
    assert not outbox.has_room
