"""Requests leave nothing that only the garbage collector can free, however they end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.engine.calls import Call
from simplex_trio.errors import EncodeError, RequestTimeout
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.smp.commands import LDEL, OFF, PING
from simplex_trio.wire.smp.messages import ERR, Message
from tests.client.support import Received, agreeable, connected
from tests.garbage import nothing_left_to_the_collector

KEY = Ed25519PrivateKey.generate()


def respond(received: Received) -> Message | None:
    """Refuse to suspend queues, and say nothing about links."""
    match received.command:
        case OFF():
            return ERR(Code.AUTH)
        case LDEL():
            return None
        case _:
            return agreeable(received)


async def is_answered(client: SMPClient) -> None:
    await client.ping()


async def is_answered_with_others(client: SMPClient) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(client.ping)


async def is_one_of_many(client: SMPClient) -> None:
    await client.request_many([Call(PING())] * 10)


async def is_cancelled(client: SMPClient) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.ping)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def is_refused(client: SMPClient) -> None:
    try:
        await client.request(OFF(), bytes(24), KEY)
    except RouterError:
        return
    raise AssertionError


async def is_not_answered(client: SMPClient) -> None:
    try:
        await client.request(LDEL(), bytes(24), KEY, timeout=5)
    except RequestTimeout:
        return
    raise AssertionError


async def cannot_be_sent(client: SMPClient) -> None:
    try:
        await client.request(LDEL())
    except EncodeError:
        return
    raise AssertionError


@pytest.mark.parametrize(
    "end",
    [
        *(is_answered, is_answered_with_others, is_one_of_many, is_cancelled),
        *(is_refused, is_not_answered, cannot_be_sent),
    ],
    ids=lambda end: end.__name__.replace("_", " "),
)
async def test_request_that(
    autojump_clock: MockClock, end: Callable[[SMPClient], Awaitable[None]]
) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.serve, respond)
        for _ in range(3):
            await end(client)
        await wait_all_tasks_blocked()
        with nothing_left_to_the_collector():
            for _ in range(3):
                await end(client)
            await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
