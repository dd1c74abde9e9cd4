"""A router that is killed in the middle of its work loses nothing that it has said OK to."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import trio
from attrs import Factory, define

from simplex_trio.client.smp.client import SMPClient, open_smp_client
from simplex_trio.client.smp.queues import MessageReceived, ReceivingQueue
from simplex_trio.errors import ConnectionLost
from simplex_trio.wire.smp.new_queue import MessagingRequest
from tests.serving.credential_files import write_router

ROUNDS = int(os.environ.get("SIMPLEX_TRIO_CRASH_ROUNDS", "3"))

CONFIG = """
hosts = ["127.0.0.1"]
listen = "127.0.0.1"
ports = [0]
credentials = "."
store = "router.sqlite"
[queues]
quota = 100000
"""


@define
class Account:
    """What clients know: messages that were said to be taken, and said to be gone."""

    sent: int = 0
    accepted: set[bytes] = Factory(set)
    acknowledging: set[bytes] = Factory(set)
    gone: set[bytes] = Factory(set)
    _more: trio.Event = Factory(trio.Event)

    def accept(self, body: bytes) -> None:
        self.accepted.add(body)
        self._more.set()
        self._more = trio.Event()

    async def until_accepted(self, count: int) -> None:
        while len(self.accepted) < count:
            await self._more.wait()

    def next_body(self) -> bytes:
        self.sent += 1
        return b"%d" % self.sent


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[trio.Process, str]]:
    """A router in a process of its own, and its address."""
    command = [sys.executable, "-m", "tests.router.crash_router", str(folder)]
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(
            partial(trio.run_process, command, stdout=subprocess.PIPE, check=False)
        )
        try:
            assert process.stdout is not None
            yield process, (await process.stdout.receive_some()).decode().strip()
        finally:
            process.kill()


async def send_forever(client: SMPClient, queue: ReceivingQueue, account: Account) -> None:
    while True:
        body = account.next_body()
        await client.send(queue.sender_id, body)
        account.accept(body)


async def receive(client: SMPClient, queues: list[ReceivingQueue], account: Account) -> None:
    """Take messages as they come; each is new until it was acknowledged."""
    by_id = {queue.recipient_id: queue for queue in queues}
    while True:
        event = await client.events.receive()
        if isinstance(event, MessageReceived):
            assert event.body not in account.gone, "an acknowledged message came again"
            account.acknowledging.add(event.body)
            await client.acknowledge(by_id[event.recipient_id], event.message_id)
            account.gone.add(event.body)


async def work_until_it_dies(
    process: trio.Process, address: str, queues: list[ReceivingQueue], account: Account, most: int
) -> None:
    """Send and receive until so many more messages have been accepted, and kill the router."""
    most += len(account.accepted)

    async def kill() -> None:
        await account.until_accepted(most)
        process.send_signal(signal.SIGKILL)

    async with open_smp_client(address) as recipient, open_smp_client(address) as sender:
        await recipient.subscribe_many(queues)
        async with trio.open_nursery() as nursery:
            for queue in queues:
                for _ in range(3):
                    nursery.start_soon(_until_lost, send_forever, sender, queue, account)
            nursery.start_soon(_until_lost, receive, recipient, queues, account)
            nursery.start_soon(kill)


async def _until_lost(task: Callable[..., Awaitable[None]], *args: object) -> None:
    with suppress(ConnectionLost, trio.EndOfChannel):
        await task(*args)


async def drain(address: str, queues: list[ReceivingQueue], account: Account) -> set[bytes]:
    """All that is in the queues."""
    found: set[bytes] = set()
    async with open_smp_client(address) as client:
        for queue in queues:
            while (message := await client.get(queue)) is not None:
                assert isinstance(message, MessageReceived)
                assert message.body not in found | account.gone
                found.add(message.body)
                await client.acknowledge(queue, message.message_id)
                account.gone.add(message.body)
    return found


async def test_killed_router_loses_nothing(tmp_path: Path) -> None:
    write_router(tmp_path)
    (tmp_path / "router.toml").write_text(CONFIG)
    account, chosen = Account(), random.Random("crash")
    async with running(tmp_path) as (_, address), open_smp_client(address) as client:
        queues = [await client.create_queue(MessagingRequest()) for _ in range(3)]
    for number in range(ROUNDS):
        async with running(tmp_path) as (process, address):
            await work_until_it_dies(process, address, queues, account, chosen.randrange(20, 400))
        if number % 2:  # and once in a while all must be there
            async with running(tmp_path) as (_, address):
                await drain(address, queues, account)
            assert account.accepted <= account.gone | account.acknowledging
    async with running(tmp_path) as (_, address):
        await drain(address, queues, account)
    assert account.accepted <= account.gone | account.acknowledging
    assert len(account.accepted) >= 20 * ROUNDS
