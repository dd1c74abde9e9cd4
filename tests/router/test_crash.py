"""A router that is killed in the middle of its work loses nothing that it has said OK to.

Nor does one whose database is killed, or two of which the second takes over from the first.
"""

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

import pytest
import trio
from attrs import Factory, define

from simplex_trio.agent.agent import open_smp_agent
from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.client import SMPClient, open_smp_client
from simplex_trio.client.smp.queues import MessageReceived, ReceivingQueue
from simplex_trio.errors import ConnectionLost, SimplexError
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.smp.new_queue import MessagingRequest
from tests.agent.test_own_router import QUICK, Receiver, create_queues
from tests.cli.support import a_free_port
from tests.postgres import QUICK as QUICK_SERVER
from tests.postgres import LocalServer, local_server, new_place
from tests.serving.credential_files import write_router

ROUNDS = int(os.environ.get("SIMPLEX_TRIO_CRASH_ROUNDS", "3"))
FEWER = ROUNDS if ROUNDS > 3 else 2

CONFIG = """
hosts = ["127.0.0.1"]
listen = "127.0.0.1"
ports = [{port}]
credentials = "."
store = "{store}"
standby = {standby}
[queues]
quota = 100000
"""


def write_folder(folder: Path, store: str, *, port: int = 0, standby: bool = False) -> Path:
    """The folder of a router."""
    write_router(folder)
    config = CONFIG.format(store=store, port=port, standby=str(standby).lower())
    (folder / "router.toml").write_text(config)
    return folder


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
    process: trio.Process,
    address: str,
    queues: list[ReceivingQueue],
    account: Account,
    most: int,
    server: LocalServer | None = None,
) -> None:
    """Send and receive until so many more messages have been accepted, and kill the router.

    The server of its database is killed first, if there is one.
    """
    most += len(account.accepted)

    async def kill() -> None:
        await account.until_accepted(most)
        if server is not None:
            server.kill()
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


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> str:
    """A store that does not exist yet."""
    if request.param == "sqlite":
        return "router.sqlite"
    return new_place(request.getfixturevalue("postgres"))


async def test_killed_router_loses_nothing(tmp_path: Path, store: str) -> None:
    write_folder(tmp_path, store)
    account, chosen = Account(), random.Random("crash")
    queues = await new_queues(tmp_path)
    for number in range(ROUNDS):
        async with running(tmp_path) as (process, address):
            await work_until_it_dies(process, address, queues, account, chosen.randrange(20, 400))
        if number % 2:  # and once in a while all must be there
            await drain_and_check(tmp_path, queues, account)
    await drain_and_check(tmp_path, queues, account)
    assert len(account.accepted) >= 20 * ROUNDS


async def new_queues(folder: Path) -> list[ReceivingQueue]:
    async with running(folder) as (_, address), open_smp_client(address) as client:
        return [await client.create_queue(MessagingRequest()) for _ in range(3)]


async def drain_and_check(folder: Path, queues: list[ReceivingQueue], account: Account) -> None:
    async with running(folder) as (_, address):
        await drain(address, queues, account)
    assert account.accepted <= account.gone | account.acknowledging


async def test_a_killed_database_loses_nothing(tmp_path: Path) -> None:
    with local_server(*QUICK_SERVER) as server:
        write_folder(tmp_path, new_place(server.url))
        account, chosen = Account(), random.Random("crash")
        queues = await new_queues(tmp_path)
        for number in range(FEWER):
            async with running(tmp_path) as (process, address):
                if number % 2:  # the router lives, and goes on
                    await work_while_it_restarts(server, address, queues, account)
                most = chosen.randrange(20, 400)
                await work_until_it_dies(process, address, queues, account, most, server)
            server.start()
        await drain_and_check(tmp_path, queues, account)


async def work_while_it_restarts(
    server: LocalServer, address: str, queues: list[ReceivingQueue], account: Account
) -> None:
    """Send while the database of a router is killed and started again, and then some more."""

    async def send(queue: ReceivingQueue) -> None:
        while True:
            body = account.next_body()
            with suppress(RouterError):  # which says that nothing has been stored
                await client.send(queue.sender_id, body)
                account.accept(body)

    async with open_smp_client(address) as client, trio.open_nursery() as nursery:
        for queue in queues:
            nursery.start_soon(send, queue)
        await account.until_accepted(len(account.accepted) + 50)
        server.kill()
        await trio.to_thread.run_sync(server.start)
        await account.until_accepted(len(account.accepted) + 50)
        nursery.cancel_scope.cancel()


# --- fail-over ----------------------------------------------------------------------------------


async def test_a_standby_takes_the_place_of_a_killed_router(tmp_path: Path, postgres: str) -> None:
    port = a_free_port()
    write_folder(tmp_path, new_place(postgres), port=port, standby=True)
    account, listens, done = Account(), trio.Event(), trio.Event()

    async def stand_by() -> None:
        async with running(tmp_path) as (_, address):
            assert address.endswith(f":{port}")
            listens.set()
            await done.wait()

    async with open_smp_agent(QUICK) as agent, open_smp_agent(QUICK) as sender:

        async def send(queue: ReceivingQueue) -> None:
            body = account.next_body()
            while body not in account.accepted:
                with suppress(SimplexError):
                    client = await sender.client(address)
                    await client.send(queue.sender_id, body)
                    account.accept(body)
                await trio.sleep(0.01)

        async with trio.open_nursery() as nursery:
            async with running(tmp_path) as (first, text):
                address = ServerAddress.parse(text)
                queues = await create_queues(agent, address, 20)
                agent.subscribe(address, queues.values())
                receiver = Receiver(agent, queues)
                nursery.start_soon(receiver.run)
                nursery.start_soon(stand_by)
                async with trio.open_nursery() as sending:
                    for number in range(200):
                        sending.start_soon(send, list(queues.values())[number % 20])
                    await account.until_accepted(50)
                    assert not listens.is_set()
                    first.send_signal(signal.SIGKILL)
            await listens.wait()
            await receiver.wait_until(lambda: receiver.bodies == account.accepted)
            assert len(agent.subscriptions(address).active) == 20
            done.set()
            nursery.cancel_scope.cancel()
    assert len(account.accepted) == 200
