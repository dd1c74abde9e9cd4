"""This project's own router in a `MemoryNetwork`, and a connection to it for what a test sends."""

from __future__ import annotations

import trio

from simplex_trio.client.connection import Connection
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.queues import OwnedQueue, ReceivingQueue
from simplex_trio.client.smp.session import SMP
from simplex_trio.client.spec import shake_hands
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.errors import SimplexError
from simplex_trio.router.hub import Hub
from simplex_trio.router.session import serve_client
from simplex_trio.testing.in_memory import stand_in
from simplex_trio.testing.in_memory.router import MemoryRouter
from simplex_trio.transport.block_stream import BlockStream
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE


class OwnRouter(MemoryRouter):
    """Queues are made and messages sent over a connection that has no part in any trouble."""

    _sender: SMPClient | None = None

    def stop(self) -> None:
        super().stop()
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

    async def began(self, hub: Hub, nursery: trio.Nursery) -> None:
        ours, theirs = trio.testing.memory_stream_pair()
        session_id = self.random.randbytes(32)
        frames = BlockStream(theirs, SMP_BLOCK_SIZE)
        nursery.start_soon(serve_client, hub, frames, stand_in.session(session_id, None))
        tls = stand_in.session(session_id, self.credentials.chain)
        stream = BlockStream(ours, SMP_BLOCK_SIZE)
        agreement = await shake_hands(stream, SMP.handshake(self.address, tls), SMP_BLOCK_SIZE)
        client = SMPClient(self.address, Connection(stream, agreement, tls))
        nursery.start_soon(client.run)
        self._sender = client
