"""Queues for the rows of clients: made before the clock starts, deleted after it has stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import perf_counter
from typing import TypeVar

import trio
from attrs import frozen

from simplex_trio.client.smp.client import SMPClient, open_smp_client
from simplex_trio.client.smp.queues import MessageReceived, ReceivingQueue
from simplex_trio.crypto.keys import X25519PrivateKey
from simplex_trio.engine.calls import Call
from simplex_trio.errors import SimplexError
from simplex_trio.redaction import Redacted
from simplex_trio.wire.smp.commands import SEND, Command
from simplex_trio.wire.smp.flags import MessageFlags
from tests.bench.figures import Figures
from tests.bench.rows import Conditions, Subject

__all__ = [
    "SecuredQueue",
    "acknowledge_all",
    "all_at_once",
    "client_of",
    "create_many",
    "fill",
    "one_by_one",
    "open_queues",
    "sends",
    "succeeded",
]

T = TypeVar("T")

_FLAGS = MessageFlags(notification=False)


@frozen(repr=False)
class SecuredQueue(Redacted):
    """A queue with the key that its sender authorizes messages with, by authenticators."""

    queue: ReceivingQueue
    sender_key: X25519PrivateKey


def client_of(
    conditions: Conditions, subject: Subject = Subject.ROUTER
) -> AbstractAsyncContextManager[SMPClient]:
    """A new connection to one of the routers."""
    return open_smp_client(conditions.addresses[subject].address)


async def create_many(
    conditions: Conditions,
    owner: SMPClient,
    count: int,
    *,
    subscribe: bool = True,
    subject: Subject = Subject.ROUTER,
) -> list[ReceivingQueue]:
    """Queues, created all at once."""
    created: list[ReceivingQueue] = []
    basic_auth = conditions.addresses[subject].basic_auth

    async def create(_: int) -> None:
        created.append(await owner.create_queue(basic_auth=basic_auth, subscribe=subscribe))

    await all_at_once(conditions, count, create)
    return created


@asynccontextmanager
async def open_queues(
    conditions: Conditions,
    count: int,
    *,
    subscribe: bool = True,
    subject: Subject = Subject.ROUTER,
) -> AsyncIterator[tuple[SMPClient, Sequence[SecuredQueue]]]:
    """Secured queues and the connection that owns them, for as long as the block lasts."""
    async with client_of(conditions, subject) as owner:
        created = await create_many(conditions, owner, count, subscribe=subscribe, subject=subject)
        secured = [SecuredQueue(queue, X25519PrivateKey.generate()) for queue in created]

        async def secure(number: int) -> None:
            each = secured[number]
            await owner.secure(each.queue, each.sender_key.public)

        await all_at_once(conditions, count, secure)
        try:
            yield owner, secured
        finally:
            with trio.move_on_after(10, shield=True):
                succeeded(await owner.delete_many(created))


def sends(queues: Sequence[SecuredQueue], count: int, body: bytes) -> list[Call[Command]]:
    """So many SENDs, going round the queues."""
    calls: list[Call[Command]] = []
    for number in range(count):
        each = queues[number % len(queues)]
        calls.append(Call(SEND(_FLAGS, body), each.queue.sender_id, each.sender_key))
    return calls


async def fill(
    conditions: Conditions, queues: Sequence[SecuredQueue], count: int, body: bytes
) -> None:
    """Put messages into queues, from a connection of its own."""
    async with client_of(conditions) as sender:
        succeeded(await sender.request_many(sends(queues, count, body)))


def succeeded(results: Iterable[T | SimplexError]) -> list[T]:
    """The results of a batch, or the first error in it: nothing that failed is to be measured."""
    found: list[T] = []
    for result in results:
        if isinstance(result, SimplexError):
            raise result
        found.append(result)
    return found


async def acknowledge_all(
    owner: SMPClient, queues: Sequence[SecuredQueue], count: int | None = None
) -> None:
    """Acknowledge messages as they come, queues independently of each other.

    Returns when ``count`` messages are acknowledged; without a count, when cancelled.
    """
    by_id = {each.queue.recipient_id: each.queue for each in queues}
    async with trio.open_nursery() as nursery:
        seen = 0
        async for event in owner.events:
            if isinstance(event, MessageReceived):
                queue = by_id[event.recipient_id]
                nursery.start_soon(owner.acknowledge, queue, event.message_id)
                seen += 1
                if seen == count:
                    break


async def one_by_one(
    conditions: Conditions, count: int, operation: Callable[[int], Awaitable[object]]
) -> Figures:
    """Do something so many times, each when the one before is done."""
    seconds = []
    watch = conditions.stopwatch()
    for number in range(count):
        start = perf_counter()
        await operation(number)
        seconds.append(perf_counter() - start)
    return watch.of_each(seconds)


async def all_at_once(
    conditions: Conditions, count: int, operation: Callable[[int], Awaitable[object]]
) -> Figures:
    """Do something so many times, each in a task of its own."""
    watch = conditions.stopwatch()
    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(operation, number)
    return watch.of_all(count)
