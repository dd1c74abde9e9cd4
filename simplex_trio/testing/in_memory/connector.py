"""How an agent connects to routers in a `MemoryNetwork`: everything is real but TCP and TLS."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Protocol

import trio

from simplex_trio.agent.connections import Connector
from simplex_trio.agent.destination import Destination
from simplex_trio.client.connection import Connection
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.client.smp.session import smp_spec
from simplex_trio.client.spec import shake_hands
from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.credentials import RouterCredentials
from simplex_trio.errors import DialFailed
from simplex_trio.testing.in_memory import stand_in
from simplex_trio.transport.block_stream import BlockStream
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE


class Network(Protocol):
    """What routers are connected to through, such as a `MemoryNetwork`."""

    async def connect(self, name: str) -> trio.abc.Stream: ...


class Reachable(Protocol):
    """A router, as far as connecting to it is concerned."""

    @property
    def network(self) -> Network: ...

    name: str
    address: ServerAddress
    credentials: RouterCredentials
    client_chains: dict[bytes, CertificateChain]
    """Where the client leaves what TLS would have shown of it, by session id."""


def simulated_connector(
    routers: Sequence[Reachable], random: Random, config: SMPClientConfig
) -> Connector:
    """Connects to these routers, of which there may be more by and by."""

    async def connect(nursery: trio.Nursery, destination: Destination) -> SMPClient:
        (router,) = (each for each in routers if each.address == destination.server)
        service = config.session.service
        session_id = random.randbytes(32)
        if service is not None:
            router.client_chains[session_id] = service.chain
        try:
            stream = await router.network.connect(router.name)
            await stand_in.begin_as_client(stream, session_id)
        except (OSError, trio.BrokenResourceError) as exc:
            raise DialFailed("the router is not there") from exc
        tls = stand_in.session(
            session_id, router.credentials.chain, certificate_sent=service is not None
        )
        frames = BlockStream(stream, SMP_BLOCK_SIZE)
        handshake = smp_spec(config.session).handshake(destination.server, tls)
        agreement = await shake_hands(frames, handshake, SMP_BLOCK_SIZE)
        client = SMPClient(destination.server, Connection(frames, agreement, tls), config)
        nursery.start_soon(client.run)
        return client

    return connect
