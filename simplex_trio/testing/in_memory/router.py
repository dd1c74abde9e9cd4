"""`MemoryRouter`: this package's router in a `MemoryNetwork`: all of it but listening and TLS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from random import Random

import trio

from simplex_trio.agent.config import AgentConfig, AgentRole
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.credentials import RouterCredentials, generate_router_credentials
from simplex_trio.engine.calls import EngineConfig
from simplex_trio.engine.timeouts import Timeouts
from simplex_trio.router.config import RouterConfig
from simplex_trio.router.hub import Hub, assemble_hub
from simplex_trio.router.relays import open_relays
from simplex_trio.router.session import serve_client
from simplex_trio.router.store.memory import MemoryStore
from simplex_trio.testing.in_memory import stand_in
from simplex_trio.testing.in_memory.connector import Reachable, simulated_connector
from simplex_trio.testing.network import MemoryNetwork
from simplex_trio.transport.block_stream import BlockStream
from simplex_trio.transport.tls import utc_now
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.hosts import parse_host
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE

__all__ = ["START", "MemoryRouter", "credentials"]

START = 1_800_000_000
"""The time at which a simulation begins, in seconds since 1970."""

_TIMEOUTS = Timeouts(background=6, interactive=6)


@cache
def credentials(number: int) -> RouterCredentials:
    """The same for every simulation, as making them takes longer than most of it."""
    return generate_router_credentials(now=utc_now())


class MemoryRouter:
    """A router whose store survives that it is taken down, and a proxy to other ones."""

    def __init__(
        self,
        network: MemoryNetwork,
        name: str,
        random: Random,
        *,
        number: int = 0,
        config: RouterConfig | None = None,
        relays: Sequence[Reachable] = (),
        clock: Callable[[], float] = lambda: START,
    ) -> None:
        self.network = network
        self.name = name
        self.random = random
        self.credentials: RouterCredentials = credentials(number)
        self.address: ServerAddress = ServerAddress(
            ServerProtocol.SMP, (parse_host(name),), None, self.credentials.identity_fingerprint
        )
        self.client_chains: dict[bytes, CertificateChain] = {}
        self._config = config or RouterConfig()
        self._relays = relays
        self._clock = clock
        self._store = MemoryStore()
        self._running: trio.CancelScope | None = None

    async def start(self, nursery: trio.Nursery) -> None:
        """Run in a nursery until `stop`; returns when it can be connected to."""
        await nursery.start(self._run)

    def stop(self) -> None:
        """Break all connections and refuse new ones; what is in the store stays."""
        self.network.take_down(self.name)
        assert self._running is not None
        self._running.cancel()

    async def began(self, hub: Hub, nursery: trio.Nursery) -> None:
        """For a subclass: called before anything can connect."""
        await trio.lowlevel.checkpoint()

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        engine = EngineConfig(
            request_timeouts=_TIMEOUTS,
            connect_timeouts=_TIMEOUTS,
            silence=30,
            random=self.random.randbytes,
        )
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
                    clock=self._clock,
                    random=self.random.randbytes,
                )
                nursery.start_soon(hub.commits.run)
                nursery.start_soon(hub.ends.run)
                await self.began(hub, nursery)

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
