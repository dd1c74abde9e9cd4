"""How an agent connects to simulated routers: everything is real but TCP and TLS."""

from __future__ import annotations

from random import Random

import trio

from simplex_trio.agent.connections import Connector
from simplex_trio.agent.destination import Destination
from simplex_trio.client.connection import Connection
from simplex_trio.client.smp import SMPClient, SMPClientConfig
from simplex_trio.client.smp_session import smp_spec
from simplex_trio.client.spec import shake_hands
from simplex_trio.errors import DialFailed
from simplex_trio.transport.block_stream import BlockStream
from simplex_trio.transport.tls import TlsSession
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE

from .router import SESSION_ID_SIZE, SimulatedRouter


def simulated_connector(
    routers: list[SimulatedRouter], random: Random, config: SMPClientConfig
) -> Connector:
    """Connects to these routers; the client begins by naming its session, in place of TLS."""
    by_address = {router.address: router for router in routers}

    async def connect(nursery: trio.Nursery, destination: Destination) -> SMPClient:
        router = by_address[destination.server]
        service = config.session.service
        session_id = random.randbytes(SESSION_ID_SIZE)
        if service is not None:
            router.client_chains[session_id] = service.chain
        try:
            stream = await router.network.connect(router.name)
            await stream.send_all(session_id)
        except (OSError, trio.BrokenResourceError) as exc:
            raise DialFailed("the router is not there") from exc
        tls = TlsSession(
            session_id=session_id,
            tls_version="TLSv1.3",
            alpn="smp/1",
            peer_chain=router.credentials.chain,
            server_name=None,
            certificate_sent=service is not None,
            suite="TLS_CHACHA20_POLY1305_SHA256",
            group="X25519",
        )
        frames = BlockStream(stream, SMP_BLOCK_SIZE)
        handshake = smp_spec(config.session).handshake(destination.server, tls)
        agreement = await shake_hands(frames, handshake, SMP_BLOCK_SIZE)
        client = SMPClient(destination.server, Connection(frames, agreement, tls), config)
        nursery.start_soon(client.run)
        return client

    return connect
