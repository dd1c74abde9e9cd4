"""What is delivered: opened where the key is known, visible as often as it comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.queues import (
    MessageReceived,
    OwnedQueue,
    QueueAccess,
    QuotaReached,
    SealedMessage,
)
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.engine.events import ExpiredResponse, Notice
from simplex_trio.errors import DecodeError, DecryptionFailed, RequestTimeout
from simplex_trio.wire.smp import commands as smp
from simplex_trio.wire.smp.bodies import QuotaNotice, ReceivedBody, seal_delivered
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.messages import (
    ALLS,
    DELD,
    END,
    ENDS,
    IDS,
    MSG,
    NMSG,
    OK,
    SOK,
    Message,
)
from simplex_trio.wire.smp.sizes import RECEIVED_BODY_PADDED
from tests.client.support import OTHER_QUEUE, QUEUE, ROUTER, Peer, config, connected, start

KEY = Ed25519PrivateKey.generate()
DELIVERY_KEY = BoxKey(b"k" * 32)
ACCESS = QueueAccess(QUEUE, KEY, DELIVERY_KEY)
WITHOUT_KEY = QueueAccess(QUEUE, KEY)
WRONG_KEY = QueueAccess(QUEUE, KEY, BoxKey(b"w" * 32))

ID = b"the id of a message, 24b"
WHEN = 1_700_000_000
FLAGS = MessageFlags(notification=True)

HELLO = MSG(ID, seal_delivered(DELIVERY_KEY, ID, ReceivedBody(WHEN, FLAGS, b"hello")))
QUOTA = MSG(ID, seal_delivered(DELIVERY_KEY, ID, QuotaNotice(WHEN)))
RECEIVED = MessageReceived(QUEUE, ID, WHEN, FLAGS, b"hello")


async def subscribed(client: SMPClient, peer: Peer, queue: OwnedQueue = ACCESS) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.subscribe, queue)
        await peer.send(peer.answer(await peer.next_command(), SOK()))


# --- opening --------------------------------------------------------------------------------------


async def test_a_message_is_opened() -> None:
    async with connected() as (client, peer):
        await subscribed(client, peer)
        await peer.send(peer.event(QUEUE, HELLO))
        assert await client.events.receive() == RECEIVED


async def test_a_quota_notice_is_its_own_kind() -> None:
    async with connected() as (client, peer):
        await subscribed(client, peer)
        await peer.send(peer.event(QUEUE, QUOTA))
        assert await client.events.receive() == QuotaReached(QUEUE, ID, WHEN)


@pytest.mark.parametrize("queue", [WITHOUT_KEY, WRONG_KEY, None])
async def test_a_message_that_cannot_be_opened_arrives_sealed(queue: OwnedQueue | None) -> None:
    async with connected() as (client, peer):
        if queue is not None:
            await subscribed(client, peer, queue)
        await peer.send(peer.event(QUEUE, HELLO))
        await peer.send(peer.event(QUEUE, QUOTA))
        first, second = [await client.events.receive() for _ in range(2)]
        assert first == SealedMessage(QUEUE, ID, HELLO.sealed)
        assert isinstance(first, SealedMessage)
        assert isinstance(second, SealedMessage)
        assert first.opened(DELIVERY_KEY) == RECEIVED
        assert second.opened(DELIVERY_KEY) == QuotaReached(QUEUE, ID, WHEN)
        with pytest.raises(DecryptionFailed):
            first.opened(BoxKey(bytes(32)))
        assert "24 bytes" in repr(first)


@pytest.mark.parametrize("body", [b"", b"short", bytes(8) + b"X", bytes(8) + b"T"])
async def test_an_authentic_body_that_makes_no_sense_arrives_sealed(body: bytes) -> None:
    sealed = DELIVERY_KEY.seal_padded(ID, body, RECEIVED_BODY_PADDED)
    async with connected() as (client, peer):
        await subscribed(client, peer)
        await peer.send(peer.event(QUEUE, MSG(ID, sealed)))
        event = await client.events.receive()
        assert isinstance(event, SealedMessage)
        with pytest.raises(DecodeError):
            event.opened(DELIVERY_KEY)


async def test_keys_belong_to_their_queues() -> None:
    async with connected() as (client, peer):
        await subscribed(client, peer)
        await peer.send(peer.event(OTHER_QUEUE, HELLO))
        await peer.send(peer.event(QUEUE, HELLO))
        assert isinstance(await client.events.receive(), SealedMessage)
        assert await client.events.receive() == RECEIVED


async def test_a_key_can_be_forgotten() -> None:
    async with connected() as (client, peer):
        await subscribed(client, peer)
        client.forget(QUEUE)
        client.forget(QUEUE)
        await peer.send(peer.event(QUEUE, HELLO))
        assert isinstance(await client.events.receive(), SealedMessage)


async def test_deleting_a_queue_forgets_its_key() -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        await subscribed(client, peer)
        nursery.start_soon(client.delete, ACCESS)
        await peer.send(peer.answer(await peer.next_command(), OK()), peer.event(QUEUE, HELLO))
        await wait_all_tasks_blocked()
        await peer.send(peer.event(QUEUE, HELLO))
        await client.events.receive()
        assert isinstance(await client.events.receive(), SealedMessage)


async def test_a_new_queue_can_deliver_in_the_very_block_that_creates_it() -> None:
    dh_key = X25519PrivateKey.generate()
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, client.create_queue)
        asked = await peer.next_command()
        assert isinstance(asked.command, smp.NEW)
        key = BoxKey.agree(dh_key, asked.command.dh_key)
        message = MSG(ID, seal_delivered(key, ID, ReceivedBody(WHEN, FLAGS, b"hello")))
        created = IDS(QUEUE, OTHER_QUEUE, dh_key.public)
        await peer.send(peer.answer(asked, created), peer.event(QUEUE, message))
        assert await client.events.receive() == RECEIVED
        await wait_all_tasks_blocked()
        assert caller.result.recipient_id == QUEUE


async def test_a_second_answer_to_one_creation_changes_no_key() -> None:
    dh_key, another = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, client.create_queue)
        asked = await peer.next_command()
        assert isinstance(asked.command, smp.NEW)
        await peer.send(
            peer.answer(asked, IDS(QUEUE, OTHER_QUEUE, dh_key.public)),
            peer.answer(asked, IDS(QUEUE, OTHER_QUEUE, another.public)),
        )
        await wait_all_tasks_blocked()
        key = BoxKey.agree(dh_key, asked.command.dh_key)
        assert caller.result.delivery_key == key
        assert list(client._smp.delivery_keys) == [QUEUE]
        assert client._smp.delivery_keys.get(QUEUE) == key.subkey
        assert client._smp._new_queues == {}


@pytest.mark.parametrize("version", [6, 10, 11, 20])
async def test_the_longest_message_of_any_version(version: int) -> None:
    body = bytes(16_088)  # from a sender who has agreed on the oldest version with the router
    sealed = seal_delivered(DELIVERY_KEY, ID, ReceivedBody(WHEN, FLAGS, body))
    async with ROUTER.open_client(config(version=version)) as (client, peer):
        await subscribed(client, peer)
        await peer.send(peer.event(QUEUE, MSG(ID, sealed)))
        event = await client.events.receive()
        assert isinstance(event, MessageReceived)
        assert event.body == body


# --- messages that answer -------------------------------------------------------------------------


async def subscribe(client: SMPClient) -> object:
    return await client.subscribe(ACCESS)


async def get(client: SMPClient) -> object:
    return await client.get(ACCESS)


async def acknowledge(client: SMPClient) -> object:
    await client.subscribe(ACCESS)
    await client.acknowledge(ACCESS, ID)
    return None


@pytest.mark.parametrize(
    ("call", "message", "result", "event"),
    [
        (subscribe, HELLO, None, RECEIVED),
        (get, HELLO, RECEIVED, RECEIVED),
        (get, QUOTA, QuotaReached(QUEUE, ID, WHEN), QuotaReached(QUEUE, ID, WHEN)),
        (acknowledge, HELLO, None, RECEIVED),
        (acknowledge, QUOTA, None, QuotaReached(QUEUE, ID, WHEN)),
    ],
)
async def test_a_message_that_answers_is_an_event_too(
    call: Callable[[SMPClient], Awaitable[object]], message: MSG, result: object, event: object
) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, lambda: call(client))
        if call is acknowledge:
            await peer.send(peer.answer(await peer.next_command(), SOK()))
        await peer.send(peer.answer(await peer.next_command(), message))
        assert await client.events.receive() == event
        await wait_all_tasks_blocked()
        assert caller.error is None
        assert caller.result == result
        assert client.statistics().unread_events == 0


async def test_a_message_that_answers_too_late(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer):
        with pytest.raises(RequestTimeout):
            await client.get(ACCESS)
        await peer.send(peer.answer(await peer.next_command(), HELLO))
        assert await client.events.receive() == RECEIVED
        assert await client.events.receive() == ExpiredResponse(QUEUE, smp.GET(), HELLO)


async def test_a_get_of_a_queue_whose_key_is_unknown() -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, lambda: client.get(WITHOUT_KEY))
        await peer.send(peer.answer(await peer.next_command(), HELLO))
        assert await client.events.receive() == SealedMessage(QUEUE, ID, HELLO.sealed)
    assert caller.result == SealedMessage(QUEUE, ID, HELLO.sealed)


async def test_what_comes_again_is_visible_again() -> None:
    async with connected() as (client, peer):
        await subscribed(client, peer)
        for _ in range(3):
            await peer.send(peer.event(QUEUE, QUOTA))
        assert [await client.events.receive() for _ in range(3)] == [
            QuotaReached(QUEUE, ID, WHEN)
        ] * 3


# --- what else the router says --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entity_id", "message"),
    [
        (QUEUE, END()),
        (QUEUE, DELD()),
        (QUEUE, NMSG(bytes(24), b"sealed")),
        (b"", ALLS()),
        (QUEUE, ENDS(7, bytes(16))),
    ],
)
async def test_other_messages_are_notices(entity_id: bytes, message: Message) -> None:
    async with connected() as (client, peer):
        await peer.send(peer.event(entity_id, message))
        assert await client.events.receive() == Notice(entity_id, message)


async def test_all_delivery_keys_are_forgotten() -> None:
    async with connected() as (client, _peer):
        client._keep_delivery_key(ACCESS)
        await client.aclose()
        await client.forget_all()
        assert not len(client._smp.delivery_keys)
