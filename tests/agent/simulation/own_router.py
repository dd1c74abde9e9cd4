"""This project's own router in a `MemoryNetwork`: all of it but listening and TLS."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import trio

from simplex_trio.agent.config import AgentConfig, AgentRole
from simplex_trio.client.connection import Connection
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.queues import OwnedQueue, ReceivingQueue
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.client.smp.session import SMP
from simplex_trio.client.spec import shake_hands
from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.engine.calls import EngineConfig
from simplex_trio.engine.timeouts import Timeouts
from simplex_trio.errors import SimplexError
from simplex_trio.router.config import RouterConfig
from simplex_trio.router.hub import Hub, assemble_hub
from simplex_trio.router.relays import open_relays
from simplex_trio.router.session import serve_client
from simplex_trio.router.store.memory import MemoryStore
from simplex_trio.testing.network import MemoryNetwork
from simplex_trio.transport.block_stream import BlockStream
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.hosts import parse_host
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE

from . import stand_in
from .connector import Reachable, simulated_connector
from .router import credentials

_NOW = 1_800_000_000
_TIMEOUTS = Timeouts(background=6, interactive=6)


class OwnRouter:
    """A router whose store survives that it is taken down, and a proxy to other ones.

    Queues are made and messages sent over a connection that has no part in any trouble.
    """

    def __init__(
        self,
        network: MemoryNetwork,
        name: str,
        random: Random,
        *,
        number: int = 0,
        config: RouterConfig | None = None,
        relays: Sequence[Reachable] = (),
    ) -> None:
        self.network = network
        self.name = name
        self.random = random
        self.credentials = credentials(number)
        self.address = ServerAddress(
            ServerProtocol.SMP, (parse_host(name),), None, self.credentials.identity_fingerprint
        )
        self.client_chains: dict[bytes, CertificateChain] = {}
        self._config = config or RouterConfig()
        self._relays = relays
        self._store = MemoryStore()
        self._sender: SMPClient | None = None
        self._running: trio.CancelScope | None = None

    async def start(self, nursery: trio.Nursery) -> None:
        await nursery.start(self._run)

    def stop(self) -> None:
        self.network.take_down(self.name)
        assert self._running is not None
        self._running.cancel()
        self._sender = None

    async def new_queue(self, key: Ed25519PrivateKey) -> ReceivingQueue:
        assert self._sender is not None
        return await self._sender.create_queue(key=key, subscribe=False)

    async def accept(self, queue: OwnedQueue, body: bytes) -> bool:
        """Whether the router has taken a message in."""
        assert isinstance(queue, ReceivingQueue)
        if self._sender is None:
            await trio.lowlevel.checkpoint()
            return False
        try:
            await self._sender.send(queue.sender_id, body)
        except SimplexError:
            return False
        return True

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        engine = EngineConfig(request_timeouts=_TIMEOUTS, connect_timeouts=_TIMEOUTS, silence=30)
        client = AgentConfig(AgentRole.SENDER, SMPClientConfig(engine=engine)).client_config
        connector = simulated_connector(self._relays, self.random, client)
        with trio.CancelScope() as self._running:
            async with (
                open_relays(self._config.proxy, connector=connector) as relays,
                trio.open_nursery() as nursery,
            ):
                hub = await assemble_hub(
                    self._config,
                    self.credentials,
                    self._store,
                    relays=relays if self._relays else None,
                    clock=lambda: _NOW,
                    random=self.random.randbytes,
                )
                nursery.start_soon(hub.commits.run)
                nursery.start_soon(hub.ends.run)
                self._sender = await self._connect(hub, nursery)

                async def serve(stream: trio.abc.Stream) -> None:
                    try:
                        session_id = await stand_in.begin_as_router(stream)
                    except (trio.EndOfChannel, trio.BrokenResourceError):
                        return
                    tls = stand_in.session(session_id, None)
                    await serve_client(hub, BlockStream(stream, SMP_BLOCK_SIZE), tls)

                try:
                    await self.network.run_server(self.name, serve, task_status=task_status)
                finally:
                    hub.commits.close()

    async def _connect(self, hub: Hub, nursery: trio.Nursery) -> SMPClient:
        ours, theirs = trio.testing.memory_stream_pair()
        session_id = self.random.randbytes(32)
        frames = BlockStream(theirs, SMP_BLOCK_SIZE)
        nursery.start_soon(serve_client, hub, frames, stand_in.session(session_id, None))
        tls = stand_in.session(session_id, self.credentials.chain)
        stream = BlockStream(ours, SMP_BLOCK_SIZE)
        agreement = await shake_hands(stream, SMP.handshake(self.address, tls), SMP_BLOCK_SIZE)
        client = SMPClient(self.address, Connection(stream, agreement, tls))
        nursery.start_soon(client.run)
        return client
