"""Every public call, cancelled at every step that anything makes meanwhile.

Afterwards the table is empty but for expired requests, unclaimed answers are events, and the
connection works.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.queues import QueueAccess
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.hashes import sender_id
from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.engine.calls import Call
from simplex_trio.engine.events import ExpiredResponse, Notice
from simplex_trio.engine.protocol_client import driven
from simplex_trio.wire.smp.commands import PING
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.messages import END, PONG
from simplex_trio.wire.smp.names import Domain
from simplex_trio.wire.smp.new_queue import ContactLink, ContactRequest
from tests.client.routing import QueuesOfARouter
from tests.client.support import (
    OTHER_QUEUE,
    QUEUE,
    ROUTER,
    Peer,
    Received,
    agreeable,
    cancelled_at_every_step,
    connected,
)

KEY = Ed25519PrivateKey.generate()
ACCESS = QueueAccess(QUEUE, KEY, BoxKey(bytes(32)))
OTHER_ACCESS = QueueAccess(OTHER_QUEUE, KEY)
LINK = QueueLinkData(b"fixed", b"user")


async def check_that_it_works(client: SMPClient) -> None:
    await wait_all_tasks_blocked()
    counted = client.statistics()
    assert (counted.pending, counted.queued) == (0, 0)
    assert client.connected
    await client.ping()


async def create_with_link(client: SMPClient) -> object:
    correlation_id = client.new_correlation_id()
    link = ContactLink(bytes(24), sender_id(correlation_id), LINK)
    return await client.create_queue(ContactRequest(link), correlation_id=correlation_id)


CALLS: dict[str, Callable[[SMPClient], Awaitable[object]]] = {
    "request": lambda client: client.request(PING()),
    "request_many": lambda client: client.request_many([Call(PING())] * 5),
    "request_many of none": lambda client: client.request_many([]),
    "ping": lambda client: client.ping(),
    "create_queue": lambda client: client.create_queue(),
    "create_queue with a link": create_with_link,
    "create_queue with a notifier": lambda client: client.create_queue(notifier_key=KEY.public),
    "subscribe": lambda client: client.subscribe(ACCESS),
    "subscribe_many": lambda client: client.subscribe_many([ACCESS, OTHER_ACCESS]),
    "get": lambda client: client.get(ACCESS),
    "acknowledge": lambda client: client.acknowledge(ACCESS, bytes(24)),
    "secure": lambda client: client.secure(ACCESS, KEY.public),
    "set_recipient_keys": lambda client: client.set_recipient_keys(ACCESS, [KEY.public]),
    "set_link": lambda client: client.set_link(ACCESS, bytes(24), LINK),
    "delete_link": lambda client: client.delete_link(ACCESS),
    "suspend": lambda client: client.suspend(ACCESS),
    "delete": lambda client: client.delete(ACCESS),
    "delete_many": lambda client: client.delete_many([ACCESS, OTHER_ACCESS]),
    "queue_info": lambda client: client.queue_info(ACCESS),
    "enable_notifications": lambda client: client.enable_notifications(ACCESS, KEY.public),
    "enable_notifications_many": lambda client: client.enable_notifications_many(
        [(ACCESS, KEY.public), (OTHER_ACCESS, KEY.public)]
    ),
    "disable_notifications": lambda client: client.disable_notifications(ACCESS),
    "disable_notifications_many": lambda client: client.disable_notifications_many([ACCESS]),
    "subscribe_notifications": lambda client: client.subscribe_notifications(QUEUE, KEY),
    "subscribe_notifications_many": lambda client: client.subscribe_notifications_many(
        [(QUEUE, KEY), (OTHER_QUEUE, KEY)]
    ),
    "send": lambda client: client.send(QUEUE, b"hello", X25519PrivateKey.generate()),
    "secure_as_sender": lambda client: client.secure_as_sender(QUEUE, KEY),
    "read_link": lambda client: client.read_link(bytes(24)),
    "secure_and_read_link": lambda client: client.secure_and_read_link(bytes(24), KEY),
    "resolve_name": lambda client: client.resolve_name(Domain.parse("alice.simplex")),
}
"""What sends commands to this router; for services and through proxies it is the same request."""


@pytest.mark.parametrize("name", CALLS)
async def test_every_request(autojump_clock: MockClock, name: str) -> None:
    router = QueuesOfARouter()
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.serve, router.respond)
        done = 0

        async def call() -> None:
            nonlocal done
            await CALLS[name](client)
            done += 1

        answered_before = 0

        async def check(cut_short: bool) -> None:
            nonlocal answered_before
            await check_that_it_works(client)
            late = 0
            while client.statistics().unread_events:
                late += isinstance(client.events.receive_nowait(), ExpiredResponse)
            answered = router.answered - answered_before - 1  # the ping of the check
            answered_before = router.answered
            assert late == (answered if cut_short else 0)  # otherwise the caller has them
            assert client.statistics().expired == 0

        cut_short = await cancelled_at_every_step(call, check)
        assert cut_short >= 5 or name.endswith("none")
        assert done >= 1
        await client.aclose()


async def test_waiting_for_room(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        client._outbox._limit = 1
        peer.link.hold()
        nursery.start_soon(lambda: client.request(PING(), timeout=1e6))
        await wait_all_tasks_blocked()
        nursery.start_soon(lambda: client.request(PING(), timeout=1e6))
        await wait_all_tasks_blocked()

        async def call() -> None:
            async with trio.open_nursery() as inner:
                inner.start_soon(lambda: client.request_many([Call(PING())] * 3, timeout=9))
                inner.start_soon(lambda: client.request_many([Call(PING())] * 2, timeout=1))

        async def check(_cut_short: bool) -> None:
            await wait_all_tasks_blocked()
            assert client.statistics().pending == 2
            assert client.statistics().queued == 1
            assert client.statistics().expired == 0

        assert await cancelled_at_every_step(call, check) > 2
        nursery.start_soon(peer.serve, agreeable)
        peer.link.release()
        await check_that_it_works(client)
        await client.aclose()


async def test_a_stuck_write(autojump_clock: MockClock) -> None:
    """What is being written expires, and what is behind it leaves without a trace."""
    async with connected() as (client, peer):

        async def call() -> None:
            peer.link.hold(after=100)
            async with trio.open_nursery() as inner:
                inner.start_soon(lambda: client.request_many([Call(PING())] * 100, timeout=5))
                await trio.sleep(1)
                inner.start_soon(lambda: client.request_many([Call(PING())] * 50, timeout=2))

        async def check(_cut_short: bool) -> None:
            await wait_all_tasks_blocked()
            assert client.statistics().pending == 0
            peer.link.release()
            written = await drained(peer)
            assert len(written) in (0, 100)
            counted = client.statistics()
            assert (counted.queued, counted.expired) == (0, len(written))
            if written:
                await peer.send(*[peer.answer(each, PONG()) for each in written])
            await wait_all_tasks_blocked()
            assert client.statistics().expired == 0
            for _ in written:
                assert isinstance(client.events.receive_nowait(), ExpiredResponse)
            assert client.statistics().unread_events == 0

        assert await cancelled_at_every_step(call, check) > 5


async def drained(peer: Peer) -> list[Received]:
    """The commands that have arrived."""
    commands: list[Received] = []
    while True:
        with trio.move_on_after(0.001) as scope:
            commands.append(await peer.next_command())
        if scope.cancelled_caught:
            return commands


async def test_reading_events() -> None:
    async with connected() as (client, _peer):
        received: list[object] = []
        sent: list[object] = []

        async def inject_soon() -> None:
            await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()
            entity_id = bytes([len(sent)])
            sent.append(Notice(entity_id, END()))
            client.inject_event(entity_id, END())

        async def call() -> None:
            async with trio.open_nursery() as inner:
                inner.start_soon(inject_soon)
                received.append(await client.events.receive())

        async def check(_cut_short: bool) -> None:
            await wait_all_tasks_blocked()

        assert await cancelled_at_every_step(call, check) >= 2
        while client.statistics().unread_events:
            received.append(client.events.receive_nowait())
        assert received == sent


@pytest.mark.parametrize("call", ["aclose", "wait_disconnected"])
async def test_ending(autojump_clock: MockClock, call: str) -> None:
    told: list[BaseException] = []
    for step in range(1, 30):
        told.clear()
        async with connected(told.append) as (client, peer), trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:

                async def cancel(scope: trio.CancelScope = scope, steps: int = step) -> None:
                    for _ in range(steps):
                        await trio.lowlevel.checkpoint()
                    scope.cancel()

                nursery.start_soon(cancel)
                if call == "wait_disconnected":
                    nursery.start_soon(peer.hang_up)
                await getattr(client, call)()
            await client.wait_disconnected()
            assert told == [client.reason]
        assert len(told) == 1


async def test_the_block_itself() -> None:
    told: list[BaseException] = []
    opened: list[SMPClient] = []

    async def call() -> None:
        connection, peer = await ROUTER.connect()
        client = SMPClient(ROUTER.address, connection, disconnected=told.append)
        opened.append(client)
        async with driven(client), trio.open_nursery() as nursery:
            nursery.start_soon(peer.serve, agreeable)
            await client.ping()
            await client.aclose()

    async def check(_cut_short: bool) -> None:
        assert told == [client.reason for client in opened]

    assert await cancelled_at_every_step(call, check) > 20
