"""What waits to be written to one client."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from simplex_trio.router.core.replies import Event
from simplex_trio.router.outbox import MAX_NOTIFICATIONS, Answer, Outbox
from simplex_trio.wire.smp.messages import NMSG, OK, PONG, PRES


def answer(number: int) -> Answer:
    return b"%d" % number, OK()


async def test_entries_keep_their_order() -> None:
    outbox = Outbox(10)
    outbox.put_answers((), [answer(1), answer(2)], [Event(b"q", PONG())])
    outbox.put_event(Event(b"r", PONG()))
    ((first, second, third, fourth),) = await outbox.take()
    assert [first, second] == [answer(1), answer(2)]
    assert isinstance(third, Event)
    assert isinstance(fourth, Event)
    assert (third.entity_id, fourth.entity_id) == (b"q", b"r")


async def test_refusals_have_a_block_of_their_own() -> None:
    outbox = Outbox(10)
    outbox.put_answers((), [answer(1)])
    outbox.put_answers([answer(2), answer(3)], [answer(4)])
    outbox.put_answers([answer(5)], [])
    groups = await outbox.take()
    assert [group for group in groups if group] == [
        [answer(1)],
        [answer(2), answer(3)],
        [answer(4)],
        [answer(5)],
    ]


async def test_a_few_blocks_at_a_time() -> None:
    outbox = Outbox(100)
    big = [(b"x", PRES(bytes(16000))) for _ in range(20)]
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
        await outbox.take()
        outbox.written()
        await wait_all_tasks_blocked()
        assert nursery.child_tasks  # two commands are still on their way
        outbox.put_answers((), [(b"", OK())])
        await outbox.take()
        outbox.written()


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
