"""A router that starts with many queues: it takes them in while other tasks get their turns."""

from __future__ import annotations

import trio

from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.router.config import RouterConfig
from simplex_trio.router.hub import assemble_hub
from simplex_trio.router.store.interface import PutMessage, PutNotification, PutQueue
from simplex_trio.router.store.memory import MemoryStore
from simplex_trio.router.store.records import (
    MessageHead,
    NotificationRecord,
    NotifierRecord,
    QueueRecord,
)
from tests.router.house import CREDENTIALS

COUNT = 3500
KEY = Ed25519PrivateKey(bytes(32)).public


def record(number: int) -> QueueRecord:
    notifier = NotifierRecord(b"notifier %d" % number, KEY, bytes(32))
    ids = b"recipient %d" % number, b"sender %d" % number
    return QueueRecord(*ids, (KEY,), bytes(32), 1, 1, notifier=notifier)


async def test_others_get_their_turns_while_a_router_loads() -> None:
    store = MemoryStore()
    numbers = range(COUNT)
    await store.commit(PutQueue(record(number)) for number in numbers)
    await store.commit(
        PutMessage(b"recipient %d" % number, MessageHead(1 + number, bytes(24), 1), b"body")
        for number in numbers
    )
    await store.commit(
        PutNotification(NotificationRecord(9000 + number, b"notifier %d" % number, 1, b"", b""))
        for number in numbers
    )
    turns = 0

    async def look() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        hub = await assemble_hub(RouterConfig(), CREDENTIALS, store)
        nursery.cancel_scope.cancel()
    assert turns >= 2 * COUNT // 1000
    state = hub.state
    assert (len(state.queues), state.queues.message_count) == (COUNT, COUNT)
    assert len(state.notifications) == COUNT
    assert state.new_sequence() == 9000 + COUNT
    queue = state.queues.for_recipient(b"recipient 77")
    assert queue is not None
    assert [head.sequence for head in queue.messages] == [78]
