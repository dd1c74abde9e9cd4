"""What a router may send that was not asked for, or not so: one typed outcome each, and no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.queues import QueueAccess, SealedMessage
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.engine.calls import Call
from simplex_trio.engine.events import ErrorEvent, Notice, UnexpectedResponse
from simplex_trio.errors import (
    DecodeError,
    DecryptionFailed,
    MalformedResponse,
    RequestTimeout,
    RouterSilent,
    SimplexError,
    UnexpectedResponseError,
)
from simplex_trio.wire.blocks import PaddedBlocks
from simplex_trio.wire.buffer import large, short
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.smp.commands import PING, SUB, Command
from simplex_trio.wire.smp.messages import END, ERR, MSG, OK, PONG, SOK
from simplex_trio.wire.versions import SMPVersion
from tests.client.support import (
    OTHER_QUEUE,
    QUEUE,
    ROUTER,
    Peer,
    Received,
    agreeable,
    config,
    connected,
    start,
)

KEY = Ed25519PrivateKey.generate()


def answer_to(received: Received, body: bytes, entity_id: bytes | None = None) -> bytes:
    """A transmission that answers with any bytes."""
    asked = received.transmission
    entity_id = asked.entity_id if entity_id is None else entity_id
    return short(b"") + short(asked.correlation_id) + short(entity_id) + body


async def check_that_it_still_works(client: SMPClient, peer: Peer) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.ping)
        await peer.send(peer.answer(await peer.next_command(), PONG()))
    assert client.statistics().pending == 0


# --- answers out of place -------------------------------------------------------------------------


async def test_an_answer_about_another_entity_fails_its_caller_alone() -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        calls: list[Call[Command]] = [Call(SUB(), QUEUE, KEY), Call(SUB(), OTHER_QUEUE, KEY)]
        caller = start(nursery, lambda: client.request_many(calls))
        first, second = await peer.next_block()
        wrong = peer.transmission(first.transmission.correlation_id, OTHER_QUEUE, SOK())
        await peer.send(wrong, peer.answer(second, SOK()))
        await wait_all_tasks_blocked()
        assert isinstance(caller.result[0], UnexpectedResponseError)
        assert isinstance(caller.result[1], SOK)
        assert client.statistics().unread_events == 0
        await check_that_it_still_works(client, peer)


async def test_an_answer_to_nothing_is_an_event() -> None:
    async with connected() as (client, peer):
        await peer.send(peer.transmission(bytes(24), QUEUE, OK()))
        await peer.send(peer.transmission(b"x", b"", ERR(Code.AUTH)))
        assert await client.events.receive() == UnexpectedResponse(QUEUE, OK())
        refused = await client.events.receive()
        assert isinstance(refused, UnexpectedResponse)
        assert isinstance(refused.result, RouterError)
        await check_that_it_still_works(client, peer)


async def test_an_answer_that_comes_twice() -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, client.ping)
        answer = peer.answer(await peer.next_command(), PONG())
        await peer.send(answer, answer)
        assert await client.events.receive() == UnexpectedResponse(b"", PONG())
        assert caller.error is None
        await check_that_it_still_works(client, peer)


async def test_an_answer_of_another_kind() -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, lambda: client.suspend(QueueAccess(QUEUE, KEY)))
        await peer.send(peer.answer(await peer.next_command(), SOK()))
        await wait_all_tasks_blocked()
        assert isinstance(caller.error, UnexpectedResponseError)
        await check_that_it_still_works(client, peer)


@pytest.mark.parametrize(
    "body",
    [b"", b"WHAT", b"SOK", b"SOK 2", b"SOK 0 and more", b"IDS \xff", b"ERR WHAT", b"\xff" * 100],
)
async def test_an_answer_that_cannot_be_read_fails_its_caller_alone(body: bytes) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, lambda: client.request_many([Call(SUB(), QUEUE, KEY)] * 3))
        first, second, third = await peer.next_block()
        await peer.send(
            peer.answer(first, SOK()), answer_to(second, body), peer.answer(third, SOK())
        )
        await wait_all_tasks_blocked()
        assert isinstance(caller.result[0], SOK)
        assert isinstance(caller.result[1], MalformedResponse)
        assert isinstance(caller.result[2], SOK)
        await check_that_it_still_works(client, peer)


async def test_an_answer_that_must_not_have_an_entity() -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        calls: list[Call[Command]] = [Call(PING()), Call(SUB(), QUEUE, KEY)]
        caller = start(nursery, lambda: client.request_many(calls))
        ping, sub = await peer.next_block()
        await peer.send(answer_to(ping, b"OK"), answer_to(sub, b"PONG"))
        await wait_all_tasks_blocked()
        assert [type(error) for error in caller.result] == [MalformedResponse] * 2


async def test_an_answer_of_another_session() -> None:
    async with ROUTER.open_client(config(version=6)) as (client, peer):
        async with trio.open_nursery() as nursery:
            caller = start(nursery, client.ping)
            asked = (await peer.next_command()).transmission
            await peer.send(
                short(b"") + short(bytes(32)) + short(asked.correlation_id) + short(b"") + b"PONG"
            )
        assert isinstance(caller.error, MalformedResponse)
        await check_that_it_still_works(client, peer)


# --- events out of place --------------------------------------------------------------------------


async def test_an_event_has_no_correlation_id() -> None:
    async with connected() as (client, peer):
        await peer.send(peer.event(QUEUE, END()), peer.event(OTHER_QUEUE, END()))
        assert await client.events.receive() == Notice(QUEUE, END())
        assert await client.events.receive() == Notice(OTHER_QUEUE, END())


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"WHAT", MalformedResponse),
        (b"END and more", MalformedResponse),
        (b"ERR AUTH", RouterError),
        (b"ERR", MalformedResponse),
    ],
)
async def test_an_event_that_is_none(body: bytes, kind: type[SimplexError]) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, client.ping)
        ping = await peer.next_command()
        await peer.send(short(b"") + short(b"") + short(QUEUE) + body, peer.answer(ping, PONG()))
        event = await client.events.receive()
        assert isinstance(event, ErrorEvent)
        assert event.entity_id == QUEUE
        assert isinstance(event.error, kind)
    assert caller.error is None


async def test_a_message_of_an_unknown_queue() -> None:
    async with connected() as (client, peer):
        await peer.send(peer.event(QUEUE, MSG(b"id", b"sealed")))
        assert await client.events.receive() == SealedMessage(QUEUE, b"id", b"sealed")
        await check_that_it_still_works(client, peer)


# --- blocks that hold nothing ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"\xff",
        b"\xff" + large(b"\0\0\0OK"),
        b"\x01",
        b"\x01\xff\xff",
        b"\x01" + large(b""),
        b"\x01" + large(b"\xff"),
        b"\x01" + large(b"\0\0\0END") + b"more",
        b"\x02" + large(b"\0\0\x18" + QUEUE + b"END"),
        b"\xff" * 1000,
    ],
)
@pytest.mark.parametrize("version", [6, 10, 20])
async def test_a_block_with_nothing_in_it_that_can_be_read(version: int, content: bytes) -> None:
    async with ROUTER.open_client(config(version=version)) as (client, peer):
        await peer.send_content(content)
        event = await client.events.receive()
        assert isinstance(event, ErrorEvent)
        assert isinstance(event.error, MalformedResponse)
        await check_that_it_still_works(client, peer)


def random_bytes(_version: int) -> bytes:
    return bytes(range(256)) * 64


def zeros(_version: int) -> bytes:
    return bytes(16384)


def not_encrypted(_version: int) -> bytes:
    return PaddedBlocks(16384).seal(b"\x01" + large(b"\0\0\x18" + QUEUE + b"END"))


@pytest.mark.parametrize("garbage", [random_bytes, zeros, not_encrypted])
@pytest.mark.parametrize("version", [6, 10, 11, 20])
async def test_garbage(version: int, garbage: Callable[[int], bytes]) -> None:
    async with (
        ROUTER.open_client(config(version=version)) as (client, peer),
        trio.open_nursery() as nursery,
    ):
        caller = start(nursery, client.ping)
        ping = await peer.next_command()
        await peer.raw.send_bytes(garbage(version))
        await wait_all_tasks_blocked()
        if version >= SMPVersion.ENCRYPTED_BLOCKS:
            # Nothing that follows could be opened, so this is the end.
            assert isinstance(client.reason, DecryptionFailed)
            assert isinstance(caller.error, ConnectionError)
            return
        assert client.connected
        await peer.send(peer.answer(ping, PONG()))
        event = await client.events.receive()
        if garbage is not_encrypted and version >= SMPVersion.AUTHENTICATORS:
            assert event == Notice(QUEUE, END())
        else:
            assert isinstance(event, ErrorEvent)
    assert caller.error is None


async def test_padding_that_runs_past_the_end() -> None:
    async with ROUTER.open_client(config(version=10)) as (client, peer):
        await peer.raw.send_bytes(b"\xff" * 16384)
        reason = await client.wait_disconnected()
        assert isinstance(reason, DecodeError)


async def test_a_block_that_comes_again() -> None:
    async with connected() as (client, peer):
        block = peer._codec.seal(b"\x01" + large(peer.event(QUEUE, END())))
        await peer.raw.send_bytes(block)
        assert await client.events.receive() == Notice(QUEUE, END())
        await peer.raw.send_bytes(block)
        assert isinstance(await client.wait_disconnected(), DecryptionFailed)


# --- nothing at all -------------------------------------------------------------------------------


async def test_half_a_block_and_then_nothing(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer):
        client.enable_pings()
        await peer.raw.send_bytes(bytes(1000))
        with pytest.raises(RequestTimeout):
            await client.ping()
        assert isinstance(await client.wait_disconnected(), RouterSilent)


async def test_blocks_byte_by_byte(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, client.ping)
        ping = await peer.next_command()
        block = peer._codec.seal(b"\x01" + large(peer.answer(ping, PONG())))
        for at in range(0, len(block), 1000):
            assert not caller.finished
            await peer.raw.send_bytes(block[at : at + 1000])
            await trio.sleep(0.1)
    assert caller.error is None


async def test_many_blocks_in_one_piece() -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, lambda: client.request_many([Call(PING())] * 20))
        asked = [await peer.next_command() for _ in range(20)]
        blocks = [
            peer._codec.seal(b"\x01" + large(peer.answer(each, agreeable(each)))) for each in asked
        ]
        await peer.raw.send_bytes(b"".join(blocks))
    assert len(caller.result) == 20
    assert all(isinstance(result, PONG) for result in caller.result)
